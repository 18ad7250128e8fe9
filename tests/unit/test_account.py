import uuid
from decimal import Decimal

import pytest

from tradeplane.trading.account import RECENT_ORDERS_MAX, Account, Position, restated_qty
from tradeplane.trading.events import (
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    PositionSplit,
)
from tradeplane.trading.market import Split
from tradeplane.trading.orders import Order, OrderStatus

D = Decimal


def new_account(cash="1000"):
    return Account("a", "firm", "PA1", 0, D(cash), D(cash))


def accept(account, order_id, *, side="buy", qty="10", reserve="5", symbol="AAPL"):
    order = Order(
        order_id=order_id,
        account_id="a",
        client_order_id=f"c-{order_id}",
        symbol=symbol,
        side=side,
        type="limit",
        time_in_force="day",
        qty=D(qty),
        limit_price=D(reserve),
        reserve_price=D(reserve) if side == "buy" else D(0),
        status=OrderStatus.PENDING_NEW,
        submitted_ns=1,
        updated_ns=1,
        priority=1,
    )
    event = OrderAccepted("a", order)
    account.evolve(event)
    return event


def fill(account, order_id, qty, price, at_ns=2):
    execution_id = str(uuid.UUID(int=at_ns))
    return account.evolve(OrderFilled("a", order_id, execution_id, D(qty), D(price), 1, at_ns))


def buy(account, order_id, qty, price):
    accept(account, order_id, qty=qty, reserve=price)
    fill(account, order_id, qty, price)


def sell(account, order_id, qty, price):
    accept(account, order_id, side="sell", qty=qty, reserve=price)
    fill(account, order_id, qty, price)


def test_a_buy_holds_back_its_reservation_and_a_fill_releases_the_filled_part():
    account = new_account()

    accept(account, "1", qty="10", reserve="5")
    assert (account.reserved, account.buying_power()) == (50, 950)

    fill(account, "1", "4", "3")
    assert (account.cash, account.reserved, account.buying_power()) == (988, 30, 958)


def test_the_event_keeps_the_order_as_it_was_accepted():
    account = new_account()

    event = accept(account, "1")
    fill(account, "1", "10", "5")

    assert event.order.status is OrderStatus.PENDING_NEW
    assert event.order.filled_qty == 0


def test_a_full_fill_closes_the_order_and_is_returned():
    account = new_account()
    accept(account, "1")

    assert fill(account, "1", "4", "5") is None
    assert account.open_orders["1"].status is OrderStatus.PARTIALLY_FILLED
    closed = fill(account, "1", "6", "4", at_ns=7)

    assert closed is account.recent_orders["1"]
    assert account.open_orders == {}
    assert closed.status is OrderStatus.FILLED
    assert (closed.filled_qty, closed.filled_cost, closed.executions) == (10, 44, 2)
    assert (closed.closed_ns, closed.updated_ns) == (7, 7)
    assert account.reserved == 0


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (OrderCanceled("a", "1", "canceled by request", 9), OrderStatus.CANCELED),
        (OrderExpired("a", "1", 9), OrderStatus.EXPIRED),
    ],
)
def test_the_end_of_an_order_releases_the_rest_of_its_reservation(event, status):
    account = new_account()
    accept(account, "1")
    fill(account, "1", "4", "5")

    closed = account.evolve(event)

    assert closed.status is status
    assert closed.closed_ns == 9
    assert account.reserved == 0
    assert account.buying_power() == account.cash == 980


def test_a_sell_holds_its_shares_until_it_fills_or_ends():
    account = new_account()
    buy(account, "1", "10", "5")

    accept(account, "2", side="sell", qty="6", reserve="7")
    assert account.positions["AAPL"].held_qty == 6
    fill(account, "2", "2", "7")
    assert (account.positions["AAPL"].qty, account.positions["AAPL"].held_qty) == (8, 4)
    account.evolve(OrderCanceled("a", "2", "canceled by request", 9))

    assert account.positions["AAPL"].held_qty == 0
    assert account.cash == 964


def test_the_average_is_weighted_over_increases():
    account = new_account()

    buy(account, "1", "10", "5")
    buy(account, "2", "30", "9")

    assert account.positions["AAPL"].average_entry_price() == 8
    assert account.positions["AAPL"].cost_basis() == 320


def test_selling_leaves_the_average_as_it_was_to_the_last_digit():
    account = new_account()
    buy(account, "1", "1", "1")
    buy(account, "2", "2", "2")
    average = account.positions["AAPL"].average_entry_price()
    assert average == D("1.666666667")

    for order_id in ("3", "4"):
        sell(account, order_id, "1", "4")
        assert account.positions["AAPL"].average_entry_price() == average


