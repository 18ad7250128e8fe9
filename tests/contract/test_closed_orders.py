"""The reader of the closed orders, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from adapters.database.closed_orders import ORDERS_MAX, ClosedOrders
from adapters.database.engine import open_database
from adapters.database.sql_journal import SqlJournal
from tradeplane.errors import JournalUnavailable
from tradeplane.journal import Stream
from tradeplane.trading.closed_orders import ClosedOrderQuery, closed_order
from tradeplane.trading.orders import Order, OrderStatus


@pytest.fixture
def account_id() -> str:
    return str(uuid.uuid4())


@pytest.fixture
def keep(database: Engine) -> Callable[..., None]:
    """Stores orders the way the ledger does: with the events that closed them."""
    journal = SqlJournal(database)
    stream = Stream(f"ledger-{uuid.uuid4()}")
    epoch = journal.claim(stream)
    return lambda *orders: journal.append(
        stream, epoch, [], [closed_order(each) for each in orders]
    )


def test_an_order_comes_back_as_it_was_by_either_id(database, keep, make_order, account_id):
    order = make_order(account_id=account_id, client_order_id="é 🙂 '%s' ?")
    keep(order, make_order(account_id=account_id))
    reader = ClosedOrders(database)

    assert reader.one(account_id, order_id=order.order_id) == order
    assert reader.one(account_id, client_order_id=order.client_order_id) == order
    found = reader.one(account_id, order_id=order.order_id)
    assert found is not None
    assert str(found.qty) == "1.000000001", "exact, not a float"


def test_what_is_not_the_accounts_own_does_not_exist(database, keep, make_order, account_id):
    order = make_order(account_id="somebody else", client_order_id=str(uuid.uuid4()))
    keep(order)
    reader = ClosedOrders(database)

    assert reader.one(account_id, order_id=order.order_id) is None
    assert reader.one(account_id, client_order_id=order.client_order_id) is None
    assert reader.find(ClosedOrderQuery(account_id)) == []


def test_an_id_that_no_database_can_hold_is_not_there(database, keep, make_order, account_id):
    keep(make_order(account_id=account_id))
    reader = ClosedOrders(database)

    for text in ("a\0b", "\ud800", "x" * 10_000, "' OR 1=1 --"):
        assert reader.one(account_id, order_id=text) is None
        assert reader.one(account_id, client_order_id=text) is None
        assert reader.find(ClosedOrderQuery(account_id, symbols=(text,))) == []


def test_a_query_filters_orders_and_limits(database, keep, make_order, account_id):
    source = random.Random(5)
    orders = [
        make_order(
            account_id=account_id,
            symbol=source.choice(["AAPL", "IBM", "MSFT"]),
            side=source.choice(["buy", "sell"]),
            status=source.choice([OrderStatus.FILLED, OrderStatus.CANCELED]),
            submitted_ns=source.randrange(40, 60),
        )
        for _ in range(120)
    ]
    shuffled = source.sample(orders, len(orders))
    keep(*shuffled)
    reader = ClosedOrders(database)

    def expected(query: ClosedOrderQuery) -> list[Order]:
        found = [
            order
            for order in orders
            if (query.after_ns is None or order.submitted_ns > query.after_ns)
            and (query.until_ns is None or order.submitted_ns < query.until_ns)
            and (not query.symbols or order.symbol in query.symbols)
            and (query.side is None or order.side == query.side)
        ]
        found.sort(
            key=lambda order: (order.submitted_ns, order.priority), reverse=not query.ascending
        )
        return found[: query.limit]

    for query in (
        ClosedOrderQuery(account_id),
        ClosedOrderQuery(account_id, limit=500),
        ClosedOrderQuery(account_id, limit=500, ascending=True),
        ClosedOrderQuery(account_id, after_ns=45, until_ns=55, limit=500),
        ClosedOrderQuery(account_id, after_ns=45, limit=7, ascending=True),
        ClosedOrderQuery(account_id, until_ns=45, limit=7),
        ClosedOrderQuery(account_id, symbols=("IBM", "MSFT"), side="sell", limit=500),
        ClosedOrderQuery(account_id, symbols=("GOOG",)),
        ClosedOrderQuery(account_id, side="buy", limit=1),
    ):
        assert reader.find(query) == expected(query), query


def test_no_query_returns_more_than_the_most(database, keep, make_order, account_id):
    keep(*(make_order(account_id=account_id) for _ in range(ORDERS_MAX + 1)))

    found = ClosedOrders(database).find(ClosedOrderQuery(account_id, limit=10_000))

    assert len(found) == ORDERS_MAX
    assert ClosedOrders(database).find(ClosedOrderQuery(account_id, limit=0)) == []


def test_a_database_that_cannot_be_read_is_unavailable(tmp_path):
    engine = open_database(f"sqlite:///{tmp_path / 'not-migrated.db'}")

    with pytest.raises(JournalUnavailable):
        ClosedOrders(engine).find(ClosedOrderQuery("account"))
    with pytest.raises(JournalUnavailable):
        ClosedOrders(engine).one("account", order_id="order")
    engine.dispose()
