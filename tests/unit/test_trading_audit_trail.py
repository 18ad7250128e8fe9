"""What the audit log is told about orders: their author, and each thing that became of them."""

from decimal import Decimal

import msgspec

from tradeplane.auth.principal import Origin
from tradeplane.trading.audit_trail import TradingTrail, author
from tradeplane.trading.commands import (
    ApplyPrint,
    CancelAllOrders,
    CancelOrder,
    EndSession,
    OpenAccount,
    PlaceOrder,
    StartSession,
)
from tradeplane.trading.events import LedgerEvent, OrderAccepted, OrderCanceled
from tradeplane.trading.ledger import Ledger, LedgerLimits
from tradeplane.trading.market import Print, Session

DAY = Session("2012-01-03", 1_000, 2_000)
KEY = "key:PKONE"
USER = "user:9d7e"


def order(number: int, qty: str = "10", limit: str | None = None, by: str = KEY) -> PlaceOrder:
    return PlaceOrder(
        account_id="a",
        order_id=f"00000000-0000-4000-8000-{number:012d}",
        client_order_id=f"mine-{number}",
        symbol="AAPL",
        side="buy",
        type="limit" if limit else "market",
        time_in_force="day",
        qty=Decimal(qty),
        limit_price=Decimal(limit) if limit else None,
        by=by,
    )


def history():
    """Return a ledger and its events: one order filled, one canceled by each way, one expired."""
    ledger = Ledger(LedgerLimits())
    events: list[LedgerEvent] = []

    def tell(command, now_ns):
        events.extend(ledger.apply(command, now_ns).events)

    tell(OpenAccount("a", "firm", "PA1", Decimal(100_000)), 500)
    tell(StartSession(1, DAY, ()), 1_000)
    tell(ApplyPrint(2, Print("AAPL", "open", Decimal(100), 1_000, 1_001, DAY.date)), 1_001)
    tell(order(1), 1_100)
    for number in (2, 3, 4):
        tell(order(number, limit="50"), 1_100 + number)
    tell(CancelOrder("a", order(2).order_id, "k1", USER), 1_200)
    tell(EndSession(3, DAY), 2_000)
    tell(order(5, limit="50"), 2_100)
    tell(CancelAllOrders("a", "k2", USER), 2_200)
    return ledger, events


def trail_of(events):
    trail = TradingTrail()
    return [
        entry
        for number, event in enumerate(events)
        for entry in trail.entries(event, 7_000 + number, "ledger/0")
    ]


def test_every_step_of_an_order_leaves_one_record_with_its_author():
    _, events = history()
    seen = [(entry.action, entry.target_id[-1], entry.by.subject_id) for entry in trail_of(events)]
    assert seen == [
        ("account.opened", "a", "venue"),
        ("order.accepted", "1", "PKONE"),
        ("order.filled", "1", "venue"),
        ("order.accepted", "2", "PKONE"),
        ("order.accepted", "3", "PKONE"),
        ("order.accepted", "4", "PKONE"),
        ("order.canceled", "2", "9d7e"),
        ("order.expired", "3", "venue"),
        ("order.expired", "4", "venue"),
        ("order.accepted", "5", "PKONE"),
        ("order.canceled", "5", "9d7e"),
    ]


def test_records_carry_the_firm_the_account_and_wall_time():
    _, events = history()
    for entry in trail_of(events):
        assert entry.tenant_id == "firm"
        assert entry.details["account_id"] == "a"
        assert entry.at_ns >= 7_000


def test_a_trail_that_starts_late_knows_the_firms_it_is_given():
    _, events = history()
    accepted = next(event for event in events if isinstance(event, OrderAccepted))
    (entry,) = TradingTrail({"a": "firm"}).entries(accepted, 1, "ledger/0")
    assert entry.tenant_id == "firm"
    assert entry.details["symbol"] == "AAPL"
    assert "mine-1" not in str(entry), "the caller's own words stay out of the log"


def test_a_cancellation_by_the_venue_names_the_venue():
    trail = TradingTrail({"a": "firm"})
    (entry,) = trail.entries(OrderCanceled("a", "o", "ioc remainder", 5), 1, "ledger/0")
    assert (entry.by, entry.details["why"]) == (Origin("system", "venue"), "ioc remainder")


def test_an_author_that_nobody_knows_is_the_venue():
    assert author("", "firm") == author("robot:1", "firm") == Origin("system", "venue")
    assert author("client:c1", "firm") == Origin("client", "c1", "firm")


def test_the_author_is_in_the_journal_and_not_in_the_state():
    ledger, events = history()
    decode = msgspec.json.Decoder(LedgerEvent).decode
    replayed = Ledger(LedgerLimits())
    for event in events:
        copy = decode(msgspec.json.encode(event))
        assert copy == event
        replayed.evolve(copy)
    assert replayed.to_bytes() == ledger.to_bytes()
    assert b"PKONE" not in ledger.to_bytes()


def test_events_from_before_orders_had_authors_still_replay():
    _, events = history()
    accepted = next(event for event in events if isinstance(event, OrderAccepted))
    document = msgspec.json.decode(msgspec.json.encode(accepted))
    del document["by"]
    old = msgspec.convert(document, LedgerEvent, strict=False)
    assert old == msgspec.structs.replace(accepted, by="")
