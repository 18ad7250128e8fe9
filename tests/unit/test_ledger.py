"""Scenarios of the trading core, one rule each, told in commands."""

import hashlib
import uuid
from decimal import Decimal

import msgspec
import pytest

from tradeplane.errors import (
    ComponentUnavailable,
    CorruptJournal,
    DuplicateClientOrderId,
    InsufficientBuyingPower,
    InsufficientQuantity,
    InvalidRequest,
    LimitReached,
    Misconfigured,
    NotFound,
    OrderNotCancelable,
    WashTrade,
)
from tradeplane.trading.account import RECENT_ORDERS_MAX
from tradeplane.trading.commands import (
    ApplyPrint,
    CancelAllOrders,
    CancelOrder,
    EndSession,
    OpenAccount,
    PlaceOrder,
    ResetMarket,
    StartSession,
)
from tradeplane.trading.execution import execution_id
from tradeplane.trading.ledger import Ledger, LedgerLimits
from tradeplane.trading.market import Print, Session, Split
from tradeplane.trading.orders import Order
from tradeplane.trading.queries import GetAccount
from tradeplane.trading.replies import Done, OrderPlaced, OrdersCanceled

D = Decimal
DAY = "2012-01-03"
OPEN_NS, CLOSE_NS = 1_000, 2_000
SESSION = Session(DAY, OPEN_NS, CLOSE_NS)
NEXT_SESSION = Session("2012-01-04", 3_000, 4_000)


class Venue:
    """A ledger with a hand-driven market, one account and a record of what was journaled."""

    def __init__(self, cash="10000", **limits):
        self.ledger = Ledger(LedgerLimits(**limits))
        self.now_ns = 500
        self.market_sequence = 0
        self.events = []
        self.rows = []
        self.apply(OpenAccount("a", "firm", "PA1", D(cash)))

    def apply(self, command):
        applied = self.ledger.apply(command, self.now_ns)
        self.events.extend(applied.events)
        self.rows.extend(applied.rows)
        return applied

    def start(self, session=SESSION, splits=()):
        self.now_ns = max(self.now_ns, session.open_ns)
        return self._market(StartSession, session, tuple(splits))

    def end(self, session=SESSION):
        self.now_ns = max(self.now_ns, session.close_ns)
        return self._market(EndSession, session)

    def reset(self):
        return self._market(ResetMarket)

    def trade(self, price, *, symbol="AAPL", volume=1_000, kind="high", session=DAY):
        self.now_ns += 1
        return self._market(ApplyPrint, Print(symbol, kind, D(price), volume, self.now_ns, session))

    def _market(self, command_type, *arguments):
        self.market_sequence += 1
        return self.apply(command_type(self.market_sequence, *arguments))

    def command(self, number, **fields):
        """Return the order command *number*; by default a market buy of 10 AAPL for the day."""
        fields = {
            "account_id": "a",
            "client_order_id": f"c{number}",
            "order_id": order_id(number),
            "symbol": "AAPL",
            "side": "buy",
            "type": "limit" if "limit_price" in fields else "market",
            "time_in_force": "day",
            **fields,
            "qty": D(fields.get("qty", "10")),
        }
        if "limit_price" in fields:
            fields["limit_price"] = D(fields["limit_price"])
        return PlaceOrder(**fields)

    def place(self, number, **fields):
        return self.apply(self.command(number, **fields))

    def account(self, account_id="a"):
        return self.ledger.query(GetAccount(account_id), self.now_ns).account

    def order(self, number, account_id="a"):
        account = self.account(account_id)
        found = account.open_orders.get(order_id(number))
        return found or account.recent_orders[order_id(number)]

    def refused(self, error_type, command):
        before = self.ledger.to_bytes()
        with pytest.raises(error_type) as refused:
            self.apply(command)
        assert self.ledger.to_bytes() == before, "a refusal changed the state"
        return refused.value


def order_id(number):
    return str(uuid.UUID(int=number))


def kinds(applied):
    return [type(event).__name__ for event in applied.events]


@pytest.fixture
def closed_venue():
    return Venue()


@pytest.fixture
def venue():
    """Return a venue in an open session, where AAPL traded at 100 with 100 shares for each."""
    venue = Venue()
    venue.start()
    venue.trade("100", kind="open")
    return venue


# Limits


@pytest.mark.parametrize(
    "limits",
    [
        {"open_orders_max": 0},
        {"accounts_max": 0},
        {"participation": D(0)},
        {"participation": D("1.1")},
        {"participation": D("NaN")},
        {"collar": D("0.99")},
        {"collar": D("Infinity")},
    ],
)
def test_a_limit_out_of_its_range_is_refused_at_the_start(limits):
    with pytest.raises(Misconfigured, match=next(iter(limits))):
        LedgerLimits(**limits)