def test_realized_profit_is_the_proceeds_above_the_average_cost():
    account = new_account()
    buy(account, "1", "10", "5")
    buy(account, "2", "10", "7")

    sell(account, "3", "5", "10")

    assert account.realized == 20
    assert account.positions["AAPL"].cost_basis() == 90


def test_cash_and_profit_agree_when_everything_is_sold():
    account = new_account()
    buy(account, "1", "10", "5")
    buy(account, "2", "20", "6.5")

    sell(account, "3", "30", "6")

    assert account.positions == {}
    assert account.realized == account.cash - account.initial_cash == 0


def test_an_increase_after_a_partial_sale_carries_the_cost_of_what_is_left():
    account = new_account()
    buy(account, "1", "10", "5")
    sell(account, "2", "4", "5")

    buy(account, "3", "6", "10")

    position = account.positions["AAPL"]
    assert (position.entry_qty, position.entry_cost) == (12, 90)


def test_a_cost_that_does_not_divide_is_rounded_half_even_to_18_decimals():
    position = Position(D(1), D(0), D(3), D(10))

    assert position.cost_of(D(1)) == D("3.333333333333333333")
    assert position.cost_of(D(3)) == D(10)
    assert position.average_entry_price() == position.cost_basis() == D("3.333333333")


def test_a_two_for_one_split_doubles_shares_and_halves_the_average():
    account = new_account()
    buy(account, "1", "10", "5")

    account.evolve(PositionSplit("a", Split("AAPL", "2012-01-03", 2, 1), 3))

    position = account.positions["AAPL"]
    assert (position.qty, position.entry_qty, position.entry_cost) == (20, 20, 50)
    assert position.average_entry_price() == D("2.5")


def test_a_split_of_a_partly_sold_position_keeps_the_cost_of_what_is_left():
    for numerator, denominator in ((2, 1), (1, 3), (3, 7)):
        account = new_account()
        buy(account, "1", "10", "5")
        sell(account, "2", "3", "5")

        account.evolve(PositionSplit("a", Split("AAPL", "2012-01-03", numerator, denominator), 3))

        position = account.positions["AAPL"]
        assert position.cost_of(position.qty) == 35
        assert position.qty <= position.entry_qty


@pytest.mark.parametrize(
    ("qty", "numerator", "denominator", "expected"),
    [
        ("10", 2, 1, "20"),
        ("10", 1, 4, "2.5"),
        ("10", 1, 3, "3.333333333"),
        ("0.000000001", 1, 2, "0"),
        ("1E+1", 3, 2, "15"),
    ],
)
def test_a_split_that_does_not_divide_is_rounded_down(qty, numerator, denominator, expected):
    assert restated_qty(D(qty), Split("AAPL", "d", numerator, denominator)) == D(expected)


def test_a_position_that_a_reverse_split_makes_vanish_is_a_loss():
    account = new_account()
    buy(account, "1", "0.000000001", "5")

    account.evolve(PositionSplit("a", Split("AAPL", "2012-01-03", 1, 2), 3))

    assert account.positions == {}
    assert account.realized == account.cash - account.initial_cash == D("-0.000000005")


def test_each_event_grows_the_version_by_one():
    account = new_account()
    versions = [account.version]
    accept(account, "1")
    versions.append(account.version)
    account.evolve(OrderActivated("a", "1", 2))
    versions.append(account.version)
    fill(account, "1", "10", "5")
    versions.append(account.version)

    assert versions == [1, 2, 3, 4]


def test_activation_makes_the_order_new():
    account = new_account()
    accept(account, "1")

    account.evolve(OrderActivated("a", "1", 4))

    assert account.open_orders["1"].status is OrderStatus.NEW
    assert account.open_orders["1"].updated_ns == 4


def test_a_status_that_may_not_follow_is_an_error_of_ours():
    account = new_account()
    accept(account, "1")
    fill(account, "1", "4", "5")

    with pytest.raises(AssertionError, match="no way from partially_filled to new"):
        account.evolve(OrderActivated("a", "1", 4))


def test_a_fill_beyond_the_quantity_is_an_error_of_ours():
    account = new_account()
    accept(account, "1")

    with pytest.raises(AssertionError, match="no more than its quantity"):
        fill(account, "1", "11", "5")


def test_an_account_remembers_the_newest_closed_orders():
    account = new_account()
    count = RECENT_ORDERS_MAX + 3
    for number in range(count):
        accept(account, str(number), qty="1", reserve="1")
    for number in reversed(range(count)):
        account.evolve(OrderCanceled("a", str(number), "canceled by request", 2))

    remembered = list(account.recent_orders)
    assert remembered == [str(number) for number in reversed(range(RECENT_ORDERS_MAX))]


def test_buying_power_is_exact_for_large_amounts_with_many_decimals():
    account = new_account("1000000000000000.0000000000001")
    account.reserved = D("0.0000000000001")

    assert account.buying_power() == D("1000000000000000")
