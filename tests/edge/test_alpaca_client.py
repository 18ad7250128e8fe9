"""The unmodified alpaca-py judges the edge, over a real socket."""

import asyncio
import threading
import time
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
import uvicorn
from alpaca.common.exceptions import APIError
from alpaca.data.enums import Adjustment
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.requests import (
    StockBarsRequest,
    StockLatestBarRequest,
    StockLatestQuoteRequest,
    StockLatestTradeRequest,
    StockSnapshotRequest,
)
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import (
    AccountStatus,
    AssetExchange,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionIntent,
    PositionSide,
    QueryOrderStatus,
    TimeInForce,
)
from alpaca.trading.requests import (
    ClosePositionRequest,
    GetAssetsRequest,
    GetCalendarRequest,
    GetOrdersRequest,
    LimitOrderRequest,
    MarketOrderRequest,
    OrderRequest,
)

MARKET = {"symbol": "AAPL", "side": OrderSide.BUY, "time_in_force": TimeInForce.DAY}


@pytest.fixture
def address(venue):
    """The address of a server in a thread of its own, with its own event loop."""
    server: list[uvicorn.Server] = []

    def serve() -> None:
        # The fake's events belong to the loop that serves.
        asyncio.run(run())

    async def run() -> None:
        config = uvicorn.Config(venue.app(), port=0, log_config=None, lifespan="on")
        server.append(uvicorn.Server(config))
        await server[0].serve()

    thread = threading.Thread(target=serve)
    thread.start()
    while not (server and server[0].started):
        assert thread.is_alive()
        time.sleep(0.005)
    [listener] = server[0].servers
    yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    server[0].should_exit = True
    thread.join(10)
    assert not thread.is_alive()


@pytest.fixture
def trading(address):
    client = TradingClient("key", "secret", url_override=address)
    yield client
    client._session.close()


@pytest.fixture(params=[False, True], ids=["headers", "basic"])
def data(address, request):
    client = StockHistoricalDataClient(
        "key", "secret", url_override=address, use_basic_auth=request.param
    )
    yield client
    client._session.close()


def test_a_market_order_becomes_a_position(trading):
    order = trading.submit_order(MarketOrderRequest(qty=10, **MARKET))
    filled = trading.get_order_by_id(order.id)
    position = trading.get_open_position("AAPL")

    assert order.status is OrderStatus.PENDING_NEW
    assert order.position_intent is PositionIntent.BUY_TO_OPEN
    assert (order.type, order.order_type) == (OrderType.MARKET, OrderType.MARKET)
    assert (filled.status, filled.filled_avg_price) == (OrderStatus.FILLED, "503.5")
    assert filled.filled_at == datetime(2012, 5, 18, 14, 30, tzinfo=UTC)
    assert (position.qty, position.side) == ("10", PositionSide.LONG)
    assert position.exchange is AssetExchange.NASDAQ
    assert Decimal(position.market_value) == 5035
    assert trading.get_all_positions() == [position]
    assert trading.get_open_position(position.asset_id) == position


def test_a_limit_order_rests_and_is_canceled(trading):
    request = LimitOrderRequest(qty=0.5, limit_price=1.25, client_order_id="mine / 1", **MARKET)
    order = trading.submit_order(request)

    assert (order.qty, order.limit_price, order.expires_at) == ("0.5", "1.25", None)
    assert trading.get_order_by_client_id("mine / 1").id == order.id
    assert [row.id for row in trading.get_orders()] == [order.id]
    assert trading.cancel_order_by_id(order.id) is None
    assert trading.cancel_order_by_id(order.id) is None
    assert trading.get_orders() == []
    assert trading.get_order_by_id(order.id).status is OrderStatus.CANCELED


def test_orders_are_filtered(trading):
    filled = trading.submit_order(MarketOrderRequest(qty=1, **MARKET))
    resting = trading.submit_order(LimitOrderRequest(qty=1, limit_price=1, **MARKET))

    def found(**query: object) -> list[uuid.UUID]:
        return [order.id for order in trading.get_orders(GetOrdersRequest(**query))]

    assert found(status=QueryOrderStatus.ALL, nested=True) == [resting.id, filled.id]
    assert found(status=QueryOrderStatus.CLOSED, symbols=["AAPL", "IBM"]) == [filled.id]
    assert found(after=datetime(2012, 5, 19, tzinfo=UTC)) == []
    assert found(until=datetime(2012, 5, 19, tzinfo=UTC), limit=1) == [resting.id]
    assert found(side=OrderSide.SELL) == []


def test_all_orders_are_canceled(trading):
    orders = [
        trading.submit_order(LimitOrderRequest(qty=1, limit_price=1, **MARKET)) for _ in range(2)
    ]

    canceled = trading.cancel_orders()

    assert [(row.id, row.status) for row in canceled] == [(order.id, 200) for order in orders]
    assert trading.cancel_orders() == []


def test_positions_are_closed(trading):
    trading.submit_order(MarketOrderRequest(qty=10, **MARKET))
    part = trading.close_position("AAPL", ClosePositionRequest(percentage="50"))
    few = trading.close_position("AAPL", ClosePositionRequest(qty="1"))
    held = trading.submit_order(
        LimitOrderRequest(symbol="AAPL", qty=4, side="sell", time_in_force="day", limit_price=900)
    )
    [refused] = trading.close_all_positions()
    [closed] = trading.close_all_positions(cancel_orders=True)

    assert (part.qty, few.qty, part.side) == ("5", "1", OrderSide.SELL)
    assert held.position_intent is PositionIntent.SELL_TO_CLOSE
    assert (refused.status, refused.body.code) == (403, 40310000)
    assert (closed.status, closed.symbol, closed.body.qty) == (200, "AAPL", "4")
    assert trading.get_all_positions() == []