# Accounts


def test_an_opened_account_has_its_cash_and_nothing_else(closed_venue):
    account = closed_venue.account()

    assert (account.tenant_id, account.account_number, account.opened_ns) == ("firm", "PA1", 500)
    assert account.cash == account.initial_cash == account.buying_power() == 10_000
    assert (account.version, account.positions, account.open_orders) == (1, {}, {})


def test_opening_an_account_again_changes_nothing(closed_venue):
    before = closed_venue.ledger.to_bytes()

    applied = closed_venue.apply(OpenAccount("a", "firm", "PA1", D(5)))

    assert (applied.reply, applied.events) == (Done(), ())
    assert closed_venue.ledger.to_bytes() == before


@pytest.mark.parametrize("cash", ["-1", "1000000000001", "NaN", "Infinity"])
def test_an_account_is_not_opened_with_impossible_cash(closed_venue, cash):
    error = closed_venue.refused(InvalidRequest, OpenAccount("b", "firm", "PA2", D(cash)))

    assert error.message.startswith("cash must be from 0 to 1000000000000 US dollars")


def test_a_full_shard_opens_no_more_accounts():
    venue = Venue(accounts_max=1)

    error = venue.refused(LimitReached, OpenAccount("b", "firm", "PA2", D(1)))

    assert error.message == "a shard may have at most 1 accounts; add a shard"


def test_an_unknown_account_is_not_found(venue):
    for command in (
        venue.command(1, account_id="x"),
        CancelOrder("x", order_id(1), "k"),
        CancelAllOrders("x", "k"),
    ):
        assert venue.refused(NotFound, command).message == "account not found for x"
    with pytest.raises(NotFound):
        venue.ledger.query(GetAccount("x"), 0)


# Acceptance


def test_a_market_order_in_an_open_session_fills_at_once(venue):
    applied = venue.place(1)

    assert kinds(applied) == ["OrderAccepted", "OrderFilled"]
    fill = applied.events[1]
    assert (fill.qty, fill.price, fill.market_sequence) == (10, 100, venue.market_sequence)
    assert fill.execution_id == str(uuid.uuid5(uuid.UUID(order_id(1)), "1"))
    assert venue.order(1).status == "filled"
    assert (venue.account().cash, venue.account().reserved) == (9_000, 0)
    assert venue.account().positions["AAPL"].qty == 10


def test_the_reply_is_the_order_as_it_was_accepted(venue):
    reply = venue.place(1).reply

    assert isinstance(reply, OrderPlaced)
    assert (reply.order.status, reply.order.filled_qty) == ("pending_new", 0)
    assert reply.order.reserve_price == 104


def test_an_order_that_rests_in_an_open_session_becomes_new(venue):
    applied = venue.place(1, limit_price="90")

    assert kinds(applied) == ["OrderAccepted", "OrderActivated"]
    assert venue.order(1).status == "new"


def test_an_order_while_the_exchange_is_closed_is_accepted_and_waits(closed_venue):
    applied = closed_venue.place(1, limit_price="90")

    assert kinds(applied) == ["OrderAccepted"]
    assert applied.reply.order.status == closed_venue.order(1).status == "accepted"


def test_after_the_close_in_venue_time_an_order_waits_for_the_next_session(venue):
    venue.now_ns = CLOSE_NS

    assert kinds(venue.place(1)) == ["OrderAccepted"]
    assert kinds(venue.trade("100", kind="close")) == ["PrintApplied"]
    assert kinds(venue.end()) == ["SessionEnded"]
    assert venue.order(1).status == "accepted"


def test_the_price_of_an_earlier_session_fills_nothing(venue):
    venue.end()
    venue.start(NEXT_SESSION)

    assert kinds(venue.place(1)) == ["OrderAccepted", "OrderActivated"]
    assert venue.order(1).reserve_price == 104


def test_priorities_grow_by_one(venue):
    venue.place(1, limit_price="90")
    venue.place(2, limit_price="91")

    assert [venue.order(1).priority, venue.order(2).priority] == [1, 2]


# Refusals


def test_a_client_order_id_is_unique_among_open_and_closed_orders(venue):
    venue.place(1, limit_price="90")
    venue.place(2)

    for number in (1, 2):
        command = venue.command(number, order_id=order_id(99))
        error = venue.refused(DuplicateClientOrderId, command)
        assert error.message == "client_order_id must be unique"


