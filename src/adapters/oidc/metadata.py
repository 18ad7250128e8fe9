"""What a provider says about itself (OpenID Connect Discovery 1.0), checked, kept for an hour."""

from __future__ import annotations

import asyncio
from typing import Literal

import msgspec

from adapters.oidc.bounded_http import BoundedHttp
from adapters.oidc.document import read_document
from adapters.oidc.id_token import ALGORITHMS
from tradeplane.clock import NS_PER_S, Clock
from tradeplane.errors import ComponentUnavailable, Misconfigured
from tradeplane.secure_url import is_secure_url

_PATH = "/.well-known/openid-configuration"
_KEEP_NS = 3_600 * NS_PER_S
_PAUSE_NS = 1 * NS_PER_S

ClientAuthentication = Literal["client_secret_basic", "client_secret_post"]


class Metadata(msgspec.Struct, frozen=True):
    """The members of the discovery document that matter here.

    Attributes:
        authorization_response_iss_parameter_supported: whether answers name the issuer (RFC 9207).
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    id_token_signing_alg_values_supported: tuple[str, ...]
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] = ("S256",)
    authorization_response_iss_parameter_supported: bool = False

    @property
    def client_authentication(self) -> ClientAuthentication:
        """How the client's secret is sent."""
        if "client_secret_basic" in self.token_endpoint_auth_methods_supported:
            return "client_secret_basic"
        return "client_secret_post"


class Discovery:
    """Fetches the document of one provider, and keeps it for an hour.

    Requests that come together wait for one fetch. After a failed one there is a pause of a second,
    in which every request gets the same failure, so that a provider that hangs is not besieged.

    Args:
        issuer: the provider, exactly as it calls itself.
        http: reaches it.
        clock: monotonic time.
    """

    def __init__(self, issuer: str, http: BoundedHttp, clock: Clock) -> None:
        self._issuer = issuer
        self._http = http
        self._clock = clock
        self._known: tuple[Metadata, int] | None = None
        self._failure: tuple[str, int] | None = None
        self._fetching = asyncio.Lock()

    async def metadata(self) -> Metadata:
        """Return the document.

        Raises:
            ComponentUnavailable: it cannot be fetched, or is malformed.
            Misconfigured: it is another provider's, or the provider cannot do what is needed.
        """
        return self._fresh() or await self._fetched()

    def _fresh(self) -> Metadata | None:
        known = self._known
        if known is None or self._clock.monotonic_ns() - known[1] > _KEEP_NS:
            return None
        return known[0]

    async def _fetched(self) -> Metadata:
        async with self._fetching:
            known = self._fresh()
            if known is not None:
                return known
            failure = self._failure
            if failure is not None and self._clock.monotonic_ns() - failure[1] < _PAUSE_NS:
                raise ComponentUnavailable(failure[0])
            try:
                answer = await self._http.get(self._issuer.rstrip("/") + _PATH)
                found = read_document(answer, Metadata, "configuration")
            except ComponentUnavailable as error:
                self._failure = (error.message, self._clock.monotonic_ns())
                raise
            _check(found, self._issuer)
            self._known = (found, self._clock.monotonic_ns())
            return found


def _check(found: Metadata, issuer: str) -> None:
    if found.issuer != issuer:
        raise Misconfigured(
            f"TRADEPLANE_OIDC_ISSUER is {issuer!r}, but the provider there calls itself "
            f"{found.issuer[:200]!r}"
        )
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        if not is_secure_url(getattr(found, name)):
            raise Misconfigured(f"the OpenID provider's {name} is no https URL")
    if not ALGORITHMS.keys() & set(found.id_token_signing_alg_values_supported):
        raise Misconfigured(
            f"the OpenID provider signs with none of {', '.join(sorted(ALGORITHMS))}"
        )
    if "S256" not in found.code_challenge_methods_supported:
        raise Misconfigured("the OpenID provider does not know PKCE with S256")
    if not {"client_secret_basic", "client_secret_post"} & set(
        found.token_endpoint_auth_methods_supported
    ):
        raise Misconfigured("the OpenID provider takes no client secret")
