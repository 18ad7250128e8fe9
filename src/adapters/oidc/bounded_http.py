"""HTTP to a provider: every request ends in time, every answer is small, no redirect counts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx
import msgspec

from tradeplane.errors import ComponentUnavailable
from tradeplane.secure_url import is_loopback_url, is_secure_url

_CONNECT_S = 2.0
_ANSWER_BYTES_MAX = 131_072
_CONNECTIONS_MAX = 16
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}


class HttpAnswer(msgspec.Struct, frozen=True):
    """One answer, whole.

    Attributes:
        status: the HTTP status, never that of a redirect.
    """

    status: int
    body: bytes


class BoundedHttp:
    """A client for one provider.

    A proxy of the environment (``HTTPS_PROXY``) is used, but not for the loopback.

    Args:
        issuer: the provider.
        transport: takes the place of the network.
        total_ms: longest time a request may take, its answer included.
    """

    def __init__(
        self,
        issuer: str,
        transport: httpx.AsyncBaseTransport | None = None,
        total_ms: int = 4_000,
    ) -> None:
        self._total_s = total_ms / 1_000
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(self._total_s, connect=min(_CONNECT_S, self._total_s)),
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX),
            follow_redirects=False,
            trust_env=not is_loopback_url(issuer),
            headers=_HEADERS,
        )

    async def get(self, url: str) -> HttpAnswer:
        """Fetch *url*.

        Raises:
            ComponentUnavailable: it cannot be fetched in time, is too large, is a redirect, or a
                failure of the server (5xx, 429).
        """
        return await self._ask("GET", url)

    async def post(
        self, url: str, form: Mapping[str, str], credentials: httpx.BasicAuth | None
    ) -> HttpAnswer:
        """Send *form*; raises what :meth:`get` raises."""
        return await self._ask("POST", url, dict(form), credentials)

    async def close(self) -> None:
        """Close every connection."""
        await self._client.aclose()

    async def _ask(
        self,
        method: str,
        url: str,
        form: dict[str, str] | None = None,
        credentials: httpx.BasicAuth | None = None,
    ) -> HttpAnswer:
        if not is_secure_url(url):
            raise _unavailable("names an address that is not https")
        try:
            async with asyncio.timeout(self._total_s):
                request = self._client.build_request(method, url, data=form)
                answer = await self._client.send(request, auth=credentials, stream=True)
                try:
                    body = await _whole_body(answer)
                finally:
                    await answer.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise _unavailable(f"cannot be reached ({type(error).__name__})") from error
        status = answer.status_code
        if 300 <= status < 400:
            raise _unavailable("answered with a redirect, which is not followed")
        if status >= 500 or status == 429:
            raise _unavailable(f"answered with status {status}")
        return HttpAnswer(status, body)


async def _whole_body(answer: httpx.Response) -> bytes:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise _unavailable("sent a compressed answer that nobody asked for")
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > _ANSWER_BYTES_MAX:
            raise _unavailable(f"sent more than {_ANSWER_BYTES_MAX} bytes")
    return bytes(body)


def _unavailable(what: str) -> ComponentUnavailable:
    return ComponentUnavailable(f"the OpenID provider {what}; begin the login again later")