def test_two_accounts_may_use_the_same_client_order_id(venue):
    venue.apply(OpenAccount("b", "firm", "PA2", D(10_000)))
    venue.place(1)

    assert kinds(venue.place(1, account_id="b", order_id=order_id(2)))[0] == "OrderAccepted"


@pytest.mark.parametrize("fields", [{}, {"limit_price": "90"}, {"limit_price": "90", "qty": "0.5"}])
@pytest.mark.parametrize("is_open", [True, False])
def test_a_retry_of_the_same_order_gets_the_first_reply_and_changes_nothing(fields, is_open):
    venue = Venue()
    venue.start()
    venue.trade("100", kind="open")
    if not is_open:
        venue.end()
    command = venue.command(1, **fields)
    first = msgspec.msgpack.encode(venue.apply(command).reply)
    venue.now_ns += 5
    if not is_open:
        venue.start(NEXT_SESSION)
    before = venue.ledger.to_bytes()

    again = venue.apply(command)

    assert msgspec.msgpack.encode(again.reply) == first
    assert again.events == ()
    assert venue.ledger.to_bytes() == before


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"order_id": "one"}, "order_id must be a UUID, not 'one'"),
        ({"qty": "0"}, "qty must be > 0"),
        ({"type": "limit"}, "limit_price must be set for a limit order, and for no other"),
        (
            {"type": "market", "limit_price": "5"},
            "limit_price must be set for a limit order, and for no other",
        ),
        ({"order_id": order_id(1)}, f"order_id must be unique; {order_id(1)} is in use"),
    ],
)
def test_a_malformed_order_is_refused_before_anything_happens(venue, fields, message):
    venue.place(1, limit_price="90")

    assert venue.refused(InvalidRequest, venue.command(2, **fields)).message == message


def test_an_account_may_have_so_many_open_orders():
    venue = Venue(open_orders_max=2)
    venue.place(1, limit_price="1")
    venue.place(2, limit_price="1")

    error = venue.refused(LimitReached, venue.command(3, limit_price="1"))
    assert error.message.startswith("an account may have at most 2 open orders")

    venue.apply(CancelOrder("a", order_id(1), "k"))
    assert kinds(venue.place(3, limit_price="1")) == ["OrderAccepted"]


def test_a_buy_reserves_no_more_than_the_buying_power(venue):
    venue.place(1, qty="50", limit_price="90")

    error = venue.refused(InsufficientBuyingPower, venue.command(2, qty="55.01", limit_price="100"))
    assert error.message == "insufficient buying power"
    assert error.details == {"buying_power": "5500", "cost_basis": "5501"}

    assert kinds(venue.place(3, qty="55", limit_price="99.99"))[0] == "OrderAccepted"


def test_a_market_buy_reserves_the_last_price_with_the_collar(venue):
    error = venue.refused(InsufficientBuyingPower, venue.command(1, qty="97"))
    assert error.details == {"buying_power": "10000", "cost_basis": "10088"}

    assert kinds(venue.place(1, qty="96")) == ["OrderAccepted", "OrderFilled"]


def test_a_market_buy_needs_a_known_price(venue):
    error = venue.refused(ComponentUnavailable, venue.command(1, symbol="MSFT"))

    assert error.message == "no price is known for MSFT yet; try again"


def test_a_sell_needs_free_shares(venue):
    venue.place(1, qty="23")
    venue.place(2, qty="20", side="sell", limit_price="110")

    error = venue.refused(InsufficientQuantity, venue.command(3, qty="3.5", side="sell"))

    assert error.message == ("insufficient qty available for order (requested: 3.5, available: 3)")
    assert error.details == {
        "available": "3",
        "existing_qty": "23",
        "held_for_orders": "20",
        "symbol": "AAPL",
        "related_orders": [order_id(2)],
    }


def test_nothing_is_sold_short(venue):
    error = venue.refused(InsufficientQuantity, venue.command(1, qty="1", side="sell"))

    assert error.message == "insufficient qty available for order (requested: 1, available: 0)"
    assert error.details["related_orders"] == []


def test_at_most_fifty_related_orders_are_named(venue):
    venue.place(1, qty="60")
    for number in range(2, 62):
        venue.place(number, qty="1", side="sell", limit_price="110")

    error = venue.refused(InsufficientQuantity, venue.command(99, qty="1", side="sell"))

    assert len(error.details["related_orders"]) == 50


