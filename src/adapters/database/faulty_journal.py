"""A journal that fails on purpose, for tests of what stands on it."""

from __future__ import annotations

import enum
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from tradeplane.errors import Fenced, JournalUnavailable, OutcomeUnknown, ServiceFailed
from tradeplane.journal import Journal, Record, Snapshot, Stream

T = TypeVar("T")
_SLOW_S = 0.05


class Fault(enum.Enum):
    """What goes wrong with one call."""

    NONE = "none"
    UNAVAILABLE = "unavailable"
    """Refused before anything was written."""
    UNKNOWN_WRITTEN = "unknown, written"
    """The connection broke after the commit."""
    UNKNOWN_NOT_WRITTEN = "unknown, not written"
    """The connection broke before the commit arrived."""
    FENCED = "fenced"
    """A newer copy has taken over."""
    SLOW = "slow"
    """It works, late."""


class FaultyJournal:
    """Passes calls on to *inner*, each with the next of its faults.

    Only an append can end in OutcomeUnknown; of other calls, one that fails after its work is
    reported as JournalUnavailable, as the protocol has it.

    Args:
        inner: the journal that does the work.
        faults: one for each faulty call, in order; when they end, all goes well.
        operations: the methods whose calls take a fault.
        pause: called by a slow call.
    """

    def __init__(
        self,
        inner: Journal,
        faults: Iterable[Fault],
        operations: Sequence[str] = ("append",),
        pause: Callable[[], None] = lambda: time.sleep(_SLOW_S),
    ) -> None:
        self.inner = inner
        self._faults = iter(faults)
        self._operations = frozenset(operations)
        self._pause = pause

    def claim(self, stream: Stream) -> int:
        """Take over *stream*, unless a fault says otherwise."""
        return self._call("claim", lambda: self.inner.claim(stream))

    def verify(self, stream: Stream, epoch: int) -> None:
        """Check *epoch*, unless a fault says otherwise."""
        self._call("verify", lambda: self.inner.verify(stream, epoch))

    def append(
        self, stream: Stream, epoch: int, records: Sequence[Record], rows: Sequence[Any] = ()
    ) -> None:
        """Append, unless a fault says otherwise."""
        self._call(
            "append",
            lambda: self.inner.append(stream, epoch, records, rows),
            unknown=OutcomeUnknown,
        )

    def replay(self, stream: Stream, after: int) -> Iterator[Record]:
        """Replay, unless a fault says otherwise, which it does before the first record."""
        yield from self._call("replay", lambda: self.inner.replay(stream, after))

    def find(self, stream: Stream, keys: Sequence[str]) -> Mapping[str, Record]:
        """Find, unless a fault says otherwise."""
        return self._call("find", lambda: self.inner.find(stream, keys))

    def save_snapshot(self, stream: Stream, epoch: int, snapshot: Snapshot) -> None:
        """Store *snapshot*, unless a fault says otherwise."""
        self._call("save_snapshot", lambda: self.inner.save_snapshot(stream, epoch, snapshot))

    def newest_snapshot(self, stream: Stream) -> Snapshot | None:
        """Return the newest snapshot, unless a fault says otherwise."""
        return self._call("newest_snapshot", lambda: self.inner.newest_snapshot(stream))

    def close(self) -> None:
        """Close *inner*; never fails."""
        self.inner.close()

    def _call(
        self,
        operation: str,
        run: Callable[[], T],
        unknown: type[ServiceFailed] = JournalUnavailable,
    ) -> T:
        fault = Fault.NONE
        if operation in self._operations:
            fault = next(self._faults, Fault.NONE)
        if fault is Fault.UNAVAILABLE:
            raise JournalUnavailable("the database failed on purpose; nothing was written")
        if fault is Fault.FENCED:
            raise Fenced("fenced on purpose; nothing was written")
        if fault is Fault.UNKNOWN_NOT_WRITTEN:
            raise unknown("the commit failed on purpose, and may have taken place")
        if fault is Fault.SLOW:
            self._pause()
        result = run()
        if fault is Fault.UNKNOWN_WRITTEN:
            raise unknown("the commit failed on purpose, and may have taken place")
        return result


def seeded_faults(seed: int, weights: Mapping[Fault, float]) -> Iterator[Fault]:
    """Yield faults without end, each as often as its weight says; the same for the same *seed*."""
    source = random.Random(seed)  # noqa: S311  # repeatable on purpose, and no secret
    faults, shares = list(weights), list(weights.values())
    while True:
        yield source.choices(faults, shares)[0]
