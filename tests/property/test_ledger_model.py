"""The ledger against a naive model: fractions, full scans, no index, no event, no shared code."""

import random
import uuid
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradeplane.errors import TradeplaneError
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
from tradeplane.trading.ledger import Ledger, LedgerLimits
from tradeplane.trading.market import Print, Session, Split
from tradeplane.trading.queries import GetAccount

F = Fraction
CASH = {"a": "400", "b": "150.25"}
SYMBOLS = ("AAPL", "MSFT")
LIMITS = LedgerLimits(open_orders_max=6)


class Refused(Exception):
    pass


class Model:
    """Every answer is computed from the whole history of orders and fills, each time anew."""

    def __init__(self):
        self.cash = {name: F(cash) for name, cash in CASH.items()}
        self.realized = dict.fromkeys(CASH, F(0))
        self.positions = {}
        self.orders = []
        self.fills = []
        self.prints = []
        self.session = None
        self.now = 0

    # What is derived

    def open_orders(self, account, symbol=None, side=None):
        return [
            order
            for order in self.orders
            if order["closed"] is None
            and order["account"] == account
            and symbol in {None, order["symbol"]}
            and side in {None, order["side"]}
        ]

    def reserved(self, account):
        return sum(
            (
                (o["qty"] - o["filled"]) * o["reserve"]
                for o in self.open_orders(account, side="buy")
            ),
            F(0),
        )

    def held(self, account, symbol):
        return sum(
            (o["qty"] - o["filled"] for o in self.open_orders(account, symbol, "sell")), F(0)
        )

    def buying_power(self, account):
        return self.cash[account] - self.reserved(account)

    def last(self, symbol):
        found = [traded for traded in self.prints if traded["symbol"] == symbol]
        return found[-1] if found else None

    def capacity(self, account, traded):
        used = sum(
            (f["qty"] for f in self.fills if f["account"] == account and f["print"] is traded), F(0)
        )
        cap = traded["volume"] // 10
        return max(F(0), F((cap - used).__floor__()))

    # Placing

    def place(self, order):
        for other in self.orders:
            if (other["account"], other["client"]) == (order["account"], order["client"]):
                if other["id"] == order["id"]:
                    return
                raise Refused("DuplicateClientOrderId")
        if len(self.open_orders(order["account"])) >= LIMITS.open_orders_max:
            raise Refused("LimitReached")
        if any(self.crosses(order, other) for other in self.open_orders(order["account"])):
            raise Refused("WashTrade")
        order["reserve"] = self.check_funds(order)
        live = self.session is not None and self.now < self.session["close"]
        order.update(
            status="pending_new" if live else "accepted",
            filled=F(0),
            cost=F(0),
            closed=None,
            submitted=self.now,
        )
        self.orders.append(order)
        if live:
            self.arrive(order)
        if order["closed"] is None and order["tif"] in {"ioc", "fok"}:
            self.finish(order, "canceled")
        if order["status"] == "pending_new":
            order["status"] = "new"

    @staticmethod
    def crosses(one, other):
        if one["symbol"] != other["symbol"] or one["side"] == other["side"]:
            return False
        buy, sell = (one, other) if one["side"] == "buy" else (other, one)
        return buy["limit"] is None or sell["limit"] is None or buy["limit"] >= sell["limit"]

    def check_funds(self, order):
        account, symbol = order["account"], order["symbol"]
        if order["side"] == "sell":
            existing = self.positions.get((account, symbol), {"qty": F(0)})["qty"]
            if order["qty"] > existing - self.held(account, symbol):
                raise Refused("InsufficientQuantity")
            return F(0)
        reserve = order["limit"]
        if reserve is None:
            last = self.last(symbol)
            if last is None:
                raise Refused("ComponentUnavailable")
            reserve = F((last["price"] * F("1.04") * 10_000).__ceil__(), 10_000)
        if order["qty"] * reserve > self.buying_power(account):
            raise Refused("InsufficientBuyingPower")
        return reserve

    def arrive(self, order):
        last = self.last(order["symbol"])
        if last is None or last["session"] != self.session["date"]:
            return
        if not self.allows(order, last["price"]):
            return
        if order["tif"] == "fok" and self.capacity(order["account"], last) < order["qty"]:
            return
        self.execute(order, last, last["price"])

    @staticmethod
    def allows(order, price):
        if order["limit"] is None:
            return True
        return price <= order["limit"] if order["side"] == "buy" else price >= order["limit"]

    def execute(self, order, traded, price):
        account = order["account"]
        rest = order["qty"] - order["filled"]
        wanted = min(rest, self.capacity(account, traded))
        if wanted <= 0:
            return
        qty = wanted
        if order["side"] == "buy":
            others = self.reserved(account) - rest * order["reserve"]
            money = self.cash[account] - others
            if wanted * price > money:
                qty = F((money / price).__floor__())
        if qty > 0:
            self.fill(order, traded, qty, price)
        short = qty < wanted or self.buying_power(account) < 0
        if order["closed"] is None and order["side"] == "buy" and short:
            self.finish(order, "canceled")

    def fill(self, order, traded, qty, price):
        account, key = order["account"], (order["account"], order["symbol"])
        self.fills.append({"account": account, "print": traded, "qty": qty})
        order["filled"] += qty
        order["cost"] += qty * price
        order["status"] = "partially_filled"
        if order["filled"] == order["qty"]:
            self.finish(order, "filled")
        if order["side"] == "buy":
            old = self.positions.get(key, {"qty": F(0), "base": F(1), "cost": F(0)})
            cost = self.share(old, old["qty"]) + qty * price
            held = old["qty"] + qty
            self.positions[key] = {"qty": held, "base": held, "cost": cost}
            self.cash[account] -= qty * price
            return
        position = self.positions[key]
        self.realized[account] += qty * price - self.share(position, qty)
        self.cash[account] += qty * price
        position["qty"] -= qty
        if position["qty"] == 0:
            del self.positions[key]

    @staticmethod
    def share(position, qty):
        """Return the cost of *qty* of the position, to 18 decimals, half to even."""
        if qty == position["base"]:
            return position["cost"]
        return F(round(position["cost"] * qty / position["base"] * 10**18), 10**18)

    def finish(self, order, status):
        order["status"] = status
        order["closed"] = self.now

    # The rest of the commands

    def cancel(self, account, order_id):
        found = [o for o in self.orders if (o["account"], o["id"]) == (account, order_id)]
        if not found:
            raise Refused("NotFound")
        if found[0]["closed"] is None:
            self.finish(found[0], "canceled")
        elif found[0]["status"] != "canceled":
            raise Refused("OrderNotCancelable")

    def cancel_all(self, account):
        for order in self.open_orders(account):
            self.finish(order, "canceled")

    def trade(self, traded):
        before = self.last(traded["symbol"])
        self.prints.append(traded)
        if self.session is None or self.session["date"] != traded["session"]:
            return
        for order in self.orders:
            resting = order["closed"] is None and order["status"] != "accepted"
            if not resting or order["symbol"] != traded["symbol"]:
                continue
            if not self.allows(order, traded["price"]):
                continue
            price = traded["price"]
            if order["limit"] is not None and traded["kind"] != "open":
                known = before is not None and before["session"] == traded["session"]
                if not (known and self.allows(order, before["price"])):
                    price = order["limit"]
            self.execute(order, traded, price)

    def start(self, session, splits):
        self.session = session
        for symbol, numerator, denominator in splits:
            for order in self.orders:
                if order["closed"] is None and order["symbol"] == symbol:
                    self.finish(order, "canceled")
            for account in CASH:
                self.split(account, symbol, F(numerator, denominator))
        for order in self.orders:
            if order["status"] == "accepted":
                order["status"] = "new"

    def split(self, account, symbol, ratio):
        position = self.positions.get((account, symbol))
        if position is None:
            return
        cost = self.share(position, position["qty"])
        exact = {name: position[name] * ratio for name in ("qty", "base")}
        floor = {name: F((qty * 10**9).__floor__(), 10**9) for name, qty in exact.items()}
        if floor["qty"] == 0:
            self.realized[account] -= cost
            del self.positions[account, symbol]
        elif floor["qty"] / floor["base"] == exact["qty"] / exact["base"]:
            position.update(floor)
        else:
            position.update(qty=floor["qty"], base=floor["qty"], cost=cost)

    def end(self):
        self.expire(self.session["close"])
        self.session = None

    def reset(self):
        self.session = None
        self.prints = []
        self.expire(None)

    def expire(self, before):
        for order in self.orders:
            due = before is None or order["submitted"] < before
            if order["closed"] is None and order["tif"] == "day" and due:
                self.finish(order, "expired")


