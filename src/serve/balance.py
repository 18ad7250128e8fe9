"""How many connections each process of a node has, in a page of memory that they share."""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from pathlib import Path

from tradeplane.clock import NS_PER_MS, NS_PER_S, Clock
from tradeplane.errors import Misconfigured

_SLOT = struct.Struct("=QQQ")  # process id, monotonic time of the last beat, open connections
_SLOTS = 128
_SILENT_NS = 500 * NS_PER_MS
_DEAD_NS = 10 * NS_PER_S


class Balance:
    """This process's slot, and the view of the others.

    A process that has not beaten for half a second is left out: it is stopped, dead or too busy,
    and nobody waits for it to take its share.

    Args:
        folder: where the processes of one port meet.
        clock: monotonic time, the same for all processes of a machine.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._clock = clock
        path = folder / "connections"
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if path.stat().st_size < _SLOT.size * _SLOTS:
                file.truncate(_SLOT.size * _SLOTS)
            self._page = mmap.mmap(file.fileno(), _SLOT.size * _SLOTS)
            self._slot = self._free_slot()
            self.beat(0)
            # The mapping keeps the file open, and with it the lock.
            fcntl.flock(file, fcntl.LOCK_UN)

    def _free_slot(self) -> int:
        now_ns = self._clock.monotonic_ns()
        for slot in range(_SLOTS):
            _, beat_ns, _ = _SLOT.unpack_from(self._page, slot * _SLOT.size)
            if beat_ns == 0 or abs(now_ns - beat_ns) > _DEAD_NS:
                return slot
        raise Misconfigured(f"more than {_SLOTS} processes share this port")

    def beat(self, connections: int) -> None:
        """Say that this process is alive and has *connections* open."""
        _SLOT.pack_into(
            self._page,
            self._slot * _SLOT.size,
            os.getpid(),
            self._clock.monotonic_ns(),
            connections,
        )

    def excess(self, connections: int) -> int:
        """Return by how many *connections* exceeds the fewest that another live process has.

        Zero or less means that this process should accept the next connection.
        """
        now_ns = self._clock.monotonic_ns()
        fewest: int | None = None
        for slot in range(_SLOTS):
            if slot == self._slot:
                continue
            _, beat_ns, other = _SLOT.unpack_from(self._page, slot * _SLOT.size)
            if beat_ns and 0 <= now_ns - beat_ns < _SILENT_NS:
                fewest = other if fewest is None else min(fewest, other)
        return 0 if fewest is None else connections - fewest

    def leave(self) -> None:
        """Free the slot. Idempotent."""
        if not self._page.closed:
            _SLOT.pack_into(self._page, self._slot * _SLOT.size, 0, 0, 0)
            self._page.close()
