"""The streams, over real WebSockets, with the unmodified clients as judges."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgpack
import pytest
import uvicorn
from alpaca.data.live import StockDataStream
from alpaca.trading.models import TradeUpdate
from alpaca.trading.stream import TradingStream
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from serve.streams.connection import StreamSettings
from serve.streams.stream_app import StreamApp
from tradeplane.auth.principal import Principal
from tradeplane.errors import NotAllowed, NotAuthenticated, NotFound
from tradeplane.stream_ports import StreamPorts
from tradeplane.trading.account import Account
from tradeplane.trading.events import OrderAccepted, OrderActivated, OrderCanceled, OrderFilled
from tradeplane.trading.market import PrintPublished
from tradeplane.trading.orders import Order, OrderStatus

ACCOUNT_ID = "11111111-1111-4111-8111-111111111111"
AUTH = {"action": "authenticate", "data": {"key_id": "key", "secret_key": "secret"}}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}


class Access:
    """One key, which can be revoked, one token, and a key that may not see accounts."""

    def __init__(self) -> None:
        self.revoked = False

    def authenticate(self, key_id: str, secret_key: str) -> Principal:
        if key_id not in {"key", "researcher"} or secret_key != "secret" or self.revoked:
            raise NotAuthenticated("unauthorized.")
        return Principal(key_id, "firm", ACCOUNT_ID)

    def authenticate_token(self, token: str, account_id: str = "") -> Principal:
        if token != "token":
            raise NotAuthenticated("unauthorized.")
        return Principal("session", "firm", ACCOUNT_ID)

    def authorize(self, principal: Principal, action: str) -> None:
        if principal.key_id == "researcher" and action == "account:read":
            raise NotAllowed("a researcher may not read accounts")


class Events:
    """The account of the tests, and who follows it."""

    def __init__(self) -> None:
        self.account = Account(ACCOUNT_ID, "firm", "PA1", 0, Decimal(100_000), Decimal(100_000))
        self.followers = 0

    async def join(self, account_id: str) -> Account:
        if account_id != ACCOUNT_ID:
            raise NotFound("account not found")
        self.followers += 1
        return self.account

    def leave(self, account_id: str) -> None:
        assert account_id == ACCOUNT_ID
        self.followers -= 1


class Stage:
    """A stream replica on a real port, and what happens behind it."""

    def __init__(self, venue: Any, settings: StreamSettings) -> None:
        self.access, self.events, self.market = Access(), Events(), venue.market
        ports = StreamPorts(self.access, venue.market, self.events, venue.readiness)
        self.app = StreamApp(ports, settings)
        self._orders = 0

    def happen(self, event: Any) -> None:
        closed = self.events.account.evolve(event)
        self.app.accounts.take(self.events.account, event, closed)

    def accept(self, qty: int = 10) -> str:
        self._orders += 1
        order_id = f"00000000-0000-4000-8000-{self._orders:012d}"
        order = Order(
            order_id, ACCOUNT_ID, f"client-{self._orders}", "AAPL", "buy", "limit", "gtc",
            Decimal(qty), Decimal(500), Decimal(500), OrderStatus.PENDING_NEW, 10, 10, self._orders,
        )  # fmt: skip
        self.happen(OrderAccepted(ACCOUNT_ID, order))
        self.happen(OrderActivated(ACCOUNT_ID, order_id, 11))
        return order_id

    def fill(self, order_id: str, qty: int) -> None:
        execution = f"00000000-0000-4000-9000-{self.events.account.version:012d}"
        self.happen(
            OrderFilled(ACCOUNT_ID, order_id, execution, Decimal(qty), Decimal("499.5"), 1, 12)
        )

    def print(self, price: str, at: str = "14:30:00") -> None:
        self.market.show("AAPL", "high", price, at)
        self.app.market.take(PrintPublished(self.market.current.last["AAPL"]))


Start = Callable[..., Coroutine[Any, Any, tuple[Stage, str]]]


@pytest.fixture
async def start(venue: Any) -> AsyncIterator[Start]:
    servers: list[tuple[uvicorn.Server, asyncio.Task[None]]] = []

    async def one(**settings: int) -> tuple[Stage, str]:
        stage = Stage(venue, StreamSettings(**{"check_ms": 20, **settings}))
        config = uvicorn.Config(
            stage.app, port=0, ws="websockets-sansio", lifespan="off", log_config=None,
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = uvicorn.Server(config)
        servers.append((server, asyncio.create_task(server._serve())))
        while not server.started:
            await asyncio.sleep(0.005)
        port = server.servers[0].sockets[0].getsockname()[1]
        return stage, f"ws://127.0.0.1:{port}"

    yield one
    for server, task in servers:
        server.should_exit = True
        await task


async def say(socket: ClientConnection, message: dict[str, Any]) -> dict[str, Any]:
    await socket.send(json.dumps(message))
    return dict(json.loads(await socket.recv()))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


async def test_the_trading_client_sees_each_change_of_an_order_once(start: Start) -> None:
    stage, url = await start()
    seen: list[TradeUpdate] = []

    async def note(update: TradeUpdate) -> None:
        seen.append(update)

    client = TradingStream("key", "secret", url_override=f"{url}/stream")
    client.subscribe_trade_updates(note)
    running = asyncio.create_task(client._run_forever())
    await until(lambda: stage.events.followers == 1)

    order_id = stage.accept()
    stage.fill(order_id, 4)
    stage.fill(order_id, 6)
    canceled = stage.accept()
    stage.happen(OrderCanceled(ACCOUNT_ID, canceled, "request", 13))
    await until(lambda: len(seen) == 7)

    assert [update.event for update in seen] == [
        "pending_new", "new", "partial_fill", "fill", "pending_new", "new", "canceled",
    ]  # fmt: skip
    partial, full = seen[2], seen[3]
    assert (partial.qty, partial.price, partial.position_qty) == (4, 499.5, 4)
    assert (full.qty, full.position_qty) == (6, 10)
    assert full.order.filled_qty == "10"
    assert partial.execution_id != full.execution_id
    await client.stop_ws()
    await client.close()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await until(lambda: stage.events.followers == 0)


async def test_the_market_data_client_gets_what_it_subscribed_to(start: Start) -> None:
    stage, url = await start()
    seen: dict[str, list[Any]] = {"trades": [], "quotes": [], "bars": [], "daily": []}

    def into(name: str) -> Callable[[Any], Coroutine[Any, Any, None]]:
        async def note(item: Any) -> None:
            seen[name].append(item)

        return note

    client = StockDataStream("key", "secret", url_override=f"{url}/v2/iex")
    client.subscribe_trades(into("trades"), "AAPL")
    client.subscribe_quotes(into("quotes"), "*")
    client.subscribe_bars(into("bars"), "AAPL")
    client.subscribe_daily_bars(into("daily"), "AAPL")
    running = asyncio.create_task(client._run_forever())
    await until(lambda: len(stage.app.market._sinks) == 4)

    stage.print("512.25", "14:31:07")
    await until(lambda: all(seen.values()))

    [trade], [quote], [bar], [day] = seen.values()
    assert (trade.symbol, trade.price, trade.size) == ("AAPL", 512.25, 250)
    assert trade.timestamp.isoformat() == "2012-05-18T14:31:07+00:00"
    assert (quote.bid_price, quote.ask_price) == (512.24, 512.26)
    assert (bar.close, bar.timestamp.second) == (512.25, 0)
    assert (day.open, day.high, day.low, day.close) == (504, 512.25, 503.5, 512.25)
    await client.stop_ws()
    await client.close()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await until(lambda: not stage.app.market._sinks)


async def test_every_update_once_across_a_reconnect_from_the_last_sequence(start: Start) -> None:
    stage, url = await start()
    received: list[int] = []
    async with connect(f"{url}/stream") as watching:
        # Another connection keeps the account followed while this client is away.
        await say(watching, AUTH)
        await say(watching, LISTEN)
        async with connect(f"{url}/stream") as first:
            await say(first, AUTH)
            await say(first, LISTEN)
            stage.accept()
            received += [json.loads(await first.recv())["data"]["sequence"] for _ in range(2)]
        order_id = stage.accept()
        stage.fill(order_id, 10)

        async with connect(f"{url}/stream") as second:
            await say(second, AUTH)
            again = {"streams": ["trade_updates"], "after": received[-1]}
            answer = await say(second, {"action": "listen", "data": again})
            stage.accept()
            received += [json.loads(await second.recv())["data"]["sequence"] for _ in range(5)]

    assert answer["data"]["resync"] is False
    assert received == list(range(2, 9))


async def test_who_was_away_too_long_is_told_to_read_anew(start: Start) -> None:
    stage, url = await start()
    stage.accept()
    async with connect(f"{url}/stream") as socket:
        await say(socket, AUTH)
        asked = {"streams": ["trade_updates"], "after": 1}

        answer = await say(socket, {"action": "listen", "data": asked})

    assert answer["data"]["resync"] is True


@pytest.mark.parametrize(
    "credentials",
    [
        {"key_id": "key", "secret_key": "wrong"},
        {"key_id": "", "secret_key": ""},
        {"key_id": "researcher", "secret_key": "secret"},
        {"oauth_token": "another"},
        {},
    ],
)
async def test_who_may_not_see_the_account_is_not_let_in(
    start: Start, credentials: dict[str, str]
) -> None:
    _, url = await start()
    async with connect(f"{url}/stream") as socket:
        answer = await say(socket, {"action": "authenticate", "data": credentials})
        listening = await say(socket, LISTEN)

    assert answer["data"]["status"] == "unauthorized"
    assert listening == {
        "stream": "authorization",
        "data": {"status": "unauthorized", "action": "listen"},
    }


async def test_a_token_opens_the_stream_as_a_key_does(start: Start) -> None:
    _, url = await start()
    async with connect(f"{url}/stream") as socket:
        answer = await say(socket, {"action": "authenticate", "data": {"oauth_token": "token"}})

    assert answer["data"]["status"] == "authorized"


async def test_a_revoked_key_ends_its_connections(start: Start) -> None:
    stage, url = await start()
    async with connect(f"{url}/stream") as socket:
        await say(socket, AUTH)
        stage.access.revoked = True

        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


async def test_a_client_that_does_not_read_is_cut_off_and_others_are_not(start: Start) -> None:
    stage, url = await start(outbox_max=50)
    async with connect(f"{url}/stream") as reader, connect(f"{url}/stream") as sleeper:
        for socket in (reader, sleeper):
            await say(socket, AUTH)
            await say(socket, LISTEN)
        sleeper.transport.pause_reading()
        got = 0
        while stage.events.followers == 2:
            stage.accept()
            for _ in range(2):
                await reader.recv()
                got += 1
            assert got < 200_000, "the sleeper is never cut off"
        stage.accept()
        assert json.loads(await reader.recv())["data"]["event"] == "pending_new"
        sleeper.transport.abort()


@pytest.mark.parametrize(
    "message", ["{", "[]", "null", '{"action":5}', '{"action":"drop"}', "x" * 1_000, ""]
)
async def test_nonsense_is_answered_and_the_connection_goes_on(start: Start, message: str) -> None:
    _, url = await start()
    async with connect(f"{url}/stream") as socket:
        await socket.send(message)
        error = json.loads(await socket.recv())
        answer = await say(socket, AUTH)

    assert error["data"]["code"] == 400
    assert answer["data"]["status"] == "authorized"


async def test_the_codes_of_the_market_data_stream_are_alpacas(start: Start) -> None:
    _, url = await start(key_connections_max=1)
    headers = {"Content-Type": "application/msgpack"}

    async def ask(socket: ClientConnection, message: Any) -> Any:
        await socket.send(msgpack.packb(message))
        return msgpack.unpackb(await socket.recv())[0].get("code")

    good = {"action": "auth", "key": "key", "secret": "secret"}
    async with connect(f"{url}/v2/iex", additional_headers=headers) as socket:
        await socket.recv()
        assert await ask(socket, "nonsense") == 400
        assert await ask(socket, {"action": "subscribe", "trades": ["AAPL"]}) == 401
        assert await ask(socket, {**good, "secret": "wrong"}) == 402
        assert await ask(socket, good) is None
        assert await ask(socket, good) == 403
        many = [f"S{number}" for number in range(1_001)]
        assert await ask(socket, {"action": "subscribe", "trades": many}) == 405
        async with connect(f"{url}/v2/iex", additional_headers=headers) as second:
            await second.recv()
            assert await ask(second, good) == 406


async def test_the_market_data_stream_speaks_json_to_who_does_not_ask_for_msgpack(
    start: Start,
) -> None:
    stage, url = await start()
    async with connect(f"{url}/v2/iex") as socket:
        assert json.loads(await socket.recv()) == [{"T": "success", "msg": "connected"}]
        await socket.send(json.dumps({"action": "auth", "key": "key", "secret": "secret"}))
        await socket.recv()
        await socket.send(json.dumps({"action": "subscribe", "trades": ["AAPL"]}))
        [subscription] = json.loads(await socket.recv())
        stage.print("512.25")
        [trade] = json.loads(await socket.recv())

    assert subscription["trades"] == ["AAPL"]
    assert (trade["p"], trade["t"]) == (512.25, "2012-05-18T14:30:00Z")


async def test_a_full_replica_and_an_unknown_path_are_refused(start: Start) -> None:
    _, url = await start(connections_max=1)
    async with connect(f"{url}/stream"):
        with pytest.raises(Exception, match="403"):
            await connect(f"{url}/stream")
    with pytest.raises(Exception, match="403"):
        await connect(f"{url}/nothing")
