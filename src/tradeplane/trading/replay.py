"""The component ``market``: replays market data on the venue's clock, from journal to journal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tradeplane.clock import NS_PER_MS
from tradeplane.component import Applied
from tradeplane.errors import InvalidRequest
from tradeplane.trading.bars import MarketData
from tradeplane.trading.market import (
    ClockMoved,
    ClockSegment,
    MarketEvent,
    MarketView,
    PrintPublished,
    RateSet,
    Session,
    SessionClosed,
    SessionOpened,
)
from tradeplane.trading.replay_calendar import ReplayCalendar
from tradeplane.trading.replay_messages import (
    RATE_MAX,
    Advance,
    Done,
    GetMarketView,
    MarketViewFound,
    PauseReplay,
    Recover,
    ReplayAdvanced,
    ReplayCommand,
    ReplayReply,
    ReplaySettings,
    ResumeReplay,
    SetReplayRate,
    SetVenueTime,
)

__all__ = ["Replay", "ReplaySettings"]

_IDLE_NS = 1_000 * NS_PER_MS


class _State(msgspec.Struct):
    """Everything, derivable from the events alone.

    Attributes:
        published: prints of the current session that are out.
        rate: venue seconds a wall second in a session.
        paused: whether the segment stands still by command.
    """

    view: MarketView
    rate: int
    published: int = 0
    paused: bool = False


class Replay:
    """Publishes each print of the data once, in order, when its time has come on the venue's clock.

    ``now_ns`` is wall time here. Venue time never goes back, except by :class:`SetVenueTime` and
    where the data end and the replay starts over.

    Args:
        data: what is replayed.
        settings: how.

    Raises:
        Misconfigured: the data have no session in the range of *settings*.
    """

    name = "market"
    command_type: Any = ReplayCommand
    query_type: Any = GetMarketView
    reply_type: Any = ReplayReply
    event_type: Any = MarketEvent

    def __init__(self, data: MarketData, settings: ReplaySettings) -> None:
        self._settings = settings
        self._calendar = ReplayCalendar(
            data, settings.first_session, settings.last_session, settings.seed
        )
        self._state = _State(MarketView(), settings.rate)

    @property
    def view(self) -> MarketView:
        """What a subscriber sees."""
        return self._state.view

    def apply(self, command: ReplayCommand, now_ns: int) -> Applied:
        """Decide *command* at wall time *now_ns*, change the state, and return what happened.

        Raises:
            InvalidRequest: a time or a rate is out of range.
        """
        if isinstance(command, Advance):
            return self._advance(now_ns)
        events = []
        for event in self._decide(command, now_ns):
            self.evolve(event)
            events.append(event)
        return Applied(Done(), tuple(events))

    def _advance(self, now_ns: int) -> Applied:
        events: list[MarketEvent] = []
        while len(events) < self._settings.events_max:
            due = self._due(now_ns)
            if not due:
                return Applied(ReplayAdvanced(behind=False), tuple(events))
            for event in due:
                self.evolve(event)
            events += due
        return Applied(ReplayAdvanced(behind=True), tuple(events))

    def _due(self, now_ns: int) -> tuple[MarketEvent, ...]:
        """Return the next thing that is due by *now_ns*; nothing when there is none."""
        segment = self.view.segment
        if segment is None:
            first = self._calendar.sessions[0]
            return self._opening(first, now_ns, jumped=False)
        if self._state.paused or self.next_due_ns(now_ns) > now_ns:
            return ()
        session = self.view.session
        if session is None:
            following = segment.next_session
            jumped = following.open_ns < segment.venue_ns
            return self._opening(following, segment.wall_end_ns, jumped=jumped)
        prints = self._calendar.prints(session)
        if self._state.published < len(prints):
            return (PrintPublished(prints[self._state.published]),)
        closed_ns = _wall_at(segment, session.close_ns)
        closed = self._closed(session.close_ns, closed_ns, self._calendar.after(session))
        return SessionClosed(session), ClockMoved(closed, jumped=False)

    def next_due_ns(self, now_ns: int) -> int:
        """Return the wall time at which something is due next; in the past when it is overdue."""
        segment = self.view.segment
        if segment is None:
            return now_ns
        if self._state.paused:
            return now_ns + _IDLE_NS
        session = self.view.session
        if session is None:
            return segment.wall_end_ns
        prints = self._calendar.prints(session)
        if self._state.published < len(prints):
            return _wall_at(segment, prints[self._state.published].at_ns)
        return _wall_at(segment, session.close_ns)

    def _decide(self, command: ReplayCommand, now_ns: int) -> Iterator[MarketEvent]:
        segment = self.view.segment
        if segment is None and not isinstance(command, SetVenueTime | SetReplayRate):
            return
        match command:
            case Recover(last_alive_ns=last_alive_ns):
                yield from self._recovery(last_alive_ns, now_ns)
            case PauseReplay() if segment and not self._state.paused:
                standing = self._segment(segment.venue_at(now_ns), now_ns, 0, self.view.session)
                yield ClockMoved(standing, jumped=False)
            case ResumeReplay() if segment and self._state.paused:
                yield ClockMoved(self._running(segment.venue_ns, now_ns), jumped=False)
            case SetVenueTime(venue_ns=venue_ns):
                yield from self._jump(venue_ns, now_ns)
            case SetReplayRate(rate=rate):
                if not 1 <= rate <= RATE_MAX:
                    raise InvalidRequest(f"the rate must be 1 to {RATE_MAX}")
                yield RateSet(rate)
                if segment and self.view.session and not self._state.paused:
                    yield ClockMoved(self._running(segment.venue_at(now_ns), now_ns), jumped=False)
            case _:
                return

    def _recovery(self, last_alive_ns: int, now_ns: int) -> Iterator[MarketEvent]:
        """Move the segment so that the downtime counts for a bounded time at most."""
        segment = self.view.segment
        assert segment is not None, "an empty replay has nothing to recover"
        counted = min(max(0, now_ns - last_alive_ns), self._settings.downtime_max_ms * NS_PER_MS)
        skipped = now_ns - (last_alive_ns + counted)
        if skipped > 0 and not self._state.paused:
            moved = msgspec.structs.replace(
                segment,
                wall_ns=segment.wall_ns + skipped,
                wall_end_ns=segment.wall_end_ns + skipped,
            )
            yield ClockMoved(moved, jumped=False)

    def _jump(self, venue_ns: int, now_ns: int) -> Iterator[MarketEvent]:
        session, following = self._calendar.at(venue_ns)
        if session is None:
            yield ClockMoved(self._closed(venue_ns, now_ns, following), jumped=True)
            return
        yield ClockMoved(self._segment(venue_ns, now_ns, self._state.rate, session), jumped=True)
        yield SessionOpened(session, ())
        for traded in self._calendar.prints(session):
            if traded.at_ns <= venue_ns:
                yield PrintPublished(traded)

    def _opening(
        self, session: Session, wall_ns: int, *, jumped: bool
    ) -> tuple[MarketEvent, MarketEvent]:
        segment = self._segment(session.open_ns, wall_ns, self._state.rate, session)
        splits = () if jumped else self._calendar.splits(session)
        return ClockMoved(segment, jumped=jumped), SessionOpened(session, splits)

    def _running(self, venue_ns: int, now_ns: int) -> ClockSegment:
        """Return a running segment from where the clock stands."""
        segment = self.view.segment
        assert segment is not None, "a clock that stands has a segment"
        if self.view.session is None:
            return self._closed(venue_ns, now_ns, segment.next_session)
        return self._segment(venue_ns, now_ns, self._state.rate, self.view.session)

    def _segment(
        self, venue_ns: int, wall_ns: int, rate: int, session: Session | None
    ) -> ClockSegment:
        """Return a segment that ends with *session*; with rate 0 it ends where it starts."""
        if session is None:
            segment = self.view.segment
            assert segment is not None, "a closed clock has a segment"
            following = segment.next_session
        else:
            following = self._calendar.after(session)
        end_ns = wall_ns
        if rate and session is not None:
            end_ns += _ceil_div(session.close_ns - venue_ns, rate)
        return ClockSegment(venue_ns, wall_ns, rate, end_ns, session, following)

    def _closed(self, venue_ns: int, wall_ns: int, following: Session) -> ClockSegment:
        """Return the segment of a closed period, which lasts the same wall time however long."""
        lasts_ns = self._settings.closed_wall_ms * NS_PER_MS
        gap_ns = following.open_ns - venue_ns
        # Where the replay starts over there is no gap to cross: the clock goes on at wall speed.
        rate = max(1, gap_ns // lasts_ns)
        return ClockSegment(venue_ns, wall_ns, rate, wall_ns + lasts_ns, None, following)

    def evolve(self, event: MarketEvent) -> None:
        """Change the state by *event*."""
        self.view.evolve(event)
        match event:
            case PrintPublished():
                self._state.published += 1
            case SessionOpened():
                self._state.published = 0
            case ClockMoved(segment=segment):
                self._state.paused = segment.rate == 0
            case RateSet(rate=rate):
                self._state.rate = rate
            case SessionClosed():
                pass

    def query(self, query: GetMarketView, now_ns: int) -> MarketViewFound:
        """Return the view."""
        del query, now_ns
        return MarketViewFound(self.view)

    def idempotency_key(self, command: ReplayCommand) -> str | None:
        """Return an operator's command id; the passing of time needs none."""
        if isinstance(command, Advance | Recover):
            return None
        return f"replay:{command.command_id}"

    def repeat(self, command: ReplayCommand, first_event: MarketEvent) -> Done:
        """Return what the first run answered."""
        del command, first_event
        return Done()

    def topic(self, event: MarketEvent) -> str:
        """Return the symbol of a print, and ``clock`` for the rest."""
        return event.print.symbol if isinstance(event, PrintPublished) else "clock"

    def to_bytes(self) -> bytes:
        """Return the whole state."""
        return msgspec.msgpack.encode(self._state, order="deterministic")

    def from_bytes(self, state: bytes) -> None:
        """Replace the state."""
        self._state = msgspec.msgpack.decode(state, type=_State)


def _wall_at(segment: ClockSegment, venue_ns: int) -> int:
    """Return the wall time at which the venue's clock reaches *venue_ns*."""
    return segment.wall_ns + _ceil_div(venue_ns - segment.venue_ns, segment.rate)


def _ceil_div(amount: int, by: int) -> int:
    return -(-amount // by)
