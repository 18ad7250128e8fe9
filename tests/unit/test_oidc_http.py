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


class Counted(httpx.AsyncByteStream):
    """Sends so many kibibytes."""

    def __init__(self, kibibytes: int) -> None:
        self._left = kibibytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while self._left:
            self._left -= 1
            yield b" " * 1_024

    @property
    def left(self) -> int:
        return self._left


async def test_an_answer_is_read_up_to_its_limit_and_no_further() -> None:
    fits, endless = Counted(128), Counted(1_000_000)
    bodies = iter((fits, endless))
    http = BoundedHttp(URL, httpx.MockTransport(lambda _: httpx.Response(200, stream=next(bodies))))

    assert len((await http.get(URL)).body) == 131_072
    with pytest.raises(ComponentUnavailable, match="more than 131072 bytes"):
        await http.get(URL)
    await http.close()

    assert endless.left == 1_000_000 - 129


@pytest.mark.parametrize(
    ("status", "said"), [(301, "redirect"), (307, "redirect"), (429, "429"), (502, "502")]
)
async def test_neither_redirects_nor_failures_are_answers(status: int, said: str) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        headers = {"location": "https://evil.test/"}
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(b""))

    http = BoundedHttp(URL, httpx.MockTransport(answer))
    with pytest.raises(ComponentUnavailable, match=said):
        await http.get(URL)
    with pytest.raises(ComponentUnavailable, match=said):
        await http.post(URL, {"code": "secret"}, None)
    await http.close()

    assert asked == [URL, URL]
