from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradeplane.clock import NS_PER_MS, NS_PER_S
from tradeplane.trading.bars import Bar
from tradeplane.trading.market import Session
from tradeplane.trading.replay_schedule import session_prints

OPEN_NS = 1_337_347_800 * NS_PER_S
SESSION = Session("2012-05-18", OPEN_NS, OPEN_NS + 23_400 * NS_PER_S)


def bar(symbol="AAPL", prices=(100, 103, 98, 101), volume=1_003):
    opened, high, low, close = (Decimal(price) for price in prices)
    return Bar(symbol, SESSION.date, OPEN_NS - 34_200 * NS_PER_S, opened, high, low, close, volume)


BARS = (bar("AAPL"), bar("FB", (40, 45, 38, 38)), bar("MSFT", (29, 30, 29, 30)))


def test_the_same_seed_gives_the_same_prints():
    assert session_prints(BARS, SESSION, 7) == session_prints(BARS, SESSION, 7)


def test_another_seed_gives_other_times_and_the_same_prices():
    one, other = session_prints(BARS, SESSION, 7), session_prints(BARS, SESSION, 8)
    assert {p.at_ns for p in one} != {p.at_ns for p in other}
    assert {(p.symbol, p.kind, p.price) for p in one} == {
        (p.symbol, p.kind, p.price) for p in other
    }


def test_the_times_are_the_ones_that_every_release_gives():
    at_ms = [
        (each.kind, (each.at_ns - OPEN_NS) // NS_PER_MS)
        for each in session_prints(BARS[:1], SESSION, 7)
    ]
    assert at_ms == [("open", 0), ("low", 526_455), ("high", 6_753_182), ("close", 23_399_999)]


def test_a_symbol_prints_the_same_with_and_without_the_others():
    together = session_prints(BARS, SESSION, 7)
    for each in BARS:
        alone = session_prints((each,), SESSION, 7)
        assert alone == tuple(p for p in together if p.symbol == each.symbol)


def test_opens_and_closes_come_by_symbol_at_their_real_times():
    prints = session_prints(tuple(reversed(BARS)), SESSION, 7)
    assert [(p.symbol, p.kind, p.at_ns) for p in prints[:3]] == [
        (symbol, "open", SESSION.open_ns) for symbol in ("AAPL", "FB", "MSFT")
    ]
    assert [(p.symbol, p.kind, p.at_ns) for p in prints[-3:]] == [
        (symbol, "close", SESSION.close_ns - NS_PER_MS) for symbol in ("AAPL", "FB", "MSFT")
    ]


@pytest.mark.parametrize(
    ("prices", "kinds"),
    [
        ((100, 101, 95, 96), ["high", "low"]),
        ((100, 105, 99, 104), ["low", "high"]),
        ((100, 102, 98, 100), ["low", "high"]),
        ((100, 100, 100, 100), ["low", "high"]),
    ],
    ids=["high is nearer", "low is nearer", "tie", "all the same"],
)
def test_the_extreme_nearer_to_the_open_comes_first(prices, kinds):
    for seed in range(20):
        prints = session_prints((bar(prices=prices),), SESSION, seed)
        assert [each.kind for each in prints[1:-1]] == kinds


def test_the_prints_share_the_days_volume_to_the_last_share():
    prints = session_prints((bar(volume=1_003),), SESSION, 7)
    assert [each.volume for each in prints] == [250, 250, 250, 253]


def test_no_bars_make_no_prints():
    assert session_prints((), SESSION, 7) == ()


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(-(2**40), 2**40), open_ms=st.integers(4, 23_400_000))
def test_high_and_low_lie_at_two_times_strictly_between_open_and_close(seed, open_ms):
    session = msgspec.structs.replace(SESSION, close_ns=OPEN_NS + open_ms * NS_PER_MS)
    times = [each.at_ns for each in session_prints((bar(),), session, seed)]
    assert times == sorted(set(times))
    assert times[0] == session.open_ns
    assert times[-1] == session.close_ns - NS_PER_MS
