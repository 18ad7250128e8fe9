"""Requests that mean harm, byte by byte over a socket, and path, header and body tricks."""

import asyncio
import json

import httpx
import pytest
from running_system import free_ports

from adapters.system_clock import SystemClock
from serve import guarded_protocol
from serve.guarded_protocol import HEAD_BYTES_MAX, HEADERS_MAX, TARGET_BYTES_MAX
from serve.listener import Listener
from serve.shared_port import rendezvous

KEY = "APCA-API-KEY-ID: key\r\nAPCA-API-SECRET-KEY: secret\r\n"
ORDER = json.dumps(
    {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
)


@pytest.fixture
async def address(venue):
    """The venue on a real socket."""
    port = free_ports(1)[0]
    listener = Listener(venue.app(request_timeout_ms=300), "127.0.0.1", port, SystemClock())
    listener.start()
    yield "127.0.0.1", port
    await listener.drain(2)
    for left in rendezvous("127.0.0.1", port).iterdir():
        left.unlink()


async def exchange(address, sent: bytes) -> bytes:
    """Send bytes, and return everything until the server closes or has answered."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(sent)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)


def statuses(answer: bytes) -> list[int]:
    return [int(part[:3]) for part in answer.split(b"HTTP/1.1 ")[1:]]


def post(headers: str, body: str = "") -> bytes:
    return f"POST /v2/orders HTTP/1.1\r\nHost: x\r\n{KEY}{headers}\r\n{body}".encode("latin-1")


SMUGGLED = "DELETE /v2/orders HTTP/1.1\r\nHost: x\r\n" + KEY + "\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        post(f"Content-Length: {len(ORDER)}\r\nContent-Length: 0\r\n", ORDER),
        post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + SMUGGLED),
        post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n" + SMUGGLED),
        post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
        post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        post("Content-Length: +5\r\n", "12345"),
        post("Content-Length: -1\r\n"),
        post("Content-Length: 0x5\r\n", "12345"),
        post("Content-Length: 5 5\r\n", "12345"),
        post("Content-Length: 99999999999999999999\r\n"),
        post("X-A: 1\r\n X-B: 2\r\n"),
        post("X-A\r\n"),
        post("X-A: 1\nX-B: 2\n"),
        post("X-\x00A: 1\r\n"),
        post("X-A: 1\x00\r\n"),
        post("Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"),
        post("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\n"),
        b"GET /v2/account HTTP/1.1\r\n\r\n",
        b"GET /v2/account HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /v2/account\r\n\r\n",
        b"GET /v2/account HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /v2/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v2/\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"BREW /v2/account HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
async def test_what_two_readers_could_read_in_two_ways_is_refused_and_closed(venue, address, sent):
    answer = await exchange(address, sent)

    assert statuses(answer) == [400]
    assert b"connection: close" in answer
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["status"] == 400
    assert venue.trading.calls == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (f"GET /{'x' * TARGET_BYTES_MAX} HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        ("GET / HTTP/1.1\r\nHost: x\r\n" + "X-A: 1\r\n" * HEADERS_MAX + "\r\n", 431),
        (f"GET / HTTP/1.1\r\nHost: x\r\nX-A: {'x' * HEAD_BYTES_MAX}\r\n\r\n", 431),
        (f"GET / HTTP/1.1\r\nHost: x\r\nX-A: {'x' * (HEAD_BYTES_MAX + 1_000)}", 431),
        (f"GET / HTTP/1.1\r\nHost: x\r\n{'x' * (HEAD_BYTES_MAX + 1_000)}", 431),
        (f"GET /{'x' * (HEAD_BYTES_MAX + 1_000)}", 414),
    ],
)
async def test_heads_have_limits(address, sent, status):
    answer = await exchange(address, sent.encode())

    assert statuses(answer) == ([] if status is None else [status])


async def test_the_largest_head_that_is_allowed_is_served(address):
    padding = "".join(f"X-{number}: {'x' * 280}\r\n" for number in range(HEADERS_MAX - 2))
    sent = f"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{padding}\r\n"

    assert len(sent) < HEAD_BYTES_MAX
    assert statuses(await exchange(address, sent.encode())) == [200]


@pytest.mark.parametrize(
    "sent", [b"", b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: ", post("Content-Length: 5\r\n")[:-4]]
)
async def test_a_head_that_does_not_end_is_cut_off(address, sent, monkeypatch):
    monkeypatch.setattr(guarded_protocol, "HEAD_S", 0.2)
    reader, writer = await asyncio.open_connection(*address)
    writer.write(sent)

    assert await asyncio.wait_for(_read_to_the_end(reader), 10) == b""
    writer.close()


async def test_a_connection_that_was_used_may_idle_longer_than_a_head_may_take(
    address, monkeypatch
):
    monkeypatch.setattr(guarded_protocol, "HEAD_S", 0.2)
    reader, writer = await asyncio.open_connection(*address)
    for _ in range(2):
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
        assert json.loads(await reader.read(1_000)) == {"status": "ok"}
        await asyncio.sleep(0.5)
    writer.close()


async def test_a_slow_body_is_answered_in_time_and_closed(venue, address):
    reader, writer = await asyncio.open_connection(*address)
    writer.write(post("Content-Length: 100\r\n", '{"symbol": '))

    answer = await asyncio.wait_for(reader.read(), 10)

    assert statuses(answer) == [408]
    assert b"connection: close" in answer.lower()
    assert venue.trading.calls == []
    writer.close()


async def test_a_body_that_nobody_reads_cannot_hold_a_connection_for_ever(address, monkeypatch):
    monkeypatch.setattr(guarded_protocol, "MESSAGE_S", 0.2)
    reader, writer = await asyncio.open_connection(*address)
    writer.write(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nx")

    answer = await asyncio.wait_for(_read_to_the_end(reader), 10)

    assert statuses(answer) == [404]
    writer.close()


async def _read_to_the_end(reader: asyncio.StreamReader) -> bytes:
    got = b""
    try:
        while part := await reader.read(1_000):
            got += part
    except ConnectionResetError:
        pass
    return got


@pytest.mark.parametrize(
    "path",
    [
        "/v2/orders/../account",
        "/v2/%2e%2e/account",
        "/v2/orders/..",
        "/v2/orders/.",
        "/v2/orders/%2e",
        "/v2/./account",
        "/v2%2faccount",
        "/v2%2Faccount",
        "/v2/positions/a%2fb",
        "/v2/positions/a%5cb",
        "/v2/positions/a%00",
        "/v2/positions/a%0d%0aX-A:%201",
        "/v2/positions/%ff%fe",
        "/v2/positions/%c0%ae%c0%ae",
        "//v2/account",
        "/v2//account",
        "/v2/account/",
        "/v2/account%20",
        "/v2/%61ccount%00",
        "/livez/..%2fv2/account",
    ],
)
async def test_a_path_trick_reaches_nothing(venue, address, path):
    for credentials in (KEY, ""):
        sent = f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{credentials}\r\n"
        answer = await exchange(address, sent.encode())

        assert statuses(answer) == [404]
        assert b"no such endpoint" in answer
        assert b"x-a:" not in answer.lower()


async def test_an_absolute_target_means_its_path(address):
    sent = f"GET http://x/v2/account HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{KEY}\r\n"

    assert statuses(await exchange(address, sent.encode())) == [200]


@pytest.mark.parametrize(
    "header",
    [
        "APCA-API-KEY-ID: other",
        "apca-api-secret-key: secret",
        "Authorization: Basic eA==\r\nAuthorization: Basic eQ==",
        "Content-Type: application/json\r\nContent-Type: text/plain",
    ],
)
async def test_a_header_that_decides_something_must_be_there_once(address, header):
    sent = f"GET /v2/account HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{KEY}{header}\r\n\r\n"
    answer = await exchange(address, sent.encode())

    assert statuses(answer) == [422]
    assert b"must be there once" in answer


async def test_any_other_header_may_be_repeated(address):
    repeated = (
        "Accept: a/b\r\nAccept: c/d\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n"
    )
    sent = f"GET /v2/account HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{KEY}{repeated}\r\n"

    assert statuses(await exchange(address, sent.encode())) == [200]


@pytest.mark.parametrize(
    "body",
    [
        "[" * 30_000,
        '{"symbol":' * 5_000 + "1" + "}" * 5_000,
        '{"symbol":"AAPL","legs":' + "[" * 20_000 + "]" * 20_000 + "}",
        '{"nothing":' + '{"a":' * 10_000 + "1" + "}" * 10_000 + "}",
        "{" * 60_000,
    ],
)
async def test_deep_json_is_malformed(client, venue, body):
    answer = await client.post("/v2/orders", content=body)

    assert (answer.status_code, answer.json()["code"]) == (400, 40010000)
    assert venue.trading.calls == []


@pytest.mark.parametrize(
    "qty",
    ["1e999999999", "1e-999999999", "9" * 60_000, "0." + "0" * 60_000 + "1", "1e400", "-0", "NaN"],
)
async def test_enormous_numbers_are_refused_quickly(client, venue, qty):
    for form in (qty, f'"{qty}"'):
        body = ORDER.replace('"1"', form)
        answer = await client.post("/v2/orders", content=body)

        assert answer.status_code in {400, 422}
    assert venue.trading.calls == []


async def test_of_a_repeated_json_key_the_last_counts(client, venue):
    body = ORDER[:-1] + ', "qty": "3"}'
    answer = await client.post("/v2/orders", content=body)

    assert (answer.status_code, answer.json()["qty"]) == (200, "3")
    assert [int(call.qty) for call in venue.trading.calls] == [3]


@pytest.mark.parametrize(
    ("path", "is_problem"),
    [("/nowhere", True), ("/auth/nothing", True), ("/v2/nothing", False), ("/v2x", True),
     ("/v1/transit/nothing", False), ("/oauth/nothing", False)],
)  # fmt: skip
async def test_errors_are_problem_details_but_where_another_protocol_has_its_own(
    client, path, is_problem
):
    answer = await client.get(path)
    said = answer.json()

    assert answer.status_code == 404
    if path.startswith("/v1/transit"):
        assert set(said) == {"errors"}
        return
    assert said["code"] == 40410000
    if is_problem:
        assert answer.headers["content-type"] == "application/problem+json"
        assert said["detail"] == said["message"]
        assert (said["type"], said["title"], said["status"]) == ("about:blank", "Not Found", 404)
    else:
        assert answer.headers["content-type"] == "application/json"
        assert set(said) == {"code", "message"}


async def test_a_public_operation_has_limits_of_time_and_number_too(venue, monkeypatch):
    from serve.operation import Answer, Operation  # noqa: PLC0415
    from serve.routes import catalog  # noqa: PLC0415

    async def wait(exchange) -> None:
        await asyncio.Event().wait()

    public = Operation(
        "POST", "/auth/x", wait, "x", "x", "x", (Answer(200, "x"),), public=True, errors=(503,)
    )
    all_rows = catalog.operations
    monkeypatch.setattr("serve.asgi.operations", lambda *arguments: (*all_rows(*arguments), public))
    app = venue.app(request_timeout_ms=50, in_flight_max=1)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://venue") as client:
        both = await asyncio.gather(client.post("/auth/x"), client.post("/auth/x"))

    assert {answer.status_code for answer in both} == {503}
    assert sorted("too many" in answer.json()["detail"] for answer in both) == [False, True]
