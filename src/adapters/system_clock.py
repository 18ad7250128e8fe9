"""The machine's clock."""

from __future__ import annotations

import time


class SystemClock:
    """Wall time and monotonic time of this machine; satisfies :class:`tradeplane.clock.Clock`."""

    def wall_ns(self) -> int:
        """Return the wall time, nanoseconds since the Unix epoch."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return a time that goes on while a process is stopped, and never goes back."""
        return time.monotonic_ns()
