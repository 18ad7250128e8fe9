"""What the market says: assets, prints, sessions, and the mapping from wall time to venue time."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

PrintKind = Literal["open", "high", "low", "close"]


class Asset(msgspec.Struct, frozen=True):
    """Something that has a symbol.

    Attributes:
        asset_id: UUID, derived from exchange and symbol, so it is the same in every installation.
        exchange: the listing exchange as Alpaca spells it: ``NASDAQ``, ``NYSE``, ``ARCA``.
        tradable: whether orders are accepted; False where only adjusted closes exist.
    """

    asset_id: str
    symbol: str
    name: str
    exchange: str
    tradable: bool


class Print(msgspec.Struct, frozen=True):
    """One traded price of the data, replayed.

    Attributes:
        symbol: the asset's symbol.
        kind: which of the day's four real prices this is; ``open`` starts a session.
        price: US dollars, as the data has it, at most 4 decimals.
        volume: shares that this print stands for: a quarter of the day's volume (derived).
        at_ns: venue time; real for open and close, derived from the seed for high and low.
        session: the trading date, ``YYYY-MM-DD``.
    """

    symbol: str
    kind: PrintKind
    price: Decimal
    volume: int
    at_ns: int
    session: str


class Session(msgspec.Struct, frozen=True):
    """One trading day of the exchange calendar; early closes included.

    Attributes:
        date: ``YYYY-MM-DD``.
        open_ns: venue time of the open.
        close_ns: venue time of the close.
    """

    date: str
    open_ns: int
    close_ns: int


class Split(msgspec.Struct, frozen=True):
    """A stock split, effective before the open of *session*.

    Attributes:
        numerator: new shares ...
        denominator: ... for each of this many old ones: 2 and 1 for a 2:1 split.
    """

    symbol: str
    session: str
    numerator: int
    denominator: int


class ClockSegment(msgspec.Struct, frozen=True):
    """A straight piece of the mapping from wall time to venue time.

    Between *wall_ns* and *wall_end_ns*, venue time runs *rate* times as fast as wall time; after
    that it stands still until the next segment. A pause is a segment of rate 0.

    Attributes:
        venue_ns: venue time at *wall_ns*.
        wall_ns: wall time where the segment starts.
        rate: venue nanoseconds a wall nanosecond; an integer, so the mapping is exact.
        wall_end_ns: wall time where it ends.
        session: the session it lies in, or None between sessions.
        next_session: the session after that.
        commanded_rate: the rate that an operator chose for open sessions, 0 for the settings' one;
            kept here because the journal is all that a restart knows.
    """

    venue_ns: int
    wall_ns: int
    rate: int
    wall_end_ns: int
    session: Session | None
    next_session: Session
    commanded_rate: int = 0

    def venue_at(self, wall_ns: int) -> int:
        """Return the venue time at *wall_ns*."""
        elapsed = max(0, min(wall_ns, self.wall_end_ns) - self.wall_ns)
        return self.venue_ns + elapsed * self.rate


class PrintPublished(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """A price traded."""

    print: Print


class SessionOpened(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The exchange opened; the session's splits are already in effect."""

    session: Session
    splits: tuple[Split, ...]


class SessionClosed(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The exchange closed; day orders end."""

    session: Session


class ClockMoved(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Venue time follows *segment* from now on.

    Attributes:
        jumped: True when an operator set the clock, or the replay started over: venue time is not
            continuous, and may have gone back.
    """

    segment: ClockSegment
    jumped: bool


MarketEvent = PrintPublished | SessionOpened | SessionClosed | ClockMoved


class MarketView(msgspec.Struct):
    """What a subscriber knows of the market, kept by the feed.

    Attributes:
        segment: the current piece of the clock, None before the first.
        session: the open session, or None.
        last: the newest print of each symbol.
        day: the prints of the current or last session, by symbol, in order.
        sequence: the market journal's last event that this contains.
    """

    segment: ClockSegment | None = None
    session: Session | None = None
    last: dict[str, Print] = {}
    day: dict[str, list[Print]] = {}
    sequence: int = 0

    def evolve(self, event: MarketEvent) -> None:
        """Take in *event*; the caller keeps *sequence*."""
        match event:
            case PrintPublished(print=traded):
                self.last[traded.symbol] = traded
                day = self.day.setdefault(traded.symbol, [])
                if day and day[-1].session != traded.session:
                    day.clear()
                day.append(traded)
            case SessionOpened(session=session):
                self.session = session
            case SessionClosed():
                self.session = None
            case ClockMoved(segment=segment, jumped=jumped):
                self.segment = segment
                if jumped:
                    self.session = None
                    self.last.clear()
                    self.day.clear()