def tables_of_model(model):
    return {
        name: {
            "cash": model.cash[name],
            "reserved": model.reserved(name),
            "realized": model.realized[name],
            "positions": {
                symbol: (p["qty"], model.held(name, symbol), p["base"], p["cost"])
                for (owner, symbol), p in model.positions.items()
                if owner == name
            },
            "orders": {
                o["id"]: (o["status"], o["filled"], o["cost"], o["reserve"], o["closed"])
                for o in model.orders
                if o["account"] == name
            },
        }
        for name in CASH
    }


def tables_of_ledger(ledger):
    tables = {}
    for name in CASH:
        account = ledger.query(GetAccount(name), 0).account
        orders = {**account.open_orders, **account.recent_orders}
        tables[name] = {
            "cash": F(account.cash),
            "reserved": F(account.reserved),
            "realized": F(account.realized),
            "positions": {
                symbol: (F(p.qty), F(p.held_qty), F(p.entry_qty), F(p.entry_cost))
                for symbol, p in account.positions.items()
            },
            "orders": {
                o.order_id: (
                    str(o.status),
                    F(o.filled_qty),
                    F(o.filled_cost),
                    F(o.reserve_price),
                    o.closed_ns,
                )
                for o in orders.values()
            },
        }
    return tables


PRICES = st.sampled_from(["8", "9.5", "9.9999", "10", "10.01", "11", "12.5", "20"])
ACCOUNTS = st.sampled_from(sorted(CASH))
NAMES = st.sampled_from(SYMBOLS)
PLACE = st.fixed_dictionaries(
    {
        "account": ACCOUNTS,
        "symbol": NAMES,
        "side": st.sampled_from(["buy", "buy", "sell"]),
        "limit": st.none() | PRICES,
        "tif": st.sampled_from(["day", "day", "gtc", "gtc", "ioc", "fok"]),
        "qty": st.sampled_from(["1", "2", "3", "5", "8", "13", "0.5", "2.000000001"]),
    }
)
STEPS = st.one_of(
    st.tuples(st.just("place"), PLACE),
    st.tuples(st.just("place"), PLACE),
    st.tuples(st.just("again"), st.integers(0, 40), st.booleans()),
    st.tuples(st.just("cancel"), ACCOUNTS, st.integers(0, 40)),
    st.tuples(st.just("cancel_all"), ACCOUNTS),
    st.tuples(
        st.just("trade"),
        NAMES,
        PRICES,
        st.sampled_from([0, 15, 40, 90, 5_000]),
        st.sampled_from(["open", "high", "low", "close"]),
    ),
    st.tuples(
        st.just("trade"), NAMES, PRICES, st.sampled_from([20, 5_000]), st.sampled_from(["low"])
    ),
    st.tuples(st.just("session"), st.sampled_from([None, (2, 1), (1, 3), (3, 2)])),
    st.tuples(st.just("reset")),
)


