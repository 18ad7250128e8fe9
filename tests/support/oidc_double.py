"""An OpenID provider that lies on demand: what no honest one sends, over a transport of httpx."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tradeplane.clock import NS_PER_S, Clock

ISSUER = "https://provider.test"
CLIENT_ID = "venue client"
CLIENT_SECRET = "a secret: with +signs & more"  # pragma: allowlist secret
SUBJECT = "248289761001"

PRIVATE: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65_537, 2_048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": Ed25519PrivateKey.generate(),
}


def public_jwk(algorithm: str, kid: str | None = None) -> dict[str, Any]:
    """Return the public half of the double's key for *algorithm*."""
    kind = jwt.get_algorithm_by_name(algorithm)
    row = kind.to_jwk(PRIVATE[algorithm].public_key(), as_dict=True)
    return {**row, "kid": kid or algorithm, "alg": algorithm, "use": "sig"}


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class OidcDouble:
    """Answers as a provider does, until a test changes one of its attributes.

    Attributes:
        configuration: the discovery document.
        keys: the key set.
        answers: by path, takes the place of the honest answer.
        make_token: takes header and claims, returns the identity token.
        claims: changes of the claims; None takes one away.
        requests: the paths that were asked, in order.
        authorized: the query of the last login.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.configuration: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/auth?tenant=1",
            "token_endpoint": f"{ISSUER}/token",
            "jwks_uri": f"{ISSUER}/jwks",
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA", "HS256", "none"],
            "code_challenge_methods_supported": ["plain", "S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        self.keys: list[dict[str, Any]] = [public_jwk(algorithm) for algorithm in PRIVATE]
        self.answers: dict[str, Callable[[httpx.Request], httpx.Response]] = {}
        self.algorithm = "RS256"
        self.header: dict[str, Any] = {}
        self.claims: dict[str, Any] = {}
        self.make_token: Callable[[dict[str, Any], dict[str, Any]], str] = self.signed
        self.requests: list[str] = []
        self.authorized: dict[str, str] = {}
        self._codes: dict[str, dict[str, str]] = {}

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(lambda request: _streamed(self._answer(request)))

    def authorize(self, location: str) -> dict[str, str]:
        """Log somebody in at the address that the browser was sent to; return the way back."""
        wanted = dict(parse_qsl(urlsplit(location).query))
        assert wanted["tenant"] == "1", "what the endpoint has in its query stays there"
        assert wanted["client_id"] == CLIENT_ID
        assert (wanted["scope"], wanted["response_type"]) == ("openid", "code")
        self.authorized = wanted
        code = f"code-{len(self._codes)}"
        self._codes[code] = wanted
        return {"code": code, "state": wanted["state"], "iss": ISSUER}

    def signed(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        return jwt.encode(claims, PRIVATE[self.algorithm], header["alg"], headers=header)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.requests.append(path)
        if path in self.answers:
            return self.answers[path](request)
        if path == "/.well-known/openid-configuration":
            return httpx.Response(200, json=self.configuration)
        if path == "/jwks":
            return httpx.Response(200, json={"keys": self.keys})
        assert path == "/token", path
        return self._token(request)

    def _token(self, request: httpx.Request) -> httpx.Response:
        form = dict(parse_qsl(request.content.decode()))
        basic = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        pair = dict(parse_qsl("id=" + basic.replace(":", "&secret=")))
        if pair != {"id": CLIENT_ID, "secret": CLIENT_SECRET}:
            return httpx.Response(401, json={"error": "invalid_client"})
        wanted = self._codes.pop(form["code"], None)
        digest = b64(hashlib.sha256(form["code_verifier"].encode()).digest())
        if (
            wanted is None
            or digest != wanted["code_challenge"]
            or form["redirect_uri"] != wanted["redirect_uri"]
        ):
            return httpx.Response(400, json={"error": "invalid_grant"})
        now_s = self._clock.wall_ns() // NS_PER_S
        claims = {
            "iss": ISSUER,
            "sub": SUBJECT,
            "aud": CLIENT_ID,
            "exp": now_s + 300,
            "iat": now_s,
            "nonce": wanted["nonce"],
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.algorithm, "typ": "JWT", **self.header}
        token = self.make_token(header, claims)
        return httpx.Response(200, json={"id_token": token, "access_token": "unused"})


class _Body(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._body), 1_000):
            yield self._body[start : start + 1_000]


def _streamed(answer: httpx.Response) -> httpx.Response:
    """Return *answer* in pieces, as a network delivers it."""
    return httpx.Response(answer.status_code, headers=answer.headers, stream=_Body(answer.content))


def raw_token(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """Return a token of any header under any signature."""
    return f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}.{b64(signature)}"
