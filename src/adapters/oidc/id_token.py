"""Identity tokens (OpenID Connect Core 1.0, section 3.1.3.7), checked by the book (RFC 8725)."""

from __future__ import annotations

import hmac

import msgspec
from jwt import PyJWK
from jwt.api_jws import PyJWS
from jwt.exceptions import PyJWTError

from tradeplane.clock import NS_PER_S
from tradeplane.errors import NotAuthenticated

ALGORITHMS: dict[str, dict[str, str]] = {
    "RS256": {"kty": "RSA"},
    "ES256": {"kty": "EC", "crv": "P-256"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
}
"""What a token may be signed with, and what a key for it is. No shared secrets, and no ``none``."""

TOKEN_BYTES_MAX = 16_384
_SKEW_S = 30
_AGE_S = 600
_SUBJECT_MAX = 255
_FORBIDDEN = {"jwk", "jku", "x5u", "crit", "b64", "zip"}
"""Header members that would let a token choose its own key or rules."""

_JWS = PyJWS(algorithms=list(ALGORITHMS))


class Expected(msgspec.Struct, frozen=True):
    """What a token must say.

    Attributes:
        nonce: ties it to one login.
    """

    issuer: str
    client_id: str
    nonce: str


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    aud: str | tuple[str, ...]
    exp: int | float
    iat: int | float
    nonce: str
    azp: str = ""
    nbf: int | float = 0


def key_wanted(token: str) -> tuple[str, str]:
    """Return the id of the key that *token* names, and its algorithm, one of :data:`ALGORITHMS`.

    Nothing of it is proven yet.

    Raises:
        NotAuthenticated: it is no token that may be checked at all.
    """
    if len(token) > TOKEN_BYTES_MAX or not token.isascii():
        raise refused()
    try:
        header = _JWS.get_unverified_header(token)
    except PyJWTError:
        raise refused() from None
    kid, algorithm = header.get("kid"), header.get("alg")
    if not isinstance(kid, str) or algorithm not in ALGORITHMS or _FORBIDDEN & header.keys():
        raise refused()
    return kid, algorithm


def proven_subject(token: str, key: PyJWK, expected: Expected, now_ns: int) -> str:
    """Return whom *token* proves.

    Args:
        token: an identity token.
        key: the issuer's key, made for the algorithm that the token names.
        expected: what it must say.
        now_ns: wall time.

    Raises:
        NotAuthenticated: the signature is wrong, or it says something else; not said which.
    """
    try:
        payload = _JWS.decode(token, key, algorithms=[key.algorithm_name])
        claims = msgspec.json.decode(payload, type=_Claims)
    except (PyJWTError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refused() from None
    subject = claims.sub
    good = (
        claims.iss == expected.issuer
        and _is_for(claims, expected.client_id)
        and _is_timely(claims, now_ns / NS_PER_S)
        and hmac.compare_digest(claims.nonce.encode(), expected.nonce.encode())
        and 0 < len(subject) <= _SUBJECT_MAX
        and subject.isprintable()
    )
    if not good:
        raise refused()
    return subject


def _is_for(claims: _Claims, client_id: str) -> bool:
    audience = (claims.aud,) if isinstance(claims.aud, str) else claims.aud
    if client_id not in audience:
        return False
    return claims.azp == client_id if len(audience) > 1 or claims.azp else True


def _is_timely(claims: _Claims, now_s: float) -> bool:
    made = now_s - _AGE_S - _SKEW_S <= claims.iat <= now_s + _SKEW_S
    return made and claims.nbf <= now_s + _SKEW_S and now_s - _SKEW_S < claims.exp


def refused() -> NotAuthenticated:
    """Return the one refusal of an identity, which does not say why."""
    return NotAuthenticated("the OpenID provider's answer proves no identity")
