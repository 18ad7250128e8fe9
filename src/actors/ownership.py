"""Whether this copy of a component is still the one that owns its stream."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tradeplane.clock import Clock
from tradeplane.errors import Fenced
from tradeplane.journal import Journal, Stream

InThread = Callable[..., Awaitable[Any]]


class Ownership:
    """The epoch, and how long ago the database confirmed it.

    A lease that this copy grants ends at most ``verify_ns + lease_ns`` after the last confirmation,
    so a successor that waits that long after its claim outlives every lease of its predecessor.

    Args:
        journal: where epochs are kept.
        stream: the component's stream.
        clock: monotonic time.
        in_thread: runs a journal call on the journal's thread.
        verify_ns: how long a confirmation is trusted.
    """

    def __init__(
        self,
        journal: Journal,
        stream: Stream,
        clock: Clock,
        in_thread: InThread,
        *,
        verify_ns: int,
    ) -> None:
        self.epoch = 0
        self.fenced = False
        self.claimed_ns = 0
        self._journal = journal
        self._stream = stream
        self._clock = clock
        self._in_thread = in_thread
        self._verify_ns = verify_ns
        self._confirmed_ns = 0

    async def claim(self) -> None:
        """Take the stream over from every earlier copy."""
        self.epoch = await self._in_thread(self._journal.claim, self._stream)
        self.claimed_ns = self._clock.monotonic_ns()
        self._confirmed_ns = self.claimed_ns

    def holds(self) -> bool:
        """Return whether the last confirmation is recent enough to grant leases on."""
        age_ns = self._clock.monotonic_ns() - self._confirmed_ns
        return not self.fenced and age_ns <= self._verify_ns

    def confirm(self, asked_ns: int) -> None:
        """Note that the database confirmed the epoch to a question asked at *asked_ns*."""
        self._confirmed_ns = max(self._confirmed_ns, asked_ns)

    async def verify(self) -> None:
        """Ask the database, unless it confirmed the epoch just now.

        Raises:
            Fenced: a newer copy has taken over.
            JournalUnavailable: the database cannot be asked.
        """
        if self.fenced:
            raise Fenced(f"epoch {self.epoch} of {self._stream.component} is over")
        if self.holds():
            return
        asked_ns = self._clock.monotonic_ns()
        try:
            await self._in_thread(self._journal.verify, self._stream, self.epoch)
        except Fenced:
            self.fenced = True
            raise
        self.confirm(asked_ns)
