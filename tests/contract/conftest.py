"""Stores for the contract suites: each can be reopened, as a restarted process would do it."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import pytest
from sqlalchemy import Engine, delete, func, select, update

from adapters.database.engine import open_database
from adapters.database.memory_journal import MemoryJournal
from adapters.database.migration import migrate
from adapters.database.schema import CLOSED_ORDERS, JOURNAL, SNAPSHOTS
from adapters.database.sealed_journal import sealed_journal
from adapters.database.sql_journal import SqlJournal
from adapters.keys.data_keys import DataKeys
from adapters.keys.file_root_key import FileRootKey
from tradeplane.journal import Journal, Snapshot, Stream
from tradeplane.trading.closed_orders import ClosedOrder, closed_order
from tradeplane.trading.orders import Order, OrderStatus


class Store(Protocol):
    """A journal's storage, seen from below."""

    def journal(self) -> Journal: ...

    def lose_record(self, stream: Stream, sequence: int) -> None: ...

    def spoil_snapshot(self, stream: Stream, sequence: int) -> None: ...

    def row_count(self) -> int: ...


class MemoryBackend:
    def __init__(self) -> None:
        self._first = MemoryJournal()

    def journal(self) -> Journal:
        return self._first.reopened()

    def lose_record(self, stream: Stream, sequence: int) -> None:
        del self._first.store.records[stream][sequence - 1]

    def spoil_snapshot(self, stream: Stream, sequence: int) -> None:
        kept = self._first.store.snapshots[stream]
        self._first.store.snapshots[stream] = [
            Snapshot(each.sequence, b"spoilt", each.digest) if each.sequence == sequence else each
            for each in kept
        ]

    def row_count(self) -> int:
        return len(self._first.store.rows)


class SqlBackend:
    def __init__(self, url: str) -> None:
        self._url = url
        self._engines: list[Engine] = []
        self._engine = self._open()
        migrate(self._engine)
        self._rows_before = self._rows()

    def journal(self) -> Journal:
        return SqlJournal(self._open())

    def lose_record(self, stream: Stream, sequence: int) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                delete(JOURNAL).where(
                    JOURNAL.c.component == stream.component,
                    JOURNAL.c.shard == stream.shard,
                    JOURNAL.c.sequence == sequence,
                )
            )

    def spoil_snapshot(self, stream: Stream, sequence: int) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                update(SNAPSHOTS)
                .where(
                    SNAPSHOTS.c.component == stream.component,
                    SNAPSHOTS.c.shard == stream.shard,
                    SNAPSHOTS.c.sequence == sequence,
                )
                .values(state=b"spoilt")
            )

    def row_count(self) -> int:
        return self._rows() - self._rows_before

    def close(self) -> None:
        for engine in self._engines:
            engine.dispose()

    def _rows(self) -> int:
        with self._engine.connect() as connection:
            return connection.execute(select(func.count()).select_from(CLOSED_ORDERS)).scalar_one()

    def _open(self) -> Engine:
        self._engines.append(open_database(self._url))
        return self._engines[-1]


@pytest.fixture(scope="module")
def migrated_postgres_url(new_postgres_database: Callable[[], str]) -> str:
    """The URL of a database with the newest schema, one for each module."""
    url = new_postgres_database()
    engine = open_database(url)
    migrate(engine)
    engine.dispose()
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A migrated database of each kind."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'tradeplane.db'}"
    else:
        url = request.getfixturevalue("migrated_postgres_url")
    engine = open_database(url)
    migrate(engine)
    yield engine
    engine.dispose()


class SealedBackend(SqlBackend):
    def __init__(self, url: str, folder: Path) -> None:
        self._root = FileRootKey.create(folder / "root.key")
        super().__init__(url)

    def journal(self) -> Journal:
        engine = self._open()
        return sealed_journal(SqlJournal(engine), DataKeys(engine, self._root))


@pytest.fixture(params=["memory", "sqlite", "postgresql", "sealed sqlite", "sealed postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """The storage behind every implementation of the journal."""
    if request.param == "memory":
        yield MemoryBackend()
        return
    if request.param.endswith("sqlite"):
        url = f"sqlite:///{tmp_path / 'tradeplane.db'}"
    elif request.param == "sealed postgresql":
        # Each root key needs a database of its own.
        url = request.getfixturevalue("new_postgres_database")()
    else:
        url = request.getfixturevalue("migrated_postgres_url")
    sealed = request.param.startswith("sealed")
    backend = SealedBackend(url, tmp_path) if sealed else SqlBackend(url)
    yield backend
    backend.close()


@pytest.fixture
def stream() -> Stream:
    """A stream of its own for each test: the databases of a module are shared."""
    return Stream(f"ledger-{uuid.uuid4()}", 3)


@pytest.fixture
def make_order() -> Callable[..., Order]:
    """Makes closed orders that differ in their ids and priorities."""
    priorities = itertools.count(1)

    def make(**changes: Any) -> Order:
        priority = next(priorities)
        values: dict[str, Any] = {
            "order_id": str(uuid.uuid4()),
            "account_id": "account",
            "client_order_id": str(uuid.uuid4()),
            "symbol": "AAPL",
            "side": "buy",
            "type": "limit",
            "time_in_force": "day",
            "qty": Decimal("1.000000001"),
            "limit_price": Decimal("100.0001"),
            "reserve_price": Decimal("100.0001"),
            "status": OrderStatus.FILLED,
            "submitted_ns": 1_700_000_000_000_000_000 + priority,
            "updated_ns": 1_700_000_000_000_000_100 + priority,
            "closed_ns": 1_700_000_000_000_000_100 + priority,
            "priority": priority,
            "filled_qty": Decimal("1.000000001"),
            "filled_cost": Decimal("100.0001001000001"),
            "executions": 1,
        }
        return Order(**(values | changes))

    return make


@pytest.fixture
def make_row(make_order: Callable[..., Order]) -> Callable[..., ClosedOrder]:
    """Makes rows of closed orders."""
    return lambda **changes: closed_order(make_order(**changes))
