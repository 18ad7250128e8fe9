"""One OpenID provider, asked as a confidential client (OpenID Connect Core 1.0, section 3.1)."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

import httpx
import msgspec

from adapters.oidc.bounded_http import BoundedHttp, HttpAnswer
from adapters.oidc.document import read_document
from adapters.oidc.id_token import Expected, key_wanted, proven_subject, refused
from adapters.oidc.key_cache import KeyCache
from adapters.oidc.login_state import LoginState
from adapters.oidc.metadata import Discovery, Metadata
from tradeplane.auth.secretive import Secretive
from tradeplane.clock import Clock
from tradeplane.errors import Misconfigured, NotAuthenticated

_SCOPE = "openid"


class Client(Secretive, frozen=True):
    """This installation, as the provider knows it.

    Attributes:
        redirect_uri: where the provider sends browsers back to.
    """

    client_id: str
    client_secret: str
    redirect_uri: str


class _TokenAnswer(msgspec.Struct, frozen=True):
    id_token: str


class _TokenRefusal(msgspec.Struct, frozen=True):
    error: str = ""


class OidcProvider:
    """Sends browsers to the provider, and exchanges what they bring back.

    Args:
        issuer: the provider, exactly as it calls itself.
        client: this installation.
        http: reaches the provider.
        clock: wall and monotonic time.
    """

    def __init__(self, issuer: str, client: Client, http: BoundedHttp, clock: Clock) -> None:
        self.issuer = issuer
        self._client = client
        self._http = http
        self._clock = clock
        self._discovery = Discovery(issuer, http, clock)
        self._keys = KeyCache(http, clock)

    async def authorization_url(self, login: LoginState, state: str) -> str:
        """Return where the browser goes to log in.

        Raises:
            ComponentUnavailable, Misconfigured: as the discovery of the provider does.
        """
        metadata = await self._discovery.metadata()
        endpoint = urlsplit(metadata.authorization_endpoint)
        query = [
            *parse_qsl(endpoint.query),
            ("response_type", "code"),
            ("client_id", self._client.client_id),
            ("redirect_uri", self._client.redirect_uri),
            ("scope", _SCOPE),
            ("state", state),
            ("nonce", login.login_id),
            ("code_challenge", login.challenge),
            ("code_challenge_method", "S256"),
        ]
        return endpoint._replace(query=urlencode(query)).geturl()

    async def check_issuer(self, named: str) -> None:
        """Check who an answer says it is from (RFC 9207).

        Args:
            named: the issuer in the answer, empty for none.

        Raises:
            NotAuthenticated: it is another provider's, or does not say although it should.
            ComponentUnavailable, Misconfigured: as the discovery of the provider does.
        """
        metadata = await self._discovery.metadata()
        required = metadata.authorization_response_iss_parameter_supported
        if named != self.issuer and (named or required):
            raise refused()

    async def subject(self, code: str, login: LoginState) -> str:
        """Return who *code* stands for; the provider takes it once.

        Raises:
            NotAuthenticated: the provider does not take the code, or its token proves nothing.
            ComponentUnavailable: the provider cannot be reached, or answers wrongly.
            Misconfigured: the provider does not know this installation.
        """
        metadata = await self._discovery.metadata()
        token = await self._id_token(metadata, code, login)
        kid, algorithm = key_wanted(token)
        key = await self._keys.key(metadata.jwks_uri, kid, algorithm)
        if key is None:
            raise refused()
        expected = Expected(self.issuer, self._client.client_id, login.login_id)
        return proven_subject(token, key, expected, self._clock.wall_ns())

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()

    async def _id_token(self, metadata: Metadata, code: str, login: LoginState) -> str:
        client = self._client
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": login.verifier,
        }
        credentials = None
        if metadata.client_authentication == "client_secret_basic":
            # Both are encoded as in a form, before they are put together (RFC 6749, 2.3.1).
            parts = quote_plus(client.client_id), quote_plus(client.client_secret)
            credentials = httpx.BasicAuth(*parts)
        else:
            form |= {"client_id": client.client_id, "client_secret": client.client_secret}
        answer = await self._http.post(metadata.token_endpoint, form, credentials)
        if answer.status in {400, 401, 403}:
            raise _refusal(answer)
        return read_document(answer, _TokenAnswer, "token answer").id_token


def _refusal(answer: HttpAnswer) -> NotAuthenticated | Misconfigured:
    try:
        error = msgspec.json.decode(answer.body, type=_TokenRefusal).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = ""
    if error == "invalid_grant":
        return refused()
    return Misconfigured(
        "the OpenID provider refuses this installation as a client "
        f"(status {answer.status}); check TRADEPLANE_OIDC_CLIENT_ID, its secret and redirect URI"
    )
