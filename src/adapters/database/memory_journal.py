"""A journal in memory, for tests: as strict as the durable ones, and as fast as a dict."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import PrimaryKeyConstraint, Table, UniqueConstraint

from adapters.database.rows import row_table
from tradeplane.errors import CorruptJournal, Fenced
from tradeplane.journal import Record, Snapshot, Stream

SNAPSHOTS_KEPT = 2


class MemoryStore:
    """What outlives a :class:`MemoryJournal`: the database's part.

    Attributes:
        epochs: the newest epoch of each stream.
        records: each stream's records, in order.
        snapshots: each stream's snapshots, oldest first.
        rows: all component rows in the order of their appends.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.epochs: dict[Stream, int] = {}
        self.records: dict[Stream, list[Record]] = {}
        self.keys: dict[Stream, dict[str, Record]] = {}
        self.snapshots: dict[Stream, list[Snapshot]] = {}
        self.rows: list[Any] = []
        self.row_ids: set[tuple[Any, ...]] = set()


class MemoryJournal:
    """Satisfies :class:`tradeplane.journal.Journal` without a database.

    Args:
        store: an earlier journal's store, to come back after a restart; a new one by default.
    """

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store = store if store is not None else MemoryStore()

    def reopened(self) -> MemoryJournal:
        """Return another journal on the same store, as a restarted process would open it."""
        return MemoryJournal(self.store)

    def claim(self, stream: Stream) -> int:
        """Take over *stream* and return the new epoch."""
        with self.store.lock:
            epoch = self.store.epochs.get(stream, 0) + 1
            self.store.epochs[stream] = epoch
            return epoch

    def verify(self, stream: Stream, epoch: int) -> None:
        """Check that *epoch* is still the newest."""
        with self.store.lock:
            self._check_epoch(stream, epoch)

    def append(
        self, stream: Stream, epoch: int, records: Sequence[Record], rows: Sequence[Any] = ()
    ) -> None:
        """Append *records* and *rows*, all or nothing."""
        store = self.store
        with store.lock:
            self._check_epoch(stream, epoch)
            last = len(store.records.get(stream, ()))
            for expected, record in enumerate(records, last + 1):
                if record.sequence != expected:
                    raise CorruptJournal(
                        f"sequence {record.sequence} does not follow, {expected} would; "
                        "nothing was written"
                    )
            known = store.keys.get(stream, {})
            new_keys = [record.key for record in records if record.key is not None]
            if len(set(new_keys)) != len(new_keys) or any(key in known for key in new_keys):
                raise CorruptJournal("a key exists already; nothing was written")
            row_ids = [row_id for row in rows for row_id in _row_ids(row)]
            if len(set(row_ids)) != len(row_ids) or not store.row_ids.isdisjoint(row_ids):
                raise CorruptJournal("an id exists already; nothing was written")
            store.records.setdefault(stream, []).extend(records)
            stream_keys = store.keys.setdefault(stream, {})
            stream_keys |= {record.key: record for record in records if record.key is not None}
            store.rows.extend(rows)
            store.row_ids.update(row_ids)

    def replay(self, stream: Stream, after: int) -> Iterator[Record]:
        """Yield the records after sequence *after*, in order."""
        with self.store.lock:
            records = self.store.records.get(stream, [])[after:]
        for expected, record in enumerate(records, after + 1):
            if record.sequence != expected:
                raise CorruptJournal(
                    f"the journal of {stream.component}/{stream.shard} has a gap: "
                    f"sequence {expected} is missing before {record.sequence}"
                )
            yield record

    def find(self, stream: Stream, keys: Sequence[str]) -> Mapping[str, Record]:
        """Return the records that carry one of *keys*, by key."""
        with self.store.lock:
            known = self.store.keys.get(stream, {})
            return {key: known[key] for key in keys if key in known}

    def save_snapshot(self, stream: Stream, epoch: int, snapshot: Snapshot) -> None:
        """Store *snapshot* and drop all but the newest two."""
        with self.store.lock:
            self._check_epoch(stream, epoch)
            by_sequence = {kept.sequence: kept for kept in self.store.snapshots.get(stream, [])}
            by_sequence[snapshot.sequence] = snapshot
            ordered = [by_sequence[sequence] for sequence in sorted(by_sequence)]
            self.store.snapshots[stream] = ordered[-SNAPSHOTS_KEPT:]

    def newest_snapshot(self, stream: Stream) -> Snapshot | None:
        """Return the newest snapshot whose digest is right, or None."""
        with self.store.lock:
            kept = list(self.store.snapshots.get(stream, []))
        for snapshot in reversed(kept):
            if hashlib.sha256(snapshot.state).hexdigest() == snapshot.digest:
                return snapshot
        return None

    def close(self) -> None:
        """Do nothing: the store stays."""

    def _check_epoch(self, stream: Stream, epoch: int) -> None:
        newest = self.store.epochs.get(stream, 0)
        if epoch != newest or newest == 0:
            raise Fenced(
                f"epoch {epoch} of {stream.component}/{stream.shard} is not the newest, "
                f"which is {newest}; nothing was written, and this copy must stop"
            )


def _row_ids(row: object) -> Iterator[tuple[Any, ...]]:
    """Yield what must be unique about *row*, as the constraints of its table say."""
    target = row_table(row)
    values = dict(zip(_names(target.table), target.values(row), strict=True))
    for constraint in target.table.constraints:
        if isinstance(constraint, PrimaryKeyConstraint | UniqueConstraint):
            yield (constraint.name, *(values[column.name] for column in constraint.columns))


def _names(table: Table) -> list[str]:
    return [column.name for column in table.columns]
