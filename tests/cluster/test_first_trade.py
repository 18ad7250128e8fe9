"""The unmodified client against a running system: what a new user does first."""

import json
import subprocess
import time
from decimal import Decimal
from pathlib import Path

import pytest
from alpaca.common.exceptions import APIError
from alpaca.data.historical import StockHistoricalDataClient
from alpaca.data.requests import StockBarsRequest, StockLatestTradeRequest
from alpaca.data.timeframe import TimeFrame
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, OrderStatus, QueryOrderStatus, TimeInForce
from alpaca.trading.models import Order, Position, TradeAccount
from alpaca.trading.requests import GetOrdersRequest, LimitOrderRequest, MarketOrderRequest
from running_system import RunningSystem

from adapters.marketdata.parquet_store import ParquetMarketData

pytestmark = pytest.mark.cluster
FILL_S = 10.0


@pytest.fixture
def client(system: RunningSystem) -> TradingClient:
    keys = system.credentials
    return TradingClient(keys["key_id"], keys["secret_key"], url_override=system.url)


def filled(client: TradingClient, order: Order) -> Order:
    deadline = time.monotonic() + FILL_S
    while order.status != OrderStatus.FILLED:
        assert time.monotonic() < deadline, f"not filled within {FILL_S} s: {order.status}"
        time.sleep(0.1)
        order = client.get_order_by_id(order.id)
    return order


def buy(client: TradingClient, qty: float = 10) -> Order:
    request = MarketOrderRequest(
        symbol="AAPL", qty=qty, side=OrderSide.BUY, time_in_force=TimeInForce.DAY
    )
    return filled(client, client.submit_order(request))


def test_a_market_order_fills_at_a_price_that_is_in_the_data(
    system: RunningSystem, client: TradingClient
) -> None:
    order = buy(client)

    price = Decimal(str(order.filled_avg_price))
    day = str(order.filled_at)[:10]
    bars = {bar.session: bar for bar in ParquetMarketData(system.home).bars("AAPL", "raw")}
    bar = bars[day]
    assert price in {bar.open, bar.high, bar.low, bar.close}
    assert order.filled_qty == "10"


def test_a_position_is_there_when_its_order_is(client: TradingClient) -> None:
    before = _position_qty(client)
    for bought in range(1, 6):
        buy(client, 1)
        assert _position_qty(client) == before + bought


def _position_qty(client: TradingClient) -> Decimal:
    positions = client.get_all_positions()
    held = [each for each in positions if isinstance(each, Position) and each.symbol == "AAPL"]
    return Decimal(held[0].qty) if held else Decimal(0)


def test_curl_and_the_client_agree(system: RunningSystem, client: TradingClient) -> None:
    buy(client)
    headers = [f"-H{name}: {value}" for name, value in system.headers.items()]
    done = subprocess.run(
        ["curl", "-sS", *headers, f"{system.url}/v2/account"],
        capture_output=True,
        text=True,
        check=True,
    )

    account = client.get_account()
    assert isinstance(account, TradeAccount)
    assert json.loads(done.stdout)["cash"] == account.cash
    assert json.loads(done.stdout)["id"] == str(account.id)


def test_serves_own_door_is_the_same_application(system: RunningSystem) -> None:
    keys = system.credentials
    door = TradingClient(keys["key_id"], keys["secret_key"], url_override=system.door_url)

    order = buy(door, 2)

    assert door.get_order_by_id(order.id).filled_qty == "2"


def test_the_life_of_a_limit_order(client: TradingClient) -> None:
    request = LimitOrderRequest(
        symbol="IBM",
        qty=3,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.GTC,
        limit_price=1.00,
        client_order_id=f"limit-{time.time_ns()}",
    )
    order = client.submit_order(request)
    with pytest.raises(APIError) as duplicate:
        client.submit_order(request)
    assert (duplicate.value.status_code, duplicate.value.message) == (
        422,
        "client_order_id must be unique",
    )
    found = client.get_orders(GetOrdersRequest(status=QueryOrderStatus.OPEN, symbols=["IBM"]))
    assert [str(one.id) for one in found] == [str(order.id)]

    client.cancel_order_by_id(order.id)

    assert client.get_order_by_id(order.id).status == OrderStatus.CANCELED
    assert client.get_order_by_client_id(str(order.client_order_id)).id == order.id
    assert client.get_orders(GetOrdersRequest(symbols=["IBM"])) == []


def test_selling_more_than_there_is_is_refused_as_documented(client: TradingClient) -> None:
    with pytest.raises(APIError) as refused:
        client.submit_order(
            MarketOrderRequest(
                symbol="MSFT", qty=1, side=OrderSide.SELL, time_in_force=TimeInForce.DAY
            )
        )

    assert refused.value.status_code == 403
    assert refused.value.code == 40310000


def test_clock_calendar_and_assets_parse(client: TradingClient) -> None:
    clock = client.get_clock()
    assert clock.next_close > clock.timestamp
    assert client.get_calendar()
    assert {asset.symbol for asset in client.get_all_assets()} >= {"AAPL", "GOOG", "IBM", "MSFT"}


def test_market_data_parses_and_shows_no_future(system: RunningSystem) -> None:
    keys = system.credentials
    data = StockHistoricalDataClient(keys["key_id"], keys["secret_key"], url_override=system.url)
    bars = data.get_stock_bars(
        StockBarsRequest(symbol_or_symbols=["AAPL"], timeframe=TimeFrame.Day, start="2012-01-03")
    )
    last = data.get_stock_latest_trade(StockLatestTradeRequest(symbol_or_symbols="AAPL"))

    assert bars["AAPL"][-1].timestamp <= last["AAPL"].timestamp
    assert len(bars["AAPL"]) > 50


def test_the_state_survives_the_death_of_every_process(
    system: RunningSystem, client: TradingClient
) -> None:
    buy(client)
    before = (client.get_account().cash, _position_qty(client))

    for victim in ("ray::LedgerShard", "ray::Auth", "ray::Market", "ray::ServeReplica"):
        system.kill(victim)
        deadline = time.monotonic() + 20
        while True:
            try:
                after = (client.get_account().cash, _position_qty(client))
                break
            except (APIError, OSError):
                assert time.monotonic() < deadline, f"no answer after the death of {victim}"
                time.sleep(0.1)
        assert after == before, victim
    buy(client)


def test_two_homes_do_not_share_a_port(system: RunningSystem, tmp_path: Path) -> None:
    other = RunningSystem(tmp_path / "home")
    other.environment.update(
        TRADEPLANE_HTTP_PORT=system.environment["TRADEPLANE_HTTP_PORT"],
        TRADEPLANE_SERVE_PORT=system.environment["TRADEPLANE_SERVE_PORT"],
    )

    with pytest.raises(AssertionError) as refused:
        other.start()

    for name in ("TRADEPLANE_HTTP_PORT", "TRADEPLANE_SERVE_PORT"):
        assert name in str(refused.value)
        assert system.environment[name] in str(refused.value)
    assert other.process.returncode == 1
