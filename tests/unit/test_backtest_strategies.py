"""The strategies decide from the close alone, and size orders that the venue accepts."""

from decimal import Decimal

import pytest

from tradeplane.errors import InvalidRequest
from tradeplane.research.strategies import (
    BuyAndHold,
    Close,
    OrderRequest,
    SmaCrossover,
    simple_moving_average,
)
from tradeplane.trading.bars import Bar
from tradeplane.trading.market import Session

D = Decimal


def close(*prices, adjusted=None, qty="0", cash="1000", open_orders=()):
    def bars(values):
        return [Bar("AAPL", f"d{n}", n, *[D(value)] * 4, 1000) for n, value in enumerate(values)]

    equity = D(cash) + D(qty) * D(prices[-1])
    return Close(
        session=Session("d", 1, 2),
        raw=bars(prices),
        adjusted=bars(adjusted or prices),
        qty=D(qty),
        buying_power=D(cash),
        equity=equity,
        open_orders=open_orders,
        collar=D("1.04"),
    )


def test_it_waits_until_the_slow_average_exists():
    assert SmaCrossover(1, 3).decide(close(1, 2)) == ()
    assert SmaCrossover(1, 3).decide(close(1, 2, 3)) != ()


def test_it_buys_whole_shares_at_the_collar_when_the_fast_average_is_above():
    # 10 * 1.04 = 10.4; 1000 dollars are 96 whole shares.
    assert SmaCrossover(1, 2).decide(close(9, 10)) == (OrderRequest("buy", D(96)),)
    half = SmaCrossover(1, 2, D("0.5"))
    assert half.decide(close(9, 10)) == (OrderRequest("buy", D(48)),)


def test_equal_averages_are_no_reason_to_be_long():
    assert SmaCrossover(1, 2).decide(close(10, 10)) == ()
    assert SmaCrossover(1, 2).decide(close(10, 10, qty=7)) == (OrderRequest("sell", D(7)),)


def test_it_sells_everything_when_the_fast_average_is_below():
    assert SmaCrossover(1, 2).decide(close(10, 9, qty="7.5")) == (OrderRequest("sell", D("7.5")),)


def test_it_leaves_a_position_and_an_open_order_alone():
    assert SmaCrossover(1, 2).decide(close(9, 10, qty=1)) == ()
    assert SmaCrossover(1, 2).decide(close(9, 10, open_orders=("order",))) == ()
    assert SmaCrossover(1, 2).decide(close(10, 9, qty=1, open_orders=("order",))) == ()


def test_a_split_is_no_signal_and_orders_are_in_shares_as_traded():
    split = close(20, 11, adjusted=(10, 11))

    assert SmaCrossover(1, 2).decide(split) == (OrderRequest("buy", D(87)),)


def test_it_orders_nothing_when_not_even_one_share_is_affordable():
    assert SmaCrossover(1, 2).decide(close(9, 10, cash="10.39")) == ()
    assert SmaCrossover(1, 2).decide(close(9, 10, cash="10.40")) == (OrderRequest("buy", D(1)),)


def test_buy_and_hold_buys_once():
    assert BuyAndHold().decide(close(10)) == (OrderRequest("buy", D(96)),)
    assert BuyAndHold().decide(close(10, qty=1)) == ()


@pytest.mark.parametrize(
    ("fast", "slow", "fraction", "message"),
    [
        (0, 2, "1", "fast must be at least 1 session, not 0"),
        (5, 5, "1", "fast must be below slow; fast is 5 sessions and slow is 5"),
        (1, 2, "0", "fraction must be above 0 and at most 1, not 0"),
        (1, 2, "1.1", "fraction must be above 0 and at most 1, not 1.1"),
        (1, 2, "NaN", "fraction must be above 0 and at most 1, not NaN"),
    ],
)
def test_wrong_arguments_are_refused_with_what_would_be_right(fast, slow, fraction, message):
    with pytest.raises(InvalidRequest, match=message):
        SmaCrossover(fast, slow, D(fraction))


def test_a_moving_average_is_none_until_its_window_is_full():
    assert simple_moving_average([D(1), D(2), D(6)], 2) == [None, 1.5, 4.0]
    assert simple_moving_average([D(1)], 2) == [None]