def test_the_account_is_a_cash_account(trading):
    account = trading.get_account()

    assert account.status is AccountStatus.ACTIVE
    assert (account.cash, account.equity, account.multiplier) == ("100000", "100000", "1")
    assert account.last_equity == "100000"
    assert account.shorting_enabled is False
    assert account.created_at == datetime(2012, 5, 14, 12, tzinfo=UTC)


def test_clock_calendar_and_assets_are_read(trading):
    clock = trading.get_clock()
    [day] = trading.get_calendar(GetCalendarRequest(start=date(2012, 5, 19), end=date(2012, 5, 21)))
    assets = trading.get_all_assets(GetAssetsRequest(asset_class="us_equity"))

    assert clock.is_open
    assert clock.timestamp == datetime(2012, 5, 18, 14, 30, tzinfo=UTC)
    assert clock.next_open == datetime(2012, 5, 21, 13, 30, tzinfo=UTC)
    assert (day.date, day.open.hour, day.close.hour) == (date(2012, 5, 21), 9, 16)
    assert [asset.symbol for asset in assets] == ["AAPL", "IBM", "KO"]
    assert trading.get_asset("AAPL").fractionable


@pytest.mark.parametrize(
    ("body", "status", "code", "message"),
    [
        ({"symbol": "ZZZZ", "qty": 1}, 422, 42210000, 'asset "ZZZZ" not found'),
        ({"qty": 1_000_000}, 403, 40310000, "insufficient buying power"),
        ({"qty": 1, "type": "stop", "stop_price": 1}, 422, 40010001, None),
        ({"notional": 100}, 422, 40010001, None),
        (
            {"qty": 1.5, "time_in_force": TimeInForce.GTC},
            422,
            42210000,
            "fractional orders must be DAY orders",
        ),
    ],
)
def test_a_refusal_is_an_api_error_with_code_and_message(trading, body, status, code, message):
    with pytest.raises(APIError) as caught:
        trading.submit_order(OrderRequest(**{**MARKET, "type": "market", **body}))

    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert message in {None, caught.value.message}


def test_an_id_cannot_be_used_twice(trading):
    request = MarketOrderRequest(qty=1, client_order_id="once", **MARKET)
    trading.submit_order(request)

    with pytest.raises(APIError) as caught:
        trading.submit_order(request)

    assert (caught.value.status_code, caught.value.message) == (
        422,
        "client_order_id must be unique",
    )


@pytest.mark.parametrize(
    ("call", "argument", "message"),
    [
        ("get_order_by_id", str(uuid.UUID(int=1)), f"order not found for {uuid.UUID(int=1)}"),
        ("cancel_order_by_id", str(uuid.UUID(int=1)), f"order not found for {uuid.UUID(int=1)}"),
        ("get_open_position", "IBM", "position does not exist"),
        ("close_position", "IBM", "position does not exist"),
        ("get_asset", "ZZZZ", "asset not found for ZZZZ"),
    ],
)
def test_what_does_not_exist_is_404(trading, call, argument, message):
    with pytest.raises(APIError) as caught:
        getattr(trading, call)(argument)

    assert (caught.value.status_code, caught.value.code) == (404, 40410000)
    assert caught.value.message == message


def test_a_wrong_key_is_401(address):
    client = TradingClient("key", "wrong", url_override=address)
    with pytest.raises(APIError) as caught:
        client.get_account()
    client._session.close()

    assert (caught.value.status_code, caught.value.code) == (401, 40110000)


# alpaca-py 0.44 on the newest pandas: no matter of ours.
PANDAS = pytest.mark.filterwarnings("ignore:The inplace keyword")


@PANDAS
def test_bars_are_paged_through_and_end_before_the_future(data):
    found = data.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols=["AAPL", "IBM", "ZZZZ"],
            timeframe=TimeFrame.Day,
            start=datetime(2012, 5, 1, tzinfo=UTC),
            end=datetime(2012, 6, 1, tzinfo=UTC),
            limit=7,
            adjustment=Adjustment.RAW,
        )
    )

    assert {symbol: len(bars) for symbol, bars in found.data.items()} == {"AAPL": 4, "IBM": 3}
    assert (found["AAPL"][-1].close, found["AAPL"][-1].volume) == (504, 1_000_003)
    assert len(found.df) == 7


@PANDAS
def test_no_bars_are_an_empty_set(data):
    found = data.get_stock_bars(
        StockBarsRequest(
            symbol_or_symbols="ZZZZ",
            timeframe=TimeFrame.Week,
            start=datetime(2012, 5, 1, tzinfo=UTC),
        )
    )

    assert found.data == {}
    assert found.df.empty


def test_the_latest_prices_are_read(data):
    symbols = ["AAPL", "ZZZZ"]
    bars = data.get_stock_latest_bar(StockLatestBarRequest(symbol_or_symbols=symbols))
    quotes = data.get_stock_latest_quote(StockLatestQuoteRequest(symbol_or_symbols=symbols))
    trades = data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols=symbols))
    snapshots = data.get_stock_snapshot(StockSnapshotRequest(symbol_or_symbols=symbols))

    assert set(bars) == set(quotes) == set(trades) == set(snapshots) == {"AAPL"}
    assert (bars["AAPL"].close, trades["AAPL"].price, trades["AAPL"].size) == (503.5, 503.5, 250)
    assert (quotes["AAPL"].bid_price, quotes["AAPL"].ask_price) == (503.49, 503.51)
    assert snapshots["AAPL"].daily_bar.open == 504
    assert snapshots["AAPL"].previous_daily_bar.close == 504
    assert data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="ZZZZ")) == {}
