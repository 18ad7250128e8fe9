"""The backtest plays the venue's own ledger, exactly, and never shows a strategy the future."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.marketdata.memory import MemoryMarketData
from adapters.marketdata.parquet_store import new_york_midnight_ns
from tradeplane.errors import InvalidRequest, UnknownAsset
from tradeplane.research.backtest import ACCOUNT_ID, run_backtest
from tradeplane.research.round_trips import round_trips
from tradeplane.research.strategies import BuyAndHold, OrderRequest, SmaCrossover
from tradeplane.research.tape import tape
from tradeplane.trading.bars import Bar
from tradeplane.trading.commands import (
    ApplyPrint,
    EndSession,
    OpenAccount,
    PlaceOrder,
    StartSession,
)
from tradeplane.trading.events import OrderFilled
from tradeplane.trading.ledger import Ledger
from tradeplane.trading.ledger_limits import LedgerLimits
from tradeplane.trading.market import Split
from tradeplane.trading.orders import OrderStatus

D = Decimal
EVER = ("2000-01-01", "2999-12-31")


class Scripted:
    """Orders what a script says after each close, by date, and keeps every close it was shown."""

    name = "scripted"

    def __init__(self, script=None):
        self.script = script or {}
        self.seen = []

    def decide(self, close):
        self.seen.append(close)
        return self.script.get(close.session.date, ())


def day(number):
    return f"2012-06-{number:02d}"


def bar(number, opened, close, *, volume=100_000, high=None, low=None):
    opened, close = D(opened), D(close)
    return Bar(
        symbol="AAPL",
        session=day(number),
        start_ns=new_york_midnight_ns(day(number)),
        open=opened,
        high=D(high) if high else max(opened, close),
        low=D(low) if low else min(opened, close),
        close=close,
        volume=volume,
    )


def tape_of(bars, splits=(), first=EVER[0], last=EVER[1]):
    return tape(MemoryMarketData(bars, splits=splits), "AAPL", first, last, seed=7)


def flat_bars(*prices, volume=100_000):
    return [bar(n, price, price, volume=volume) for n, price in enumerate(prices, start=1)]


def test_a_crossover_gives_the_fills_and_the_equity_that_a_hand_gives():
    # Averages of 1 and 2 closes: up on day 2, down on day 4; the trades are at the next opens.
    bars = [
        bar(1, 10, 10),
        bar(2, 10, 12),
        bar(3, "12.5", 13),
        bar(4, 13, 11),
        bar(5, "10.75", 10),
    ]

    result = run_backtest(tape_of(bars), SmaCrossover(1, 2), D(1000))

    # 1000 dollars at 12 * 1.04 = 12.48 a share are 80 shares.
    assert [(f.session, f.side, f.qty, f.price) for f in result.fills] == [
        (day(3), "buy", D(80), D("12.5")),
        (day(5), "sell", D(80), D("10.75")),
    ]
    assert [mark.equity for mark in result.marks] == [D(1000), D(1000), D(1040), D(880), D(860)]
    assert [mark.qty for mark in result.marks] == [D(0), D(0), D(80), D(80), D(0)]
    assert [order.status for order in result.orders] == [OrderStatus.FILLED] * 2
    (trip,) = round_trips(result)
    assert (trip.entry_session, trip.exit_session, trip.sessions) == (day(3), day(5), 2)
    assert trip.profit() == D(-140)


def test_no_order_is_filled_before_the_open_after_its_close():
    bars = flat_bars(10, 11, 12)
    strategy = Scripted({day(1): [OrderRequest("buy", D(5))]})

    result = run_backtest(tape_of(bars), strategy, D(1000))

    (fill,) = result.fills
    assert (fill.session, fill.price) == (day(2), D(11))
    assert fill.at_ns == tape_of(bars).days[1].session.open_ns


def test_a_strategy_sees_the_bars_up_to_the_close_and_no_later_one():
    bars = flat_bars(10, 11, 12, 13)
    strategy = Scripted()

    run_backtest(tape_of(bars, first=day(2)), strategy, D(1000))

    seen = [([b.session for b in c.raw], [b.session for b in c.adjusted]) for c in strategy.seen]
    upto = [[day(n) for n in range(1, last + 1)] for last in (2, 3, 4)]
    assert seen == [(sessions, sessions) for sessions in upto]
    assert [close.session.date for close in strategy.seen] == [day(2), day(3), day(4)]


PRICES = st.lists(st.integers(1, 400).map(lambda n: D(n) / 4), min_size=8, max_size=20)


@given(PRICES, PRICES, st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_other_bars_in_the_future_change_no_decision_of_the_past(prices, others, known):
    other_prices = (prices[:known] + others)[: len(prices)]

    def past(closes):
        # The last price but one opens each day, so that opens differ from closes, too.
        bars = [
            bar(n, closes[max(0, n - 2)], price, volume=4_000)
            for n, price in enumerate(closes, start=1)
        ]
        result = run_backtest(tape_of(bars), SmaCrossover(1, 3), D(10_000))
        return [
            [mark for mark in result.marks if mark.session <= day(known)],
            [fill for fill in result.fills if fill.session <= day(known)],
            [
                (order.side, order.qty, order.submitted_ns)
                for order in result.orders
                if order.submitted_ns <= tape_of(bars).days[known - 1].session.close_ns
            ],
        ]

    assert past(prices) == past(other_prices)


@given(PRICES, st.sampled_from([400, 4_000, 100_000]))
@settings(max_examples=60, deadline=None)
def test_the_same_orders_and_prints_in_a_ledger_give_the_same_fills_and_state(prices, volume):
    played = tape_of(flat_bars(*prices, volume=volume))
    limits = LedgerLimits(participation=D("0.2"))
    result = run_backtest(played, SmaCrossover(1, 2), D(10_000), limits)

    ledger = Ledger(limits)
    ledger.apply(
        OpenAccount(ACCOUNT_ID, "research", ACCOUNT_ID, D(10_000)), played.days[0].session.open_ns
    )
    events, sequence = [], 0
    for trading_day in played.days:
        session = trading_day.session
        steps = [
            (StartSession, (session, trading_day.splits), session.open_ns),
            *((ApplyPrint, (traded,), traded.at_ns) for traded in trading_day.prints),
            (EndSession, (session,), session.close_ns),
        ]
        for command_type, arguments, at_ns in steps:
            sequence += 1
            events += ledger.apply(command_type(sequence, *arguments), at_ns).events
        for order in result.orders:
            if order.submitted_ns == session.close_ns:
                placed = PlaceOrder(
                    ACCOUNT_ID,
                    order.order_id,
                    order.client_order_id,
                    order.symbol,
                    order.side,
                    order.type,
                    order.time_in_force,
                    order.qty,
                )
                events += ledger.apply(placed, session.close_ns).events
    fills = [event for event in events if isinstance(event, OrderFilled)]
    assert [(f.execution_id, f.qty, f.price, f.at_ns) for f in fills] == [
        (f.execution_id, f.qty, f.price, f.at_ns) for f in result.fills
    ]
    assert ledger.digest() == result.digest


def test_equal_runs_have_equal_results():
    played = tape_of(flat_bars(10, 12, 14, 9, 8, 12))

    first = run_backtest(played, SmaCrossover(1, 2), D(1000))

    assert run_backtest(played, SmaCrossover(1, 2), D(1000)) == first
    assert run_backtest(played, SmaCrossover(1, 2), D(1001)).digest != first.digest


def test_volume_caps_a_fill_and_the_rest_of_a_day_order_expires():
    # A print stands for a quarter of 400 shares, of which the account may take a tenth.
    bars = flat_bars(10, 10, 10, volume=400)
    strategy = Scripted({day(1): [OrderRequest("buy", D(100))]})

    result = run_backtest(tape_of(bars), strategy, D(10_000))

    assert [(f.session, f.qty) for f in result.fills] == [(day(2), D(10))] * 4
    (order,) = result.orders
    assert (order.status, order.filled_qty) == (OrderStatus.EXPIRED, D(40))


def test_a_split_restates_the_position_and_leaves_equity_and_signal_alone():
    bars = flat_bars(10, 12, 12, 6, 6)
    split = Split("AAPL", day(4), 2, 1)

    result = run_backtest(tape_of(bars, [split]), BuyAndHold(), D(1000))

    # 1000 dollars at 10 * 1.04 are 96 shares, of which 1000 dollars pay 83 at the open of 12.
    assert [mark.qty for mark in result.marks] == [D(0), D(83), D(83), D(166), D(166)]
    assert {mark.equity for mark in result.marks} == {D(1000)}
    assert result.splits == (split,)
    assert [bar.close for bar in tape_of(bars, [split]).adjusted] == [D(5), *[D(6)] * 4]


def test_a_round_trip_over_a_split_sells_the_restated_shares():
    bars = flat_bars(10, 10, 5, 6)
    split = Split("AAPL", day(3), 2, 1)
    strategy = Scripted(
        {day(1): [OrderRequest("buy", D(50))], day(3): [OrderRequest("sell", D(100))]}
    )

    (trip,) = round_trips(run_backtest(tape_of(bars, [split]), strategy, D(1000)))

    assert (trip.bought_qty, trip.sold_qty, trip.exit_session) == (D(50), D(100), day(4))
    assert trip.profit() == D(100)


def test_an_open_round_trip_is_valued_at_the_last_close():
    strategy = Scripted({day(1): [OrderRequest("buy", D(10))]})

    (trip,) = round_trips(run_backtest(tape_of(flat_bars(10, 11, 14)), strategy, D(1000)))

    assert (trip.exit_session, trip.proceeds, trip.profit()) == (None, D(140), D(30))


def test_a_refused_order_is_recorded_with_its_reason_and_the_run_goes_on():
    request = OrderRequest("buy", D(1000))
    strategy = Scripted({day(1): [request, OrderRequest("buy", D(1))]})

    result = run_backtest(tape_of(flat_bars(10, 10)), strategy, D(1000))

    (refusal,) = result.refusals
    assert (refusal.session, refusal.request) == (day(1), request)
    assert refusal.reason == "insufficient buying power"
    assert [fill.qty for fill in result.fills] == [D(1)]


def test_a_strategy_cannot_change_the_orders_of_the_ledger():
    class Meddler(Scripted):
        def decide(self, close):
            for order in close.open_orders:
                order.qty = D(999)
            return super().decide(close)

    limit = OrderRequest("buy", D(1), "limit", "gtc", D(5))
    result = run_backtest(tape_of(flat_bars(10, 10, 10)), Meddler({day(1): [limit]}), D(1000))

    assert [order.qty for order in result.orders] == [D(1)]


def test_a_tape_ends_where_it_is_told_and_keeps_the_bars_before_its_start():
    played = tape_of(flat_bars(1, 2, 3, 4, 5), first=day(2), last=day(4))

    assert [trading_day.session.date for trading_day in played.days] == [day(2), day(3), day(4)]
    assert [b.session for b in played.raw] == [day(1), day(2), day(3), day(4)]
    assert [b.session for b in played.adjusted] == [day(1), day(2), day(3), day(4)]


def test_a_split_between_two_bars_takes_effect_at_the_later_one():
    bars = [bar(1, 10, 10), bar(5, 5, 5)]
    split = Split("AAPL", day(3), 2, 1)

    played = tape_of(bars, [split])

    assert [trading_day.splits for trading_day in played.days] == [(), (split,)]


def test_a_tape_is_refused_with_what_would_be_right():
    with pytest.raises(UnknownAsset, match="unknown symbol 'ZZZ'; there are prices of AAPL"):
        tape(MemoryMarketData(flat_bars(1)), "ZZZ", *EVER, seed=7)
    with pytest.raises(InvalidRequest, match=r"no session from 2013-01-01 .* from 2012-06-01 to"):
        tape_of(flat_bars(1, 2), first="2013-01-01")
    closes = [bar(1, 1, 1)]
    with pytest.raises(UnknownAsset, match="adjusted closes only"):
        tape(MemoryMarketData((), closes_only=closes), "AAPL", *EVER, seed=7)
