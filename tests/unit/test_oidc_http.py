"""Requests to a provider end, whatever it does."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from adapters.oidc.bounded_http import BoundedHttp
from tradeplane.errors import ComponentUnavailable

URL = "https://provider.test/"


class Dripping(httpx.AsyncByteStream):
    """Sends a byte again and again, and never says that it was the last."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.001)


class Silent(httpx.AsyncByteStream):
    """Sends nothing, for ever."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""


@pytest.mark.parametrize("body", [Dripping(), Silent()], ids=["dripping", "silent"])
async def test_an_answer_that_does_not_end_is_given_up(body: httpx.AsyncByteStream) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
    http = BoundedHttp(URL, transport, total_ms=50)

    with pytest.raises(ComponentUnavailable, match="TimeoutError"):
        await http.get(URL)
    await http.close()


@pytest.mark.parametrize("url", ["http://provider.test/", "ftp://provider.test/", "https://", "/"])
async def test_nothing_is_asked_without_encryption(url: str) -> None:
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200)

    http = BoundedHttp(URL, httpx.MockTransport(answer))
    with pytest.raises(ComponentUnavailable, match="not https"):
        await http.get(url)
    await http.close()

    assert asked == []