@pytest.mark.parametrize(
    ("resting", "arriving", "washes"),
    [
        ({"limit_price": "90"}, {"limit_price": "90"}, True),
        ({"limit_price": "90"}, {"limit_price": "89"}, True),
        ({"limit_price": "90"}, {"limit_price": "90.01"}, False),
        ({"limit_price": "90"}, {}, True),
        ({"limit_price": "90", "symbol": "MSFT"}, {"limit_price": "80"}, False),
    ],
)
def test_a_sell_that_could_trade_against_an_own_buy_is_refused(venue, resting, arriving, washes):
    venue.place(1)
    venue.place(2, **resting)
    command = venue.command(3, side="sell", **arriving)

    if washes:
        error = venue.refused(WashTrade, command)
        assert error.message == "potential wash trade detected. use complex orders"
        assert error.details == {"existing_order_id": order_id(2)}
    else:
        assert kinds(venue.apply(command))[0] == "OrderAccepted"


def test_a_buy_that_could_trade_against_an_own_sell_is_refused(venue):
    venue.place(1)
    venue.place(2, qty="1", side="sell", limit_price="120")
    venue.place(3, qty="1", side="sell", limit_price="110")

    assert venue.refused(WashTrade, venue.command(4)).details == {"existing_order_id": order_id(3)}
    assert venue.refused(WashTrade, venue.command(4, limit_price="115"))
    assert venue.place(4, qty="1", limit_price="109")
    venue.apply(CancelOrder("a", order_id(3), "k"))
    assert venue.place(5, qty="1", limit_price="115")


def test_an_own_resting_market_order_blocks_the_other_side(venue):
    venue.place(1)
    venue.end()
    venue.place(2)

    command = venue.command(3, qty="1", side="sell", limit_price="900")
    assert venue.refused(WashTrade, command).details == {"existing_order_id": order_id(2)}


def test_the_wash_trade_is_told_before_the_want_of_shares(venue):
    venue.place(1, limit_price="90")

    venue.refused(WashTrade, venue.command(2, side="sell"))


# Matching


def test_a_marketable_limit_gets_the_better_price(venue):
    venue.place(1, limit_price="120")

    assert venue.order(1).filled_cost == 1_000
    assert venue.account().buying_power() == 9_000


def test_a_resting_limit_fills_at_its_limit_when_the_price_passes_through(venue):
    venue.place(1, limit_price="95")

    applied = venue.trade("91", kind="low")

    assert kinds(applied) == ["PrintApplied", "OrderFilled"]
    assert applied.events[1].price == 95


def test_an_order_that_waited_for_the_open_gets_the_opening_price(closed_venue):
    closed_venue.place(1, limit_price="95")
    closed_venue.start()

    closed_venue.trade("91", kind="open")

    assert closed_venue.order(1).filled_cost == 910


def test_the_rest_of_a_marketable_limit_fills_at_the_market(venue):
    venue.trade("50", volume=40)
    venue.place(1, limit_price="120")
    assert venue.order(1).filled_qty == 4

    applied = venue.trade("60", volume=1_000)

    assert (applied.events[1].qty, applied.events[1].price) == (6, 60)


def test_a_print_of_another_symbol_touches_nothing(venue):
    venue.place(1, limit_price="95")

    assert kinds(venue.trade("5", symbol="MSFT")) == ["PrintApplied"]


def test_a_print_outside_its_session_fills_nothing(venue):
    venue.place(1, limit_price="95", time_in_force="gtc")
    assert kinds(venue.trade("50", session="2012-01-02")) == ["PrintApplied"]
    venue.end()

    assert kinds(venue.trade("50")) == ["PrintApplied"]


def test_an_account_takes_its_part_of_a_print_and_no_more_by_splitting_orders(venue):
    venue.trade("10", volume=100)

    fills = [
        event.qty
        for number in range(1, 5)
        for event in venue.place(number, qty="4").events[1:]
        if type(event).__name__ == "OrderFilled"
    ]

    assert fills == [4, 4, 2]
    assert venue.order(3).status == "partially_filled"
    assert venue.order(4).status == "new"


def test_each_account_has_its_own_part_of_a_print(venue):
    venue.apply(OpenAccount("b", "firm", "PA2", D(10_000)))
    venue.trade("10", volume=100)
    venue.place(1)

    venue.place(2, account_id="b")

    assert venue.order(1).status == venue.order(2, "b").status == "filled"


def test_the_rest_fills_on_the_next_prints_in_time_priority(venue):
    venue.trade("10", volume=10)
    venue.place(1, qty="3")
    venue.place(2, qty="3")

    applied = venue.trade("11", volume=40)

    assert [(event.order_id, event.qty) for event in applied.events[1:]] == [
        (order_id(1), 2),
        (order_id(2), 2),
    ]
    assert venue.order(1).executions == 2
    assert applied.events[1].execution_id == str(uuid.uuid5(uuid.UUID(order_id(1)), "2"))


def test_a_fractional_order_fills_by_its_fraction(venue):
    venue.place(1, qty="2.5")

    assert venue.order(1).status == "filled"
    assert venue.account().cash == 9_750


