"""What an installation decides about the replayed market."""

from __future__ import annotations

from datetime import date

import msgspec

from tradeplane.errors import Misconfigured

RATE_MAX = 100_000
"""Venue seconds a wall second; more would make a session shorter than a quarter of a second."""

_RANGES = {
    "rate": (1, RATE_MAX),
    "closed_wall_ms": (1, 3_600_000),
    "downtime_max_ms": (100, 3_600_000),
}


class ReplaySettings(msgspec.Struct, frozen=True):
    """The range of the replay, its speed and its seed.

    Attributes:
        first_session: trading date on which it starts, ``YYYY-MM-DD``. The default is the first on
            which all five tradable names of the packaged data have prices.
        last_session: trading date after which it starts over.
        rate: venue seconds a wall second while the exchange is open, unless an operator commands
            another.
        closed_wall_ms: wall milliseconds that a closed period lasts, however long it was.
        seed: seed of all that is derived about a session.
        downtime_max_ms: wall milliseconds of a downtime that count; the rest of it does not exist
            for the venue.

    Raises:
        Misconfigured: a value is out of its range, or no date.
    """

    first_session: str = "2012-05-18"
    last_session: str = "2013-03-01"
    rate: int = 60
    closed_wall_ms: int = 3_000
    seed: int = 7
    downtime_max_ms: int = 30_000

    def __post_init__(self) -> None:
        """Check every value for itself; the data decide whether the dates are sessions."""
        for name, (lowest, highest) in _RANGES.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise Misconfigured(
                    f"replay {name} is {value}; it must lie between {lowest} and {highest}"
                )
        for name in ("first_session", "last_session"):
            value = getattr(self, name)
            if not _is_date(value):
                raise Misconfigured(
                    f"replay {name} is {value!r}; it must be a date such as 2012-05-18"
                )
        if self.last_session < self.first_session:
            raise Misconfigured(
                f"replay last_session is {self.last_session}, "
                f"before first_session, which is {self.first_session}"
            )


def _is_date(text: str) -> bool:
    try:
        # fromisoformat also takes other spellings, which would not compare as text.
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