class Pair:
    """Gives each step to both, and compares what they say."""

    def __init__(self, session_ns):
        self.session_ns = session_ns
        self.ledger = Ledger(LIMITS)
        self.model = Model()
        self.events = []
        self.placed = []
        self.market_sequence = 0
        self.date = 0
        self.now = 0
        for name, cash in CASH.items():
            opening = OpenAccount(name, "firm", name, Decimal(cash))
            self.events.extend(self.ledger.apply(opening, self.now).events)

    def tell(self, command, on_model):
        self.now += 1
        self.model.now = self.now
        before = self.ledger.to_bytes()
        expected = outcome = None
        try:
            on_model()
        except Refused as refused:
            expected = str(refused)
        try:
            applied = self.ledger.apply(command, self.now)
        except TradeplaneError as refused:
            outcome = type(refused).__name__
            assert self.ledger.to_bytes() == before
        else:
            self.events.extend(applied.events)
        assert outcome == expected
        assert tables_of_ledger(self.ledger) == tables_of_model(self.model)

    def market(self, command_type, *arguments):
        self.market_sequence += 1
        return command_type(self.market_sequence, *arguments)

    def place(self, fields, number=None, client=None):
        number = number or len(self.placed) + 1
        client = client or f"c{number}"
        order = {
            **fields,
            "id": str(uuid.UUID(int=number)),
            "client": client,
            "qty": F(fields["qty"]),
            "limit": None if fields["limit"] is None else F(fields["limit"]),
        }
        command = PlaceOrder(
            account_id=fields["account"],
            order_id=order["id"],
            client_order_id=order["client"],
            symbol=fields["symbol"],
            side=fields["side"],
            type="market" if fields["limit"] is None else "limit",
            time_in_force=fields["tif"],
            qty=Decimal(fields["qty"]),
            limit_price=None if fields["limit"] is None else Decimal(fields["limit"]),
        )
        if number > len(self.placed):
            self.placed.append((fields, client))
        self.tell(command, lambda: self.model.place(order))

    def again(self, index, is_retry):
        """Place an order with a client_order_id that was used before, if there is one."""
        if self.placed:
            known = index % len(self.placed)
            fields, client = self.placed[known]
            self.place(fields, known + 1 if is_retry else None, client)

    def cancel(self, account, index):
        order_id = str(uuid.UUID(int=index % (len(self.placed) + 1) + 1))
        command = CancelOrder(account, order_id, f"k{self.now}")
        self.tell(command, lambda: self.model.cancel(account, order_id))

    def cancel_all(self, account):
        command = CancelAllOrders(account, f"k{self.now}")
        self.tell(command, lambda: self.model.cancel_all(account))

    def trade(self, symbol, price, volume, kind):
        date = str(self.date)
        traded = Print(symbol, kind, Decimal(price), volume, self.now, date)
        fields = {
            "symbol": symbol,
            "price": F(price),
            "volume": volume,
            "kind": kind,
            "session": date,
        }
        command = self.market(ApplyPrint, traded)
        self.tell(command, lambda: self.model.trade(fields))

    def session(self, ratio):
        """End the open session, or start the next one with a split of AAPL."""
        if self.model.session is not None:
            ending = self.model.session
            session = Session(ending["date"], ending["open"], ending["close"])
            self.tell(self.market(EndSession, session), self.model.end)
            return
        self.date += 1
        session = Session(str(self.date), self.now, self.now + self.session_ns)
        fields = {"date": session.date, "open": session.open_ns, "close": session.close_ns}
        splits = () if ratio is None else (Split("AAPL", session.date, *ratio),)
        triples = [(split.symbol, split.numerator, split.denominator) for split in splits]
        command = self.market(StartSession, session, splits)
        self.tell(command, lambda: self.model.start(fields, triples))

    def reset(self):
        self.tell(self.market(ResetMarket), self.model.reset)