def test_a_whole_order_fills_by_whole_shares_after_a_fractional_one(venue):
    venue.trade("10", volume=40)
    venue.place(1, qty="0.5")

    venue.place(2, qty="10")

    assert venue.order(2).filled_qty == 3


def test_selling_books_cash_and_profit(venue):
    venue.place(1)
    venue.trade("110")

    venue.place(2, side="sell", qty="4")

    account = venue.account()
    assert (account.cash, account.realized) == (9_440, 40)
    assert (account.positions["AAPL"].qty, account.positions["AAPL"].held_qty) == (6, 0)


# Time in force


@pytest.mark.parametrize(
    ("time_in_force", "qty", "expected", "reason"),
    [
        ("ioc", "4", ["OrderAccepted", "OrderFilled"], None),
        ("ioc", "6", ["OrderAccepted", "OrderFilled", "OrderCanceled"], "ioc remainder"),
        ("fok", "4", ["OrderAccepted", "OrderFilled"], None),
        ("fok", "6", ["OrderAccepted", "OrderCanceled"], "fok quantity not available"),
    ],
)
def test_an_immediate_order_fills_at_once_and_never_rests(
    venue, time_in_force, qty, expected, reason
):
    venue.trade("10", volume=40)

    applied = venue.place(1, qty=qty, time_in_force=time_in_force)

    assert kinds(applied) == expected
    if reason is not None:
        assert applied.events[-1].reason == reason
    assert venue.account().open_orders == {}
    assert venue.account().reserved == 0


@pytest.mark.parametrize("time_in_force", ["ioc", "fok"])
def test_an_immediate_limit_out_of_reach_is_canceled_without_a_fill(venue, time_in_force):
    applied = venue.place(1, limit_price="90", time_in_force=time_in_force)

    assert kinds(applied) == ["OrderAccepted", "OrderCanceled"]
    assert venue.order(1).filled_qty == 0


@pytest.mark.parametrize("time_in_force", ["ioc", "fok"])
def test_an_immediate_order_while_closed_is_accepted_and_canceled(closed_venue, time_in_force):
    applied = closed_venue.place(1, limit_price="90", time_in_force=time_in_force)

    assert kinds(applied) == ["OrderAccepted", "OrderCanceled"]
    assert applied.events[1].reason == f"{time_in_force} order while the exchange is closed"
    assert applied.reply.order.status == "accepted"


# Cash at execution


def test_a_fill_that_the_cash_does_not_cover_is_reduced_and_the_rest_canceled():
    venue = Venue(cash="1040")
    venue.start()
    venue.trade("100", kind="open", volume=0)
    venue.place(1, qty="10")

    applied = venue.trade("150")

    assert kinds(applied) == ["PrintApplied", "OrderFilled", "OrderCanceled"]
    assert (applied.events[1].qty, applied.events[1].price) == (6, 150)
    assert applied.events[2].reason == "insufficient buying power at execution"
    assert (venue.account().cash, venue.account().reserved) == (140, 0)


def test_an_order_that_can_afford_nothing_is_canceled():
    venue = Venue(cash="104")
    venue.start()
    venue.trade("100", kind="open", volume=0)
    venue.place(1, qty="1")

    applied = venue.trade("105")

    assert kinds(applied) == ["PrintApplied", "OrderCanceled"]
    assert venue.account().buying_power() == 104


def test_a_fill_never_spends_what_other_orders_reserve():
    venue = Venue(cash="2040")
    venue.start()
    venue.trade("100", kind="open", volume=0)
    venue.place(1, qty="10")
    venue.place(2, qty="10", limit_price="10", symbol="MSFT")
    venue.place(3, qty="90", limit_price="10", symbol="INTC")

    venue.trade("150")

    assert venue.order(1).filled_qty == 6
    assert venue.account().buying_power() == 140
    assert venue.order(2).status == venue.order(3).status == "new"


def test_a_dear_partial_fill_does_not_leave_the_rest_uncovered():
    venue = Venue(cash="1040")
    venue.start()
    venue.trade("100", kind="open", volume=0)
    venue.place(1, qty="10")

    applied = venue.trade("150", volume=50)

    assert kinds(applied) == ["PrintApplied", "OrderFilled", "OrderCanceled"]
    assert applied.events[1].qty == 5
    assert venue.account().buying_power() == venue.account().cash == 290


def test_a_dear_partial_fill_goes_on_when_the_rest_is_covered():
    venue = Venue(cash="10000")
    venue.start()
    venue.trade("100", kind="open", volume=0)
    venue.place(1, qty="10")

    assert kinds(venue.trade("150", volume=50)) == ["PrintApplied", "OrderFilled"]
    assert venue.account().buying_power() == 10_000 - 750 - 520


