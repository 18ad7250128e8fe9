"""What the replay can be told and asked, and what it answers."""

from __future__ import annotations

import msgspec

from tradeplane.errors import Misconfigured
from tradeplane.trading.market import MarketView


class ReplaySettings(msgspec.Struct, frozen=True):
    """How the data are replayed.

    Attributes:
        first_session: trading date on which the replay starts, ``YYYY-MM-DD``.
        last_session: trading date after which it starts over.
        rate: venue seconds a wall second while the exchange is open.
        closed_wall_ms: wall milliseconds that every closed period lasts.
        seed: picks the derived times of highs and lows.
        downtime_max_ms: longest downtime that the clock makes up for after a crash.
        events_max: events that one ``Advance`` may bring.
    """

    first_session: str = "2012-05-18"
    last_session: str = "2013-03-01"
    rate: int = 60
    closed_wall_ms: int = 3_000
    seed: int = 7
    downtime_max_ms: int = 30_000
    events_max: int = 256

    def __post_init__(self) -> None:
        """Check ranges."""
        for name, lowest, highest in (
            ("rate", 1, RATE_MAX),
            ("closed_wall_ms", 1, 3_600_000),
            ("downtime_max_ms", 0, 86_400_000),
            ("events_max", 8, 100_000),
        ):
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise Misconfigured(f"{name} is {value}; it must be {lowest} to {highest}")


RATE_MAX = 100_000


class Advance(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Time has passed: publish what is due."""


class Recover(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The replay starts again after a crash; it was last known alive at *last_alive_ns*."""

    last_alive_ns: int


class PauseReplay(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Stop the venue's clock. Stopping a stopped one changes nothing."""

    command_id: str


class ResumeReplay(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Let the clock run again from where it stands."""

    command_id: str


class SetVenueTime(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Set the clock to *venue_ns*, forward or back. Splits in between are not applied."""

    command_id: str
    venue_ns: int


class SetReplayRate(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Let sessions run *rate* times as fast as the wall."""

    command_id: str
    rate: int


class GetMarketView(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Ask for what a subscriber must know to follow."""


class ReplayAdvanced(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """What was due is published; *behind* says that more is due already."""

    behind: bool


class Done(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The command is in effect."""


class MarketViewFound(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The view as of now."""

    view: MarketView


ReplayCommand = Advance | Recover | PauseReplay | ResumeReplay | SetVenueTime | SetReplayRate
ReplayReply = ReplayAdvanced | Done | MarketViewFound
