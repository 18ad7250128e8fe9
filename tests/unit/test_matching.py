from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradeplane.trading.market import Print
from tradeplane.trading.matching import affordable, execution_price, fillable, reserve_price


def traded(price, kind="high", volume=1_000):
    return Print("AAPL", kind, Decimal(price), volume, 5, "2012-01-03")


def price_of(side, limit, at, *, resting, kind="high", previous=None):
    return execution_price(
        side,
        "market" if limit is None else "limit",
        None if limit is None else Decimal(limit),
        traded(at, kind),
        resting=resting,
        previous_price=None if previous is None else Decimal(previous),
    )


@pytest.mark.parametrize(
    ("volume", "participation", "used", "expected"),
    [
        (1_000, "0.1", "0", "100"),
        (1_009, "0.1", "0", "100"),
        (9, "0.1", "0", "0"),
        (0, "0.1", "0", "0"),
        (1_000, "0.1", "40", "60"),
        (1_000, "0.1", "100", "0"),
        (1_000, "0.1", "100.5", "0"),
        (1_000, "0.1", "0.5", "99"),
        (7, "1", "0", "7"),
    ],
)
def test_an_account_gets_whole_shares_of_its_part_of_the_volume(
    volume, participation, used, expected
):
    assert fillable(volume, Decimal(participation), Decimal(used)) == Decimal(expected)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 10**12),
    st.decimals(min_value="0.001", max_value=1, places=3),
    st.decimals(min_value=0, max_value=10**9, places=9),
)
def test_what_is_fillable_never_passes_the_cap(volume, participation, used):
    qty = fillable(volume, participation, used)

    assert qty == 0 or qty + used <= participation * volume
    assert qty == qty.to_integral_value()


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("resting", [True, False])
def test_a_market_order_takes_the_price_of_the_print(side, resting):
    assert price_of(side, None, "10.25", resting=resting) == Decimal("10.25")


@pytest.mark.parametrize(
    ("side", "limit", "at", "expected"),
    [
        ("buy", "10", "9", "9"),
        ("buy", "10", "10", "10"),
        ("buy", "10", "10.01", None),
        ("sell", "10", "11", "11"),
        ("sell", "10", "10", "10"),
        ("sell", "10", "9.99", None),
    ],
)
def test_a_limit_that_is_marketable_on_arrival_gets_the_better_price(side, limit, at, expected):
    found = price_of(side, limit, at, resting=False)

    assert found == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("side", "previous", "at", "expected"),
    [
        ("buy", "12", "9", "10"),
        ("buy", "12", "10", "10"),
        ("buy", "12", "11", None),
        ("buy", None, "9", "10"),
        ("sell", "8", "11", "10"),
        ("sell", "8", "9", None),
    ],
)
def test_a_resting_limit_executes_at_its_limit_when_the_price_moves_through_it(
    side, previous, at, expected
):
    found = price_of(side, "10", at, resting=True, previous=previous)

    assert found == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(("side", "at"), [("buy", "7"), ("sell", "13")])
def test_a_resting_limit_takes_the_opening_price_after_a_gap(side, at):
    assert price_of(side, "10", at, resting=True, kind="open", previous="10.5") == Decimal(at)


@pytest.mark.parametrize(("side", "previous", "at"), [("buy", "7", "8"), ("sell", "13", "12")])
def test_a_limit_that_only_waited_for_volume_takes_the_market_price(side, previous, at):
    assert price_of(side, "10", at, resting=True, previous=previous) == Decimal(at)


PRICES = st.decimals(min_value="0.01", max_value=1_000, places=2)


@settings(max_examples=200, deadline=None)
@given(
    side=st.sampled_from(["buy", "sell"]),
    limit=PRICES,
    at=PRICES,
    previous=st.none() | PRICES,
    resting=st.booleans(),
    kind=st.sampled_from(["open", "high", "low", "close"]),
)
def test_no_execution_is_worse_than_the_limit(*, side, limit, at, previous, resting, kind):
    price = price_of(side, limit, at, resting=resting, kind=kind, previous=previous)

    if price is None:
        assert at > limit if side == "buy" else at < limit
    else:
        assert price <= limit if side == "buy" else price >= limit


@pytest.mark.parametrize(
    ("qty", "price", "dollars", "expected"),
    [
        ("10", "5", "50", "10"),
        ("10", "5", "49.99", "9"),
        ("0.5", "100", "50", "0.5"),
        ("0.5", "100", "49", "0"),
        ("2.5", "100", "249", "2"),
        ("1", "5", "4.99", "0"),
        ("1", "5", "0", "0"),
    ],
)
def test_too_little_money_buys_fewer_whole_shares(qty, price, dollars, expected):
    assert affordable(Decimal(qty), Decimal(price), Decimal(dollars)) == Decimal(expected)


@pytest.mark.parametrize(
    ("limit", "last", "collar", "expected"),
    [
        ("9.5", "100", "1.04", "9.5"),
        (None, "100", "1.04", "104"),
        (None, "0.0001", "1.04", "0.0002"),
        (None, "33.3333", "1.04", "34.6667"),
    ],
)
def test_a_buy_reserves_its_limit_or_the_collared_price_rounded_up(limit, last, collar, expected):
    limit_price = None if limit is None else Decimal(limit)

    assert reserve_price(limit_price, Decimal(last), Decimal(collar)) == Decimal(expected)