# Cancellation


def test_canceling_an_open_order_ends_it_and_frees_its_money(venue):
    venue.place(1, limit_price="90")

    applied = venue.apply(CancelOrder("a", order_id(1), "k"))

    assert (applied.reply, kinds(applied)) == (Done(), ["OrderCanceled"])
    assert venue.order(1).status == "canceled"
    assert venue.account().buying_power() == 10_000


def test_canceling_a_canceled_order_succeeds_and_changes_nothing(venue):
    venue.place(1, limit_price="90")
    venue.apply(CancelOrder("a", order_id(1), "k"))
    before = venue.ledger.to_bytes()

    applied = venue.apply(CancelOrder("a", order_id(1), "k2"))

    assert (applied.reply, applied.events) == (Done(), ())
    assert venue.ledger.to_bytes() == before


def test_a_filled_or_expired_order_is_not_cancelable(venue):
    venue.place(1)
    venue.place(2, limit_price="90")
    venue.end()

    filled = venue.refused(OrderNotCancelable, CancelOrder("a", order_id(1), "k"))
    expired = venue.refused(OrderNotCancelable, CancelOrder("a", order_id(2), "k"))

    assert filled.message == 'order is already in "filled" state'
    assert expired.message == 'order is already in "expired" state'


def test_an_unknown_order_and_one_of_another_account_are_not_found(venue):
    venue.apply(OpenAccount("b", "firm", "PA2", D(10_000)))
    venue.place(1, limit_price="90")

    for command in (CancelOrder("a", order_id(7), "k"), CancelOrder("b", order_id(1), "k")):
        error = venue.refused(NotFound, command)
        assert error.message == f"order not found for {command.order_id}"


def test_canceling_all_ends_every_open_order_of_the_account(venue):
    venue.apply(OpenAccount("b", "firm", "PA2", D(10_000)))
    venue.place(1, limit_price="90")
    venue.place(2, limit_price="80")
    venue.place(3, limit_price="80", account_id="b")

    applied = venue.apply(CancelAllOrders("a", "k"))

    assert applied.reply == OrdersCanceled((order_id(1), order_id(2)))
    assert [event.order_id for event in applied.events] == [order_id(1), order_id(2)]
    assert venue.order(3, "b").status == "new"
    assert venue.apply(CancelAllOrders("a", "k2")).reply == OrdersCanceled(())


# Sessions


def test_the_open_makes_accepted_orders_new(closed_venue):
    closed_venue.place(1, limit_price="90")
    closed_venue.place(2, limit_price="80", time_in_force="gtc")

    assert kinds(closed_venue.start()) == ["SessionStarted", "OrderActivated", "OrderActivated"]
    assert closed_venue.order(1).status == closed_venue.order(2).status == "new"


def test_day_orders_expire_at_the_close_and_others_live_on(venue):
    venue.trade("100", volume=20)
    venue.place(1, qty="5")
    venue.place(2, limit_price="90")
    venue.place(3, limit_price="90", time_in_force="gtc")

    applied = venue.end()

    assert kinds(applied) == ["SessionEnded", "OrderExpired", "OrderExpired"]
    assert [row.order_id for row in applied.rows] == [order_id(1), order_id(2)]
    assert venue.order(1).filled_qty == 2
    assert venue.order(3).status == "new"
    assert venue.account().reserved == 900


def test_a_day_order_after_the_close_lives_to_the_end_of_the_next_session(venue):
    venue.end()
    venue.place(1, limit_price="90")
    venue.start(NEXT_SESSION)
    assert venue.order(1).status == "new"

    assert kinds(venue.end(NEXT_SESSION)) == ["SessionEnded", "OrderExpired"]


def test_a_partially_filled_gtc_order_goes_on_in_the_next_session(venue):
    venue.trade("100", volume=20)
    venue.place(1, qty="5", time_in_force="gtc")
    venue.end()

    assert kinds(venue.start(NEXT_SESSION)) == ["SessionStarted"]
    venue.trade("90", kind="open", session=NEXT_SESSION.date)

    assert venue.order(1).status == "filled"
    assert venue.order(1).filled_cost == 470


