"""How many requests a key or an address may make: fixed windows of a minute of the wall clock."""

from __future__ import annotations

from typing import Protocol

import msgspec

from tradeplane.clock import NS_PER_S
from tradeplane.errors import Misconfigured

WINDOW_S = 60


class RateDecision(msgspec.Struct, frozen=True):
    """Whether one request may pass.

    Attributes:
        allowed: False when the window's budget is used up.
        limit: requests a window.
        remaining: requests left in the window after this one.
        reset_s: when the next window starts, seconds since the Unix epoch.
        retry_after_s: seconds until then, at least 1.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_s: int
    retry_after_s: int


class RequestCounts(Protocol):
    """What passed in a window: in this process, and elsewhere as far as that is known."""

    def passed(self, key: str, window: int) -> int:
        """Return how many requests of *key* are known to have passed in *window*, anywhere."""

    def add(self, key: str, window: int) -> None:
        """Note that one more passed here."""


class KeptCounts:
    """Counts of this process alone, in its memory.

    Every window starts empty, so the memory is bounded by the keys of one minute and by
    *keys_max*; beyond that the key that was seen first is forgotten and starts anew.

    Args:
        keys_max: keys that are counted at the same time, at least 1.

    Raises:
        Misconfigured: *keys_max* is below 1.
    """

    def __init__(self, keys_max: int = 10_000) -> None:
        if keys_max < 1:
            raise Misconfigured(f"keys_max must be at least 1, not {keys_max}")
        self._keys_max = keys_max
        self._window = -1
        self._counts: dict[str, int] = {}

    def passed(self, key: str, window: int) -> int:
        """Return how many requests of *key* passed in *window*."""
        return self._counts.get(key, 0) if window == self._window else 0

    def add(self, key: str, window: int) -> None:
        """Note that one more passed."""
        counts = self._counts
        if window != self._window:
            self._window = window
            counts.clear()
        if key not in counts and len(counts) >= self._keys_max:
            del counts[next(iter(counts))]
        counts[key] = counts.get(key, 0) + 1

    def __len__(self) -> int:
        return len(self._counts)


class RateLimiter:
    """Gives every key the same budget in every window.

    Args:
        limit_per_minute: requests a key may make in each window, at least 1.
        counts: where they are counted; by default in this process alone.
        name: keeps the budgets of one limiter apart from those of another on the same counts.

    Raises:
        Misconfigured: the limit is below 1.
    """

    def __init__(
        self, limit_per_minute: int, counts: RequestCounts | None = None, *, name: str = ""
    ) -> None:
        if limit_per_minute < 1:
            raise Misconfigured(f"limit_per_minute must be at least 1, not {limit_per_minute}")
        self._limit = limit_per_minute
        self._counts = KeptCounts() if counts is None else counts
        self._name = name

    def check(self, key: str, now_ns: int) -> RateDecision:
        """Count one request of *key* and say whether it may pass. A refused one costs nothing.

        Args:
            key: who asks.
            now_ns: wall time, nanoseconds since the Unix epoch.
        """
        now_s = now_ns // NS_PER_S
        window = now_s // WINDOW_S
        name = self._name + key
        left = self._limit - self._counts.passed(name, window)
        allowed = left > 0
        if allowed:
            self._counts.add(name, window)
            left -= 1
        reset_s = (window + 1) * WINDOW_S
        return RateDecision(allowed, self._limit, max(0, left), reset_s, reset_s - now_s)
