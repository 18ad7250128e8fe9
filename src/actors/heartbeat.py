"""When a component was last known to be alive, across crashes of the whole system."""

from __future__ import annotations

import hashlib

from actors.ownership import InThread
from tradeplane.clock import Clock
from tradeplane.errors import Fenced, JournalUnavailable
from tradeplane.journal import Journal, Snapshot, Stream

_SEQUENCE = 1
_BYTES = 8


class Heartbeat:
    """A stream of its own beside the component's, with one snapshot: the time of the last beat.

    Args:
        journal: where the component's journal is.
        of: the component's stream.
        clock: wall time.
        in_thread: runs a journal call on the journal's thread.
    """

    def __init__(self, journal: Journal, of: Stream, clock: Clock, in_thread: InThread) -> None:
        self._journal = journal
        self._stream = Stream(f"{of.component}-heartbeat", of.shard)
        self._clock = clock
        self._in_thread = in_thread
        self._epoch = 0

    async def start(self) -> int | None:
        """Take over; return the wall time of the last beat in nanoseconds, None before the first.

        Raises:
            JournalUnavailable: the database cannot be reached.
        """
        self._epoch = await self._in_thread(self._journal.claim, self._stream)
        last = await self._in_thread(self._journal.newest_snapshot, self._stream)
        return None if last is None else int.from_bytes(last.state, "big")

    async def beat(self) -> None:
        """Note that the component is alive now; a beat that cannot be noted is left out."""
        state = self._clock.wall_ns().to_bytes(_BYTES, "big")
        snapshot = Snapshot(_SEQUENCE, state, hashlib.sha256(state).hexdigest())
        try:
            await self._in_thread(self._journal.save_snapshot, self._stream, self._epoch, snapshot)
        except (JournalUnavailable, Fenced):
            return
