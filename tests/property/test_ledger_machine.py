"""What holds after every command, whatever the commands were."""

import uuid
from decimal import Decimal

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tradeplane.errors import TradeplaneError, to_wire
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
from tradeplane.trading.events import (
    AccountOpened,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    PositionSplit,
)
from tradeplane.trading.ledger import Ledger, LedgerLimits
from tradeplane.trading.market import Print, Session, Split
from tradeplane.trading.orders import OPEN, TRANSITIONS, OrderStatus
from tradeplane.trading.queries import GetAccount

CASH = {"a": Decimal(500), "b": Decimal("120.5")}
SYMBOLS = ("AAPL", "MSFT")
ACCOUNTS = st.sampled_from(sorted(CASH))
NAMES = st.sampled_from(SYMBOLS)
PRICES = st.decimals(min_value=6, max_value=14, places=1)
QUANTITIES = st.integers(1, 12).map(Decimal) | st.decimals("0.001", 5, places=3)
SESSION_NS = 25


def journaled(event):
    """Return *event* as it comes back from the journal."""
    return msgspec.json.decode(msgspec.json.encode(event), type=Ledger.event_type)


class LedgerMachine(RuleBasedStateMachine):
    """A ledger under test, beside three others that must stay equal to it.

    The twin gets the same commands, the replica the journaled events from the first one on, and
    the restored one was put back from bytes at some moment and has got the commands since then.
    """

    def __init__(self):
        super().__init__()
        self.ledger, self.twin, self.replica, self.restored = (
            Ledger(LedgerLimits(open_orders_max=8)) for _ in range(4)
        )
        self.now_ns = 0
        self.market_sequence = 0
        self.session = None
        self.days = 0
        self.placed = []
        self.events = []
        self.rows = []
        self.before = {}

    # Commands

    def tell(self, command):
        self.now_ns += 1
        before = self.ledger.to_bytes()
        self.before = self.orders()
        try:
            applied = self.ledger.apply(command, self.now_ns)
        except TradeplaneError as refused:
            assert self.ledger.to_bytes() == before, "a refusal changed the state"
            self.check_others_refuse(command, refused)
            return None
        outcome = msgspec.msgpack.encode(applied)
        for other in (self.twin, self.restored):
            assert msgspec.msgpack.encode(other.apply(command, self.now_ns)) == outcome
        if not applied.events:
            assert self.ledger.to_bytes() == before, "the state changed without an event"
        for event in applied.events:
            self.replica.evolve(journaled(event))
        self.events.extend(applied.events)
        self.rows.extend(applied.rows)
        return applied

    def check_others_refuse(self, command, refused):
        for other in (self.twin, self.restored):
            with pytest.raises(type(refused)) as again:
                other.apply(command, self.now_ns)
            assert to_wire(again.value) == to_wire(refused)

    def market(self, command_type, *arguments):
        self.market_sequence += 1
        return self.tell(command_type(self.market_sequence, *arguments))

    @initialize()
    def open_everything(self):
        for name, cash in CASH.items():
            self.tell(OpenAccount(name, "firm", f"PA-{name}", cash))
        self.open_or_close(0, None)
        for symbol in SYMBOLS:
            self.trade(symbol, Decimal(10), 2_000, "open")

    @rule(
        account=ACCOUNTS,
        symbol=NAMES,
        side=st.sampled_from(["buy", "sell"]),
        limit=st.none() | PRICES,
        time_in_force=st.sampled_from(["day", "gtc", "ioc", "fok"]),
        qty=QUANTITIES,
    )
    def place(self, *, account, symbol, side, limit, time_in_force, qty):
        number = len(self.placed) + 1
        self.placed.append(
            PlaceOrder(
                account_id=account,
                order_id=str(uuid.UUID(int=number)),
                client_order_id=f"c{number}",
                symbol=symbol,
                side=side,
                type="market" if limit is None else "limit",
                time_in_force=time_in_force,
                qty=qty,
                limit_price=limit,
            )
        )
        self.tell(self.placed[-1])

    @rule(account=ACCOUNTS, symbol=NAMES, qty=st.integers(1, 9).map(Decimal))
    def buy_at_the_market(self, account, symbol, qty):
        self.place(
            account=account, symbol=symbol, side="buy", limit=None, time_in_force="gtc", qty=qty
        )

    @rule(account=ACCOUNTS, symbol=NAMES, limit=st.none() | PRICES, part=st.integers(1, 3))
    def sell_what_is_free(self, account, symbol, limit, part):
        position = self.account(account).positions.get(symbol)
        if position is not None and position.qty > position.held_qty:
            free = position.qty - position.held_qty
            qty = free if part == 1 else max(free // part, min(free, Decimal("0.25")))
            self.place(
                account=account,
                symbol=symbol,
                side="sell",
                limit=limit,
                time_in_force="gtc",
                qty=qty,
            )

    @rule(index=st.integers(0, 60))
    def retry(self, index):
        """Place an order again: the first reply, and no effect."""
        if not self.placed:
            return
        command = self.placed[index % len(self.placed)]
        accepted = [
            event.order
            for event in self.events
            if isinstance(event, OrderAccepted) and event.order.order_id == command.order_id
        ]
        applied = self.tell(command)
        if accepted:
            assert applied is not None
            assert applied.events == ()
            assert applied.reply.order == accepted[0]

    @rule(account=ACCOUNTS, index=st.integers(0, 60))
    def cancel(self, account, index):
        number = index % (len(self.placed) + 1) + 1
        self.tell(CancelOrder(account, str(uuid.UUID(int=number)), f"k{self.now_ns}"))

    @rule(account=ACCOUNTS)
    def cancel_all(self, account):
        self.tell(CancelAllOrders(account, f"k{self.now_ns}"))
        assert self.account(account).open_orders == {}

    @rule(
        symbol=NAMES,
        price=PRICES,
        volume=st.sampled_from([0, 20, 60, 2_000]),
        kind=st.sampled_from(["open", "high", "low", "close"]),
    )
    def trade(self, symbol, price, volume, kind):
        traded = Print(symbol, kind, price, volume, self.now_ns, str(self.days))
        self.market(ApplyPrint, traded)

    @rule(often=st.integers(0, 2), ratio=st.sampled_from([None, None, (2, 1), (1, 3)]))
    def open_or_close(self, often, ratio):
        if self.session is not None and often:
            return
        if self.session is not None:
            ending, self.session = self.session, None
            self.market(EndSession, ending)
            return
        self.days += 1
        self.session = Session(str(self.days), self.now_ns, self.now_ns + SESSION_NS)
        splits = () if ratio is None else (Split("AAPL", self.session.date, *ratio),)
        self.market(StartSession, self.session, splits)

    @rule(often=st.integers(0, 9))
    def jump(self, often):
        if not often:
            self.session = None
            self.market(ResetMarket)

    @rule(often=st.integers(0, 3))
    def take_a_snapshot(self, often):
        if often:
            return
        self.restored = Ledger(LedgerLimits(open_orders_max=8))
        self.restored.from_bytes(self.ledger.to_bytes())

    @rule()
    def repeat_the_last_market_command(self):
        if self.market_sequence:
            before = self.ledger.to_bytes()
            self.tell(ResetMarket(self.market_sequence))
            assert self.ledger.to_bytes() == before

    # What is compared

    def account(self, name):
        return self.ledger.query(GetAccount(name), self.now_ns).account

    def accounts(self):
        opened = {event.account_id for event in self.events if isinstance(event, AccountOpened)}
        return [self.account(name) for name in sorted(opened)]

    def orders(self):
        """Return every remembered order, as values that do not change later."""
        return {
            order.order_id: msgspec.structs.asdict(order)
            for account in self.accounts()
            for order in (*account.open_orders.values(), *account.recent_orders.values())
        }

    def fills(self, order_id):
        return [
            event
            for event in self.events
            if isinstance(event, OrderFilled) and event.order_id == order_id
        ]

    @invariant()
    def cash_is_what_was_paid_and_received(self):
        for account in self.accounts():
            orders = {**account.open_orders, **account.recent_orders}
            cash = CASH[account.account_id]
            for event in self.events:
                if isinstance(event, OrderFilled) and event.account_id == account.account_id:
                    sign = -1 if orders[event.order_id].side == "buy" else 1
                    cash += sign * event.qty * event.price
            assert account.cash == cash
            assert account.cash >= 0

    @invariant()
    def reservations_are_those_of_the_open_buys_and_leave_no_debt(self):
        for account in self.accounts():
            reserved = sum(
                (order.qty - order.filled_qty) * order.reserve_price
                for order in account.open_orders.values()
                if order.side == "buy"
            )
            assert account.reserved == reserved
            assert account.buying_power() >= 0

    @invariant()
    def held_shares_are_those_of_the_open_sells_and_exist(self):
        for account in self.accounts():
            held = dict.fromkeys(account.positions, 0)
            for order in account.open_orders.values():
                if order.side == "sell":
                    held[order.symbol] += order.qty - order.filled_qty
            for symbol, position in account.positions.items():
                assert position.held_qty == held[symbol] <= position.qty
                assert 0 < position.qty <= position.entry_qty
            assert set(held) == set(account.positions), "a sell without a position"

    @invariant()
    def positions_are_the_sum_of_fills_and_splits(self):
        orders = self.orders()
        held = {}
        for event in self.events:
            if isinstance(event, OrderFilled):
                order = orders[event.order_id]
                key = event.account_id, order["symbol"]
                sign = 1 if order["side"] == "buy" else -1
                held[key] = held.get(key, 0) + sign * event.qty
            elif isinstance(event, PositionSplit):
                key = event.account_id, event.split.symbol
                units = int(held[key] * 10**9)
                restated = units * event.split.numerator // event.split.denominator
                held[key] = Decimal(restated) / 10**9
        found = {
            (account.account_id, symbol): position.qty
            for account in self.accounts()
            for symbol, position in account.positions.items()
        }
        assert found == {key: qty for key, qty in held.items() if qty}

    @invariant()
    def profit_explains_the_cash(self):
        for account in self.accounts():
            cost = sum(p.cost_of(p.qty) for p in account.positions.values())
            difference = account.cash + cost - account.initial_cash - account.realized
            # A cost is rounded to 18 decimals at each partial sale and each increase after one.
            assert abs(difference) <= Decimal("1e-17") * len(self.events)

    @invariant()
    def an_order_is_the_sum_of_its_fills_within_its_limits(self):
        for order_id, order in self.orders().items():
            fills = self.fills(order_id)
            assert order["filled_qty"] == sum(fill.qty for fill in fills) <= order["qty"]
            assert order["filled_cost"] == sum(fill.qty * fill.price for fill in fills)
            assert order["executions"] == len(fills) == len({f.execution_id for f in fills})
            for fill in fills:
                if order["limit_price"] is not None and order["side"] == "buy":
                    assert fill.price <= order["limit_price"]
                if order["limit_price"] is not None and order["side"] == "sell":
                    assert fill.price >= order["limit_price"]

    @invariant()
    def an_order_only_goes_forward(self):
        now = self.orders()
        for order_id, before in self.before.items():
            after = now[order_id]
            if before["status"] not in OPEN:
                assert after == before, "a terminal status absorbs"
            assert after["filled_qty"] >= before["filled_qty"]
            assert after["updated_ns"] >= before["updated_ns"]
            assert after["status"] in reachable(before["status"])

    @invariant()
    def an_order_ends_once_and_has_one_row(self):
        ended = [
            event.order_id
            for event in self.events
            if isinstance(event, OrderCanceled | OrderExpired)
        ]
        closed = {
            order_id: order for order_id, order in self.orders().items() if order["closed_ns"]
        }
        filled = [key for key, order in closed.items() if order["status"] is OrderStatus.FILLED]
        assert sorted(ended + filled) == sorted(closed) == sorted(row.order_id for row in self.rows)
        assert all(
            (order["status"] in OPEN) == (key not in closed) for key, order in self.orders().items()
        )

    @invariant()
    def no_account_takes_more_of_a_print_than_its_part(self):
        taken = {}
        volumes = {}
        for event in self.events:
            if isinstance(event, OrderFilled):
                key = event.account_id, event.market_sequence
                taken[key] = taken.get(key, 0) + event.qty
            elif hasattr(event, "print"):
                volumes[event.market_sequence] = event.print.volume
        for (_, market_sequence), qty in taken.items():
            assert qty <= volumes[market_sequence] // 10

    @invariant()
    def no_account_has_orders_that_could_trade_with_each_other(self):
        for account in self.accounts():
            orders = account.open_orders.values()
            for symbol in SYMBOLS:
                bids = [o.limit_price for o in orders if (o.symbol, o.side) == (symbol, "buy")]
                asks = [o.limit_price for o in orders if (o.symbol, o.side) == (symbol, "sell")]
                if bids and asks:
                    assert None not in bids + asks
                    assert max(bids) < min(asks)

    @invariant()
    def every_way_to_the_state_gives_the_same_bytes(self):
        state = self.ledger.to_bytes()
        assert self.replica.to_bytes() == state, "replay from the first event"
        assert self.restored.to_bytes() == state, "snapshot"
        assert self.twin.digest() == self.ledger.digest(), "the same commands"
        again = Ledger(LedgerLimits())
        again.from_bytes(state)
        assert again.to_bytes() == state, "bytes there and back"

    @invariant()
    def each_account_version_counts_its_events(self):
        for account in self.accounts():
            count = sum(
                getattr(event, "account_id", None) == account.account_id for event in self.events
            )
            assert account.version == count


def reachable(status):
    """Return *status* and everything that can follow it, over any number of steps."""
    found = {status}
    frontier = [status]
    while frontier:
        for follower in TRANSITIONS[frontier.pop()]:
            if follower not in found:
                found.add(follower)
                frontier.append(follower)
    return found


LedgerMachine.TestCase.settings = settings(max_examples=250, stateful_step_count=50, deadline=None)
TestLedgerInvariants = LedgerMachine.TestCase
