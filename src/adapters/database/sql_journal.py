"""The journal in a relational database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, Table, bindparam, select, text

from adapters.database.bulk_insert import BulkInsert
from adapters.database.rows import row_table
from adapters.database.schema import JOURNAL, SNAPSHOTS
from adapters.database.stored_text import storable
from adapters.database.transaction import reading, writing
from tradeplane.errors import CorruptJournal, Fenced, JournalUnavailable, OutcomeUnknown
from tradeplane.journal import Record, Snapshot, Stream

REPLAY_BATCH = 5_000
"""Records that one query of a replay returns."""

FIND_BATCH = 500
"""Keys that one query looks up."""

SNAPSHOTS_KEPT = 2

log = structlog.get_logger()

_CLAIM = text(
    "INSERT INTO components (component, shard, epoch) VALUES (:component, :shard, 1) "
    "ON CONFLICT (component, shard) DO UPDATE SET epoch = components.epoch + 1 RETURNING epoch"
)
_EPOCH = "SELECT epoch FROM components WHERE component = :component AND shard = :shard"
_EPOCH_AND_LAST = (
    "SELECT epoch, (SELECT max(sequence) FROM journal"
    " WHERE component = :component AND shard = :shard) "
    "FROM components WHERE component = :component AND shard = :shard"
)
_COLUMNS = (JOURNAL.c.sequence, JOURNAL.c.event, JOURNAL.c.key, JOURNAL.c.recorded_ns)
_OF_STREAM = (JOURNAL.c.component == bindparam("component"), JOURNAL.c.shard == bindparam("shard"))
_REPLAY = (
    select(*_COLUMNS)
    .where(*_OF_STREAM, JOURNAL.c.sequence > bindparam("after"))
    .order_by(JOURNAL.c.sequence)
    .limit(REPLAY_BATCH)
)
_FIND = select(*_COLUMNS).where(
    *_OF_STREAM,
    JOURNAL.c.key.is_not(None),  # lets the planner use the partial index
    JOURNAL.c.key.in_(bindparam("keys", expanding=True)),
)
_SAVE_SNAPSHOT = text(
    "INSERT INTO snapshots (component, shard, sequence, epoch, state, digest) "
    "VALUES (:component, :shard, :sequence, :epoch, :state, :digest) "
    "ON CONFLICT (component, shard, sequence) DO UPDATE "
    "SET epoch = excluded.epoch, state = excluded.state, digest = excluded.digest"
)
_DROP_SNAPSHOTS = text(
    "DELETE FROM snapshots WHERE component = :component AND shard = :shard AND sequence NOT IN "
    "(SELECT sequence FROM snapshots WHERE component = :component AND shard = :shard"
    " ORDER BY sequence DESC LIMIT :kept)"
)
_NEWEST_SNAPSHOTS = (
    select(SNAPSHOTS.c.sequence, SNAPSHOTS.c.state, SNAPSHOTS.c.digest)
    .where(SNAPSHOTS.c.component == bindparam("component"), SNAPSHOTS.c.shard == bindparam("shard"))
    .order_by(SNAPSHOTS.c.sequence.desc())
)


class SqlJournal:
    """Satisfies :class:`tradeplane.journal.Journal` on SQLite and PostgreSQL.

    A writer locks its stream's row of ``components`` first, so two writers of one stream take
    turns, and the second sees what the first has left.

    Args:
        engine: a migrated database; closed together with this journal.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # On SQLite a writing transaction holds the only write lock already.
        lock = " FOR NO KEY UPDATE" if engine.dialect.name == "postgresql" else ""
        self._epoch = text(_EPOCH)
        self._epoch_locked = text(_EPOCH + lock)
        self._epoch_and_last_locked = text(_EPOCH_AND_LAST + lock)
        self._inserts: dict[str, BulkInsert] = {}
        self._in_doubt = False

    def claim(self, stream: Stream) -> int:
        """Take over *stream* and return the new epoch; see the protocol."""
        # An epoch that was claimed without anyone knowing harms nobody: the next claim is higher.
        with writing(self._engine, commit_error=JournalUnavailable) as connection:
            epoch = int(connection.execute(_CLAIM, _of(stream)).scalar_one())
        self._in_doubt = False
        return epoch

    def verify(self, stream: Stream, epoch: int) -> None:
        """Check that *epoch* is still the newest; see the protocol."""
        if self._in_doubt:
            # The server may still be busy with the commit whose connection broke. It holds the
            # stream's lock until it is done, so who holds the lock now sees the final outcome.
            with writing(self._engine, commit_error=JournalUnavailable) as connection:
                newest = connection.execute(self._epoch_locked, _of(stream)).scalar()
            self._in_doubt = False
        else:
            with reading(self._engine) as connection:
                newest = connection.execute(self._epoch, _of(stream)).scalar()
        _check_epoch(stream, epoch, newest)

    def append(
        self, stream: Stream, epoch: int, records: Sequence[Record], rows: Sequence[Any] = ()
    ) -> None:
        """Append *records* and *rows*, all or nothing, durable on return; see the protocol."""
        journal_rows = [
            (
                stream.component,
                stream.shard,
                record.sequence,
                epoch,
                record.recorded_ns,
                record.key,
                record.event.decode(),
            )
            for record in records
        ]
        component_rows: dict[str, tuple[Table, list[tuple[Any, ...]]]] = {}
        for row in rows:
            target = row_table(row)
            _, values = component_rows.setdefault(target.table.name, (target.table, []))
            values.append(target.values(row))
        try:
            with writing(self._engine) as connection:
                newest, last = self._epoch_and_last(connection, stream)
                _check_epoch(stream, epoch, newest)
                _check_contiguous(stream, last, records)
                self._insert(connection, JOURNAL, journal_rows)
                for table, values in component_rows.values():
                    self._insert(connection, table, values)
        except OutcomeUnknown:
            self._in_doubt = True
            raise

    def replay(self, stream: Stream, after: int) -> Iterator[Record]:
        """Yield the records after sequence *after*, in order; see the protocol."""
        while True:
            with reading(self._engine) as connection:
                found = connection.execute(_REPLAY, {**_of(stream), "after": after}).all()
            for sequence, event, key, recorded_ns in found:
                if sequence != after + 1:
                    raise CorruptJournal(
                        f"the journal of {_named(stream)} has a gap: sequence {after + 1} "
                        f"is missing before {sequence}; restore it from a backup"
                    )
                after = sequence
                yield Record(sequence, event.encode(), key, recorded_ns)
            if len(found) < REPLAY_BATCH:
                return

    def find(self, stream: Stream, keys: Sequence[str]) -> Mapping[str, Record]:
        """Return the records that carry one of *keys*, by key; see the protocol."""
        wanted = [key for key in dict.fromkeys(keys) if storable(key)]
        records: dict[str, Record] = {}
        for start in range(0, len(wanted), FIND_BATCH):
            chunk = wanted[start : start + FIND_BATCH]
            with reading(self._engine) as connection:
                found = connection.execute(_FIND, {**_of(stream), "keys": chunk}).all()
            for sequence, event, key, recorded_ns in found:
                records[key] = Record(sequence, event.encode(), key, recorded_ns)
        return records

    def save_snapshot(self, stream: Stream, epoch: int, snapshot: Snapshot) -> None:
        """Store *snapshot* and drop all but the newest two; see the protocol."""
        # Whether a commit in doubt took place does not matter: the state it holds is right.
        with writing(self._engine, commit_error=JournalUnavailable) as connection:
            newest = connection.execute(self._epoch_locked, _of(stream)).scalar()
            _check_epoch(stream, epoch, newest)
            connection.execute(
                _SAVE_SNAPSHOT,
                {
                    **_of(stream),
                    "sequence": snapshot.sequence,
                    "epoch": epoch,
                    "state": snapshot.state,
                    "digest": snapshot.digest,
                },
            )
            connection.execute(_DROP_SNAPSHOTS, {**_of(stream), "kept": SNAPSHOTS_KEPT})

    def newest_snapshot(self, stream: Stream) -> Snapshot | None:
        """Return the newest snapshot whose digest is right, or None; see the protocol."""
        with reading(self._engine) as connection:
            found = connection.execute(_NEWEST_SNAPSHOTS, _of(stream)).all()
        for sequence, state, digest in found:
            if hashlib.sha256(state).hexdigest() == digest:
                return Snapshot(sequence, bytes(state), digest)
            log.error("snapshot skipped: its digest is wrong", stream=stream, sequence=sequence)
        return None

    def close(self) -> None:
        """Release every connection. Idempotent."""
        self._engine.dispose()

    def _epoch_and_last(self, connection: Connection, stream: Stream) -> tuple[int | None, int]:
        found = connection.execute(self._epoch_and_last_locked, _of(stream)).one_or_none()
        return (None, 0) if found is None else (found[0], found[1] or 0)

    def _insert(self, connection: Connection, table: Table, rows: list[tuple[Any, ...]]) -> None:
        insert = self._inserts.get(table.name)
        if insert is None:
            insert = self._inserts[table.name] = BulkInsert(table, self._engine.dialect)
        insert.run(connection, rows)


def _of(stream: Stream) -> dict[str, Any]:
    return {"component": stream.component, "shard": stream.shard}


def _named(stream: Stream) -> str:
    return f"{stream.component}/{stream.shard}"


def _check_epoch(stream: Stream, epoch: int, newest: int | None) -> None:
    if epoch != newest:
        raise Fenced(
            f"epoch {epoch} of {_named(stream)} is not the newest, which is {newest or 0}; "
            "nothing was written, and this copy must stop"
        )


def _check_contiguous(stream: Stream, last: int, records: Sequence[Record]) -> None:
    for expected, record in enumerate(records, last + 1):
        if record.sequence != expected:
            raise CorruptJournal(
                f"sequence {record.sequence} does not follow in the journal of {_named(stream)}: "
                f"{expected} would; nothing was written"
            )
