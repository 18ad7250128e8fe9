"""How many requests a key may make: fixed windows of one minute, aligned to the wall clock."""

from __future__ import annotations

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


class RateLimiter:
    """Counts the requests of each key in the current window.

    Every window starts empty, so the memory is bounded by the keys of one minute and by
    *keys_max*; beyond that the key that was seen first is forgotten and starts anew.

    Args:
        limit_per_minute: requests a key may make in each window, at least 1.
        keys_max: keys that are counted at the same time, at least 1.

    Raises:
        Misconfigured: a limit is below 1.
    """

    def __init__(self, limit_per_minute: int, keys_max: int = 10_000) -> None:
        if limit_per_minute < 1:
            raise Misconfigured(f"limit_per_minute must be at least 1, not {limit_per_minute}")
        if keys_max < 1:
            raise Misconfigured(f"keys_max must be at least 1, not {keys_max}")
        self._limit = limit_per_minute
        self._keys_max = keys_max
        self._window = -1
        self._counts: dict[str, int] = {}

    def check(self, key: str, now_ns: int, others: int = 0) -> RateDecision:
        """Count one request of *key* and say whether it may pass. A refused one costs nothing.

        Args:
            key: who asks.
            now_ns: wall time, nanoseconds since the Unix epoch.
            others: requests of the key that other processes let pass in this window.
        """
        now_s = now_ns // NS_PER_S
        window = now_s // WINDOW_S
        counts = self._counts
        if window != self._window:
            self._window = window
            counts.clear()
        used = counts.get(key, 0)
        left = self._limit - used - others
        allowed = left > 0
        if allowed:
            if used == 0 and len(counts) >= self._keys_max:
                del counts[next(iter(counts))]
            counts[key] = used + 1
            left -= 1
        reset_s = (window + 1) * WINDOW_S
        return RateDecision(allowed, self._limit, max(0, left), reset_s, reset_s - now_s)

    def __len__(self) -> int:
        return len(self._counts)
