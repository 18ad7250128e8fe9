"""The streams of a running system, followed by the unmodified clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from alpaca.data.live import StockDataStream
from alpaca.trading.client import TradingClient
from alpaca.trading.models import TradeUpdate
from alpaca.trading.requests import MarketOrderRequest
from alpaca.trading.stream import TradingStream
from running_system import RunningSystem

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]


async def until(condition: Callable[[], bool], limit_s: float = 60) -> None:
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.02)


def client_of(system: RunningSystem) -> TradingClient:
    keys = system.credentials
    return TradingClient(keys["key_id"], keys["secret_key"], url_override=system.url)


def buy(system: RunningSystem) -> str:
    order = MarketOrderRequest(symbol="AAPL", qty=3, side="buy", time_in_force="gtc")
    return str(client_of(system).submit_order(order).id)


async def test_what_the_stream_says_of_orders_is_what_the_api_says(system: RunningSystem) -> None:
    keys = system.credentials
    seen: list[TradeUpdate] = []

    async def note(update: TradeUpdate) -> None:
        seen.append(update)

    stream = TradingStream(keys["key_id"], keys["secret_key"], url_override=system.stream_url)
    stream.subscribe_trade_updates(note)
    running = asyncio.create_task(stream._run_forever())

    def updates_of(order_id: str) -> list[TradeUpdate]:
        return [update for update in seen if str(update.order.id) == order_id]

    # Until the subscription is in force, orders are not seen; so one is placed until it is.
    while not seen:
        await asyncio.to_thread(buy, system)
        with suppress(TimeoutError):
            await until(lambda: bool(seen), 3)
    first = await asyncio.to_thread(buy, system)
    await until(lambda: any(each.event == "fill" for each in updates_of(first)))

    await asyncio.to_thread(system.kill, "ray::LedgerShard")
    second = ""
    while not second:
        with suppress(Exception):
            second = await asyncio.to_thread(buy, system)
    await until(lambda: any(each.event == "fill" for each in updates_of(second)))

    for order_id in (first, second):
        updates = updates_of(order_id)
        filled = sum(Decimal(str(each.qty)) for each in updates if each.qty is not None)
        order = client_of(system).get_order_by_id(order_id)
        assert filled == Decimal(str(order.filled_qty)) == 3
        executions = [each.execution_id for each in updates if each.execution_id]
        assert len(executions) == len(set(executions)), "an execution was told twice"
        assert [each.event for each in updates].count("fill") == 1
    await stream.stop_ws()
    await stream.close()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_market_data_arrives_as_it_is_replayed(system: RunningSystem) -> None:
    keys = system.credentials
    trades: list[Any] = []
    bars: list[Any] = []

    async def note_trade(trade: Any) -> None:
        trades.append(trade)

    async def note_bar(bar: Any) -> None:
        bars.append(bar)

    url = system.stream_url.replace("/stream", "/v2/iex")
    stream = StockDataStream(keys["key_id"], keys["secret_key"], url_override=url)
    stream.subscribe_trades(note_trade, "AAPL", "IBM")
    stream.subscribe_bars(note_bar, "*")
    running = asyncio.create_task(stream._run_forever())

    await asyncio.to_thread(system.cli, "replay", "rate", "2000")
    try:
        await until(lambda: {trade.symbol for trade in trades} == {"AAPL", "IBM"})
        await until(lambda: len(bars) > 2)
    finally:
        await asyncio.to_thread(system.cli, "replay", "rate", "60")

    assert all(trade.price > 0 and trade.size > 0 for trade in trades)
    times = [trade.timestamp for trade in trades if trade.symbol == "AAPL"]
    assert times == sorted(times)
    await stream.stop_ws()
    await stream.close()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