def test_a_split_cancels_the_orders_of_its_symbol_and_restates_positions(venue):
    venue.apply(OpenAccount("b", "firm", "PA2", D(10_000)))
    venue.place(1)
    venue.place(2, qty="4", side="sell", limit_price="200", time_in_force="gtc")
    venue.place(3, limit_price="50", time_in_force="gtc", account_id="b")
    venue.place(4, limit_price="50", time_in_force="gtc", symbol="MSFT")
    venue.end()

    applied = venue.start(NEXT_SESSION, [Split("AAPL", NEXT_SESSION.date, 2, 1)])

    assert kinds(applied) == ["SessionStarted", "OrderCanceled", "OrderCanceled", "PositionSplit"]
    assert {event.reason for event in applied.events[1:3]} == {"split"}
    position = venue.account().positions["AAPL"]
    assert (position.qty, position.held_qty, position.average_entry_price()) == (20, 0, 50)
    assert venue.account("b").open_orders == {}
    assert venue.order(4).status == "new"


def test_a_clock_jump_expires_day_orders_and_forgets_prices(venue):
    venue.place(1, limit_price="90")
    venue.place(2, limit_price="90", time_in_force="gtc")

    assert kinds(venue.reset()) == ["MarketReset", "OrderExpired"]

    venue.refused(ComponentUnavailable, venue.command(3))
    assert kinds(venue.place(4, limit_price="90")) == ["OrderAccepted"]
    assert venue.order(2).status == "new"


def test_a_market_command_is_applied_once(venue):
    venue.place(1, limit_price="95")
    traded = Print("AAPL", "low", D(90), 1_000, 9, DAY)
    before = venue.ledger.to_bytes()

    for sequence in (1, venue.market_sequence):
        for command in (
            ApplyPrint(sequence, traded),
            StartSession(sequence, NEXT_SESSION, ()),
            EndSession(sequence, SESSION),
            ResetMarket(sequence),
        ):
            assert venue.apply(command).events == ()

    assert venue.ledger.to_bytes() == before
    assert kinds(venue.apply(ApplyPrint(venue.market_sequence + 7, traded)))[1] == "OrderFilled"


# The component


def test_every_closed_order_has_a_row(venue):
    venue.place(1)
    venue.place(2, limit_price="90")
    venue.place(3, limit_price="90")
    venue.apply(CancelOrder("a", order_id(2), "k"))
    venue.end()

    assert [(row.order_id, row.status) for row in venue.rows] == [
        (order_id(1), "filled"),
        (order_id(2), "canceled"),
        (order_id(3), "expired"),
    ]
    assert msgspec.json.decode(venue.rows[0].document, type=Order) == venue.order(1)


def test_idempotency_keys_name_what_is_done_once(venue):
    key = venue.ledger.idempotency_key

    assert key(venue.command(1)) == "order:c1:a"
    assert key(CancelOrder("a", order_id(1), "k")) == "cancel:k"
    assert key(CancelAllOrders("a", "k")) == "cancel:k"
    assert key(OpenAccount("a", "firm", "PA1", D(1))) == "account:a"
    assert key(ResetMarket(7)) == "market:7"
    assert key(StartSession(8, SESSION, ())) == "market:8"


def test_events_belong_to_their_account_or_to_the_market(venue):
    venue.place(1)
    venue.place(2, limit_price="90")
    venue.apply(CancelOrder("a", order_id(2), "k"))
    venue.end()
    venue.start(NEXT_SESSION, [Split("AAPL", NEXT_SESSION.date, 2, 1)])
    venue.reset()
    market = {"PrintApplied", "SessionStarted", "SessionEnded", "MarketReset"}

    for event in venue.events:
        expected = "market" if type(event).__name__ in market else "a"
        assert venue.ledger.topic(event) == expected


def test_a_repeated_placement_gets_the_order_as_accepted(venue):
    command = venue.command(1)
    applied = venue.apply(command)

    assert venue.ledger.repeat(command, applied.events[0]) == applied.reply
    with pytest.raises(DuplicateClientOrderId, match="client_order_id must be unique"):
        venue.ledger.repeat(venue.command(1, order_id=order_id(9)), applied.events[0])


def test_repeats_of_other_commands_get_their_first_reply(venue):
    for number in (1, 2, 3):
        venue.place(number, limit_price="90")
    one = CancelOrder("a", order_id(2), "k")
    canceled = venue.apply(one)
    venue.now_ns += 1
    every = CancelAllOrders("a", "k2")
    all_canceled = venue.apply(every)

    assert venue.ledger.repeat(one, canceled.events[0]) == Done()
    assert venue.ledger.repeat(every, all_canceled.events[0]) == all_canceled.reply
    assert venue.ledger.repeat(OpenAccount("a", "f", "n", D(1)), venue.events[0]) == Done()
    assert venue.ledger.repeat(ResetMarket(1), venue.events[1]) == Done()