def run(steps, snapshot_at, session_ns):
    """Give *steps* to ledger and model, then rebuild the ledger from its events."""
    pair = Pair(session_ns)
    pair.session(None)
    for symbol in SYMBOLS:
        pair.trade(symbol, "10", 5_000, "open")
    snapshot = (0, Ledger(LIMITS).to_bytes())
    for count, (name, *arguments) in enumerate(steps):
        getattr(pair, name)(*arguments)
        if count == snapshot_at:
            snapshot = (len(pair.events), pair.ledger.to_bytes())

    replayed, resumed = Ledger(LIMITS), Ledger(LIMITS)
    resumed.from_bytes(snapshot[1])
    for count, event in enumerate(pair.events):
        journaled = msgspec.json.decode(msgspec.json.encode(event), type=Ledger.event_type)
        replayed.evolve(journaled)
        if count >= snapshot[0]:
            resumed.evolve(journaled)

    assert replayed.to_bytes() == pair.ledger.to_bytes()
    assert resumed.to_bytes() == pair.ledger.to_bytes()
    return pair


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, min_size=10, max_size=60), st.integers(0, 60))
def test_the_ledger_agrees_with_the_naive_model_after_every_command(steps, snapshot_at):
    run(steps, snapshot_at, session_ns=12)


def trading_day(chance):
    """Return the steps of a busy day: mostly orders and prints near each other."""
    price = [Decimal(10)]

    def near():
        return str(price[0] + Decimal(chance.randint(-15, 15)) / 10)

    def place():
        fields = {
            "account": chance.choice(sorted(CASH)),
            "symbol": chance.choice(SYMBOLS),
            "side": chance.choice(["buy", "buy", "sell"]),
            "limit": chance.choice([None, near(), near()]),
            "tif": chance.choice(["day", "day", "gtc", "gtc", "ioc", "fok"]),
            "qty": chance.choice(["1", "2", "3", "5", "8", "0.5", "2.000000001"]),
        }
        return "place", fields

    def trade():
        price[0] = min(
            max(price[0] + Decimal(chance.randint(-25, 25)) / 10, Decimal(4)), Decimal(20)
        )
        kind = chance.choice(["open", "high", "low", "close"])
        return "trade", chance.choice(SYMBOLS), str(price[0]), chance.choice([0, 15, 40, 90]), kind

    def session():
        return "session", chance.choice([None, None, (2, 1), (1, 3), (3, 2)])

    def cancel():
        return "cancel", chance.choice(sorted(CASH)), chance.randint(0, 300)

    makers = [place, trade, session, cancel]
    steps = [maker() for maker in chance.choices(makers, weights=[60, 36, 4, 6], k=150)]
    rare = [
        ("again", chance.randint(0, 100), True),
        ("again", chance.randint(0, 100), False),
        ("cancel_all", chance.choice(sorted(CASH))),
        ("reset",),
    ]
    for step in rare:
        steps.insert(chance.randint(0, len(steps)), step)
    return steps


@pytest.mark.parametrize("seed", range(40))
def test_the_ledger_agrees_with_the_naive_model_over_a_busy_day(seed):
    run(trading_day(random.Random(seed)), snapshot_at=75, session_ns=30)


def test_the_busy_days_are_busy():
    happened = Counter()
    for seed in range(10):
        pair = run(trading_day(random.Random(seed)), snapshot_at=75, session_ns=30)
        happened.update(type(event).__name__ for event in pair.events)
        happened.update(event.reason for event in pair.events if hasattr(event, "reason"))

    assert happened["OrderFilled"] > 100
    assert {
        "OrderActivated",
        "OrderExpired",
        "PositionSplit",
        "split",
        "ioc remainder",
        "fok quantity not available",
        "insufficient buying power at execution",
    } <= set(happened)
