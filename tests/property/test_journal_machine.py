"""Any sequence of calls leaves a journal as a plain dictionary would be left."""

from __future__ import annotations

import hashlib
import tempfile
import uuid
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from adapters.database.engine import open_database
from adapters.database.memory_journal import MemoryJournal, MemoryStore
from adapters.database.migration import migrate
from adapters.database.sql_journal import SqlJournal
from tradeplane.errors import CorruptJournal, Fenced
from tradeplane.journal import Journal, Record, Snapshot, Stream
from tradeplane.trading.closed_orders import ClosedOrder
from tradeplane.trading.orders import OrderStatus

SHARDS = st.integers(0, 1)
KEYS = st.lists(st.none() | st.sampled_from("abcdefgh"), min_size=1, max_size=3)


def row(order_id: str) -> ClosedOrder:
    return ClosedOrder(
        "account", order_id, order_id, "AAPL", "buy", OrderStatus.FILLED, 1, 2, 3, b"{}"
    )


class JournalMachine(RuleBasedStateMachine):
    """Two shards of one component, whose actor restarts and whose old copies go on writing."""

    def __init__(self) -> None:
        super().__init__()
        self.epochs = {0: 0, 1: 0}
        self.records: dict[int, list[Record]] = {0: [], 1: []}
        self.snapshots: dict[int, dict[int, Snapshot]] = {0: {}, 1: {}}
        self.rows: set[str] = set()
        self.component = str(uuid.uuid4())
        self.journal = self.open()

    def open(self) -> Journal:
        raise NotImplementedError

    def stream(self, shard: int) -> Stream:
        return Stream(self.component, shard)

    def build(self, shard: int, keys: list[str | None]) -> list[Record]:
        first = len(self.records[shard]) + 1
        return [Record(n, b"%d" % n, key, n) for n, key in enumerate(keys, first)]

    @rule(shard=SHARDS)
    def claim(self, shard: int) -> None:
        self.epochs[shard] += 1
        assert self.journal.claim(self.stream(shard)) == self.epochs[shard]

    @rule(shard=SHARDS, keys=KEYS, order=st.none() | st.sampled_from("uvwxyz"))
    def append(self, shard: int, keys: list[str | None], order: str | None) -> None:
        records = self.build(shard, keys)
        rows = [] if order is None else [row(self.component + order)]
        known = [each.key for each in self.records[shard]]
        given = [key for key in keys if key is not None]
        repeats = len(set(given)) < len(given) or any(key in known for key in given)
        if self.epochs[shard] == 0:
            expected: type[Exception] | None = Fenced
        elif repeats or order in self.rows:
            expected = CorruptJournal
        else:
            expected = None
        if expected is not None:
            with pytest.raises(expected):
                self.journal.append(self.stream(shard), self.epochs[shard], records, rows)
            return
        self.journal.append(self.stream(shard), self.epochs[shard], records, rows)
        self.records[shard] += records
        if order is not None:
            self.rows.add(order)

    @rule(shard=SHARDS, keys=KEYS, skip=st.integers(-3, 3).filter(bool))
    def append_out_of_order(self, shard: int, keys: list[str | None], skip: int) -> None:
        records = [
            Record(each.sequence + skip, each.event, each.key, each.recorded_ns)
            for each in self.build(shard, keys)
        ]
        with pytest.raises((CorruptJournal, Fenced)):
            self.journal.append(self.stream(shard), self.epochs[shard], records)

    @rule(shard=SHARDS, age=st.integers(1, 3), keys=KEYS)
    def append_with_an_old_epoch(self, shard: int, age: int, keys: list[str | None]) -> None:
        epoch = self.epochs[shard] - age
        with pytest.raises(Fenced):
            self.journal.append(self.stream(shard), epoch, self.build(shard, keys), [row("stale")])
        with pytest.raises(Fenced):
            self.journal.save_snapshot(self.stream(shard), epoch, Snapshot(99, b"", ""))
        with pytest.raises(Fenced):
            self.journal.verify(self.stream(shard), epoch)

    @rule(shard=SHARDS, state=st.binary(max_size=8), damaged=st.booleans())
    def save_snapshot(self, shard: int, state: bytes, damaged: bool) -> None:
        if self.epochs[shard] == 0:
            return
        digest = "wrong" if damaged else hashlib.sha256(state).hexdigest()
        snapshot = Snapshot(len(self.records[shard]), state, digest)
        self.journal.save_snapshot(self.stream(shard), self.epochs[shard], snapshot)
        kept = self.snapshots[shard] | {snapshot.sequence: snapshot}
        self.snapshots[shard] = {sequence: kept[sequence] for sequence in sorted(kept)[-2:]}

    @rule()
    def reopen(self) -> None:
        self.journal.close()
        self.journal = self.open()

    @rule(shard=SHARDS, after=st.integers(0, 5))
    def replay(self, shard: int, after: int) -> None:
        expected = self.records[shard][after:]
        assert list(self.journal.replay(self.stream(shard), after)) == expected

    @rule(shard=SHARDS, keys=st.lists(st.sampled_from("abcdefghij")))
    def find(self, shard: int, keys: list[str]) -> None:
        known = {each.key: each for each in self.records[shard]}
        expected = {key: known[key] for key in keys if key in known}
        assert self.journal.find(self.stream(shard), keys) == expected

    @invariant()
    def is_as_the_model(self) -> None:
        for shard, records in self.records.items():
            assert list(self.journal.replay(self.stream(shard), 0)) == records
            if self.epochs[shard]:
                self.journal.verify(self.stream(shard), self.epochs[shard])
            good = [
                each
                for each in self.snapshots[shard].values()
                if hashlib.sha256(each.state).hexdigest() == each.digest
            ]
            newest = max(good, key=lambda each: each.sequence, default=None)
            assert self.journal.newest_snapshot(self.stream(shard)) == newest

    def teardown(self) -> None:
        self.journal.close()


class MemoryMachine(JournalMachine):
    def __init__(self) -> None:
        self.store = MemoryStore()
        super().__init__()

    def open(self) -> Journal:
        return MemoryJournal(self.store)


class SqliteMachine(JournalMachine):
    """All examples share a file, each with a component of its own."""

    url: ClassVar[str]

    def open(self) -> Journal:
        return SqlJournal(open_database(self.url))


TestMemoryJournal = MemoryMachine.TestCase
TestMemoryJournal.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)

TestSqliteJournal = SqliteMachine.TestCase
TestSqliteJournal.settings = settings(
    max_examples=25,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture(scope="module", autouse=True)
def _database() -> object:
    with tempfile.TemporaryDirectory() as folder:
        SqliteMachine.url = f"sqlite:///{Path(folder) / 'tradeplane.db'}"
        engine = open_database(SqliteMachine.url)
        migrate(engine)
        engine.dispose()
        yield
