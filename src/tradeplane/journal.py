"""The journal: the durable, fenced, append-only truth of every stateful component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec


class Stream(msgspec.Struct, frozen=True):
    """One sequence of events: a component's shard.

    Attributes:
        component: the component's name, such as ``ledger``.
        shard: its shard number, from 0.
    """

    component: str
    shard: int = 0


class Record(msgspec.Struct, frozen=True):
    """One event of a stream.

    Attributes:
        sequence: from 1, without gaps within a stream.
        event: the event as JSON.
        key: the idempotency key of the command, on its first event; unique in the stream.
        recorded_ns: wall time of the append, nanoseconds since the Unix epoch.
    """

    sequence: int
    event: bytes
    key: str | None
    recorded_ns: int


class Snapshot(msgspec.Struct, frozen=True):
    """A component's whole state after the event *sequence*.

    Attributes:
        sequence: the last event that the state contains.
        state: the component's ``to_bytes()``.
        digest: SHA-256 of *state*, hex; checked on load.
    """

    sequence: int
    state: bytes
    digest: str


class Journal(Protocol):
    """Storage of streams. Synchronous; one instance is used from one thread at a time.

    Every implementation MUST pass ``tests/contract/test_journal.py``.
    """

    def claim(self, stream: Stream) -> int:
        """Take over *stream* and return the new epoch, one above the last.

        From the moment this returns, an append with an older epoch MUST fail.

        Raises:
            JournalUnavailable: the database cannot be reached or written.
        """

    def verify(self, stream: Stream, epoch: int) -> None:
        """Check that *epoch* is still the newest.

        Raises:
            Fenced: a newer epoch was claimed.
            JournalUnavailable: the database cannot be asked.
        """

    def append(
        self, stream: Stream, epoch: int, records: Sequence[Record], rows: Sequence[Any] = ()
    ) -> None:
        """Append *records* and the component's *rows*, all or nothing, durable on return.

        Raises:
            Fenced: *epoch* is not the newest; nothing was written.
            JournalUnavailable: nothing was written.
            OutcomeUnknown: the connection broke during the commit; reload to find out.
            CorruptJournal: a sequence or a key exists already; nothing was written.
        """

    def replay(self, stream: Stream, after: int) -> Iterator[Record]:
        """Yield the records after sequence *after*, in order, in bounded batches.

        Raises:
            CorruptJournal: the sequence has a gap.
            JournalUnavailable: the database cannot be read.
        """

    def find(self, stream: Stream, keys: Sequence[str]) -> Mapping[str, Record]:
        """Return the records that carry one of *keys*, by key."""

    def save_snapshot(self, stream: Stream, epoch: int, snapshot: Snapshot) -> None:
        """Store *snapshot* and drop all but the newest two.

        Raises:
            Fenced: *epoch* is not the newest; nothing was written.
            JournalUnavailable: nothing was written.
        """

    def newest_snapshot(self, stream: Stream) -> Snapshot | None:
        """Return the newest snapshot whose digest is right, or None.

        A snapshot with a wrong digest is skipped: replay from an older one reaches the same state.
        """

    def close(self) -> None:
        """Release every connection. Idempotent."""