def test_a_forgotten_order_is_not_found_and_its_retry_is_left_to_the_journal(closed_venue):
    venue = closed_venue
    for number in range(1, RECENT_ORDERS_MAX + 2):
        venue.place(number, limit_price="1", qty="1")
        venue.apply(CancelOrder("a", order_id(number), f"k{number}"))

    venue.refused(NotFound, CancelOrder("a", order_id(1), "again"))
    assert venue.apply(CancelOrder("a", order_id(2), "again")).events == ()
    state = msgspec.msgpack.decode(venue.ledger.to_bytes())
    assert len(state["queued"]) == RECENT_ORDERS_MAX
    assert kinds(venue.place(1, limit_price="1", qty="1"))[0] == "OrderAccepted"


def busy_venue():
    venue = Venue(cash="100000")
    venue.apply(OpenAccount("b", "firm", "PA2", D("5000.5")))
    venue.place(1, limit_price="90.55", time_in_force="gtc")
    venue.start()
    venue.trade("100", kind="open", volume=300)
    venue.place(2, qty="45")
    venue.place(3, qty="0.333", account_id="b")
    venue.trade("103.27", volume=170)
    venue.place(4, qty="7", side="sell", limit_price="130", time_in_force="gtc")
    venue.place(5, qty="20", limit_price="80", account_id="b")
    venue.apply(CancelOrder("b", order_id(5), "k"))
    venue.end()
    venue.place(6, limit_price="70", account_id="b", symbol="MSFT")
    venue.start(NEXT_SESSION, [Split("AAPL", NEXT_SESSION.date, 3, 2)])
    venue.trade("66.6", kind="open", session=NEXT_SESSION.date)
    venue.place(7, qty="3", side="sell")
    return venue


def test_replaying_the_journaled_events_gives_the_same_bytes():
    venue = busy_venue()
    replayed = Ledger(LedgerLimits())

    for event in venue.events:
        encoded = msgspec.json.encode(event, order="deterministic")
        replayed.evolve(msgspec.json.decode(encoded, type=Ledger.event_type))

    assert replayed.to_bytes() == venue.ledger.to_bytes()
    assert replayed.digest() == hashlib.sha256(venue.ledger.to_bytes()).hexdigest()


def test_a_restored_snapshot_behaves_like_the_state_it_was_taken_of():
    venue = busy_venue()
    restored = Ledger(LedgerLimits())
    restored.from_bytes(venue.ledger.to_bytes())
    assert restored.to_bytes() == venue.ledger.to_bytes()

    commands = [
        venue.command(6, limit_price="70", account_id="b", symbol="MSFT"),
        venue.command(8, qty="5", limit_price="60"),
        venue.command(9, qty="5", account_id="b"),
        ApplyPrint(99, Print("AAPL", "low", D("59.5"), 5_000, 3_500, NEXT_SESSION.date)),
        CancelAllOrders("b", "k9"),
        EndSession(100, NEXT_SESSION),
    ]
    for command in commands:
        expected = venue.apply(command)
        found = restored.apply(command, venue.now_ns)
        assert found == expected
    assert restored.to_bytes() == venue.ledger.to_bytes()


def test_time_priority_between_accounts_survives_a_snapshot(venue):
    venue.apply(OpenAccount("b", "firm", "PA2", D(10_000)))
    venue.place(1, limit_price="90", account_id="b")
    venue.place(2, limit_price="90")
    venue.place(3, limit_price="90", account_id="b")
    venue.ledger.from_bytes(venue.ledger.to_bytes())

    applied = venue.trade("90")

    filled = [event.order_id for event in applied.events[1:]]
    assert filled == [order_id(1), order_id(2), order_id(3)]


def test_bytes_that_are_no_state_are_refused_and_the_state_is_kept():
    venue = busy_venue()
    before = venue.ledger.to_bytes()

    with pytest.raises(CorruptJournal, match="snapshot is not readable"):
        venue.ledger.from_bytes(before[:-3])

    assert venue.ledger.to_bytes() == before


def test_the_shell_can_encode_every_reply(venue):
    placed = venue.place(1).reply
    found = venue.ledger.query(GetAccount("a"), venue.now_ns)

    for reply in (placed, found, Done(), OrdersCanceled((order_id(1),))):
        encoded = msgspec.msgpack.encode(reply)
        assert msgspec.msgpack.decode(encoded, type=Ledger.reply_type) == reply


@pytest.mark.parametrize("count", [1, 2, 10, 12345])
def test_an_execution_id_is_the_name_based_uuid_of_the_fill(count):
    namespace = uuid.UUID("7d444840-9dc0-11d1-b245-5ffdce74fad2")

    assert execution_id(str(namespace), count) == str(uuid.uuid5(namespace, str(count)))
