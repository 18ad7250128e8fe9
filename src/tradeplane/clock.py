"""Time as an argument: instants are integers of nanoseconds since the Unix epoch, UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000


class Clock(Protocol):
    """Where a shell gets its time from; the core never asks, it is told."""

    def wall_ns(self) -> int:
        """Return the wall time, nanoseconds since the Unix epoch."""

    def monotonic_ns(self) -> int:
        """Return a time that never goes back, for durations."""


class FakeClock:
    """A clock that a test moves by hand; both times advance together."""

    def __init__(self, wall_ns: int = 1_000_000 * NS_PER_S) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = 0

    def wall_ns(self) -> int:
        """Return the wall time that the test set."""
        return self._wall_ns

    def monotonic_ns(self) -> int:
        """Return the time since this clock was made."""
        return self._monotonic_ns

    def advance(self, duration_ns: int) -> None:
        """Move both times forward by *duration_ns*."""
        self._wall_ns += duration_ns
        self._monotonic_ns += duration_ns


def rfc3339(at_ns: int) -> str:
    """Return the instant as RFC 3339 in UTC with the shortest fraction that is exact."""
    seconds, fraction = divmod(at_ns, NS_PER_S)
    head = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    tail = f".{fraction:09d}".rstrip("0") if fraction else ""
    return f"{head}{tail}Z"
