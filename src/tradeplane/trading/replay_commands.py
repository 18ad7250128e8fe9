"""What the replay can be told and asked, and what it answers."""

from __future__ import annotations

import msgspec

from tradeplane.trading.market import MarketView
from tradeplane.trading.replies import Done


class Advance(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Wall time has passed: publish what is due."""


class Recover(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The replay was down: let no more of that time count than the settings allow.

    Attributes:
        last_alive_wall_ns: the last wall time at which the replay is known to have been up.
    """

    last_alive_wall_ns: int


class PauseReplay(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Let venue time stand still. Pausing a paused replay changes nothing."""

    command_id: str


class ResumeReplay(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Let venue time run on from where it was paused."""

    command_id: str


class SetVenueTime(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Jump to another venue time; a paused replay stays paused there, and no split takes effect.

    Attributes:
        venue_ns: from the first session's open to the last session's close, that one excluded.
    """

    command_id: str
    venue_ns: int


class SetReplayRate(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Change how fast sessions run, from now on and across restarts.

    Attributes:
        rate: venue seconds a wall second, 1 to 100,000.
    """

    command_id: str
    rate: int


ReplayCommand = Advance | Recover | PauseReplay | ResumeReplay | SetVenueTime | SetReplayRate


class GetMarketView(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Ask for the market as it is now; answered by MarketViewFound."""


class ReplayAdvanced(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """What was due is published.

    Attributes:
        behind: whether more is due already; ask again at once.
    """

    behind: bool


class MarketViewFound(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The market as it is now; the replay's own object, to be encoded and not changed."""

    view: MarketView


ReplayReply = ReplayAdvanced | Done | MarketViewFound
