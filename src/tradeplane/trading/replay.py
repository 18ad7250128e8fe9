"""The replayed market: historical sessions on a clock of their own, restartable at any moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from tradeplane.clock import NS_PER_MS, NS_PER_S
from tradeplane.component import Applied
from tradeplane.errors import (
    ComponentUnavailable,
    CorruptJournal,
    InvalidRequest,
    NotAllowed,
)
from tradeplane.trading.bars import MarketData
from tradeplane.trading.market import (
    ClockMoved,
    ClockSegment,
    MarketEvent,
    MarketView,
    Print,
    PrintPublished,
    SessionClosed,
    SessionOpened,
)
from tradeplane.trading.replay_clock import ReplayClock, paused, shifted
from tradeplane.trading.replay_commands import (
    Advance,
    GetMarketView,
    MarketViewFound,
    PauseReplay,
    Recover,
    ReplayAdvanced,
    ReplayCommand,
    ReplayReply,
    ResumeReplay,
    SetReplayRate,
    SetVenueTime,
)
from tradeplane.trading.replay_program import ReplayProgram
from tradeplane.trading.replay_settings import RATE_MAX, ReplaySettings
from tradeplane.trading.replies import Done

__all__ = [
    "Advance",
    "Done",
    "GetMarketView",
    "MarketViewFound",
    "PauseReplay",
    "Recover",
    "Replay",
    "ReplayAdvanced",
    "ReplaySettings",
    "ResumeReplay",
    "SetReplayRate",
    "SetVenueTime",
]

EVENTS_MAX = 256
"""Events of one command at most."""

NEVER_NS = 2**62
"""Later than every wall time: nothing is due while the replay is paused."""

_STEP_MAX = 3
# A wall clock that is this much behind the journal was set back; less is the difference between
# two machines, and venue time waits for it.
_SET_BACK_NS = 5 * NS_PER_S

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(MarketView).decode


class Replay:
    """The component ``market``: see :class:`tradeplane.component.Component`.

    The state is a :class:`MarketView`, so subscribers hold all that there is. The times of commands
    are wall time; venue time follows from the view's segment.

    Args:
        data: where sessions, prices and splits come from.
        settings: range, speed and seed; other ones may be given after a restart.

    Attributes:
        view: the market as it is now, for reading; its sequence is the shell's to fill.

    Raises:
        Misconfigured: the data have no such sessions.
    """

    name = "market"
    command_type: Any = ReplayCommand
    query_type: Any = GetMarketView
    reply_type: Any = ReplayReply
    event_type: Any = MarketEvent

    def __init__(self, data: MarketData, settings: ReplaySettings) -> None:
        self.view = MarketView()
        self._settings = settings
        self._program = ReplayProgram(data, settings.seed)
        self._clock = ReplayClock(self._program.sessions, settings)
        self._waiting: deque[Print] | None = None
        self._decide: dict[type, Callable[[Any, int], Applied]] = {
            Advance: self._advance,
            Recover: self._recover,
            PauseReplay: self._pause,
            ResumeReplay: self._resume,
            SetVenueTime: self._set_venue_time,
            SetReplayRate: self._set_rate,
        }

    def apply(self, command: ReplayCommand, now_ns: int) -> Applied:
        """Decide *command* at wall time *now_ns*, change the view, and return what happened.

        Raises:
            InvalidRequest: a time or a rate is out of its range; nothing was done.
            ComponentUnavailable: the replay has not begun; nothing was done.
        """
        return self._decide[type(command)](command, now_ns)

    def evolve(self, event: MarketEvent) -> None:
        """Change the view by one *event* of the journal."""
        self.view.evolve(event)
        match event:
            case PrintPublished(print=traded) if self._waiting and self._waiting[0] == traded:
                self._waiting.popleft()
            case ClockMoved(jumped=False):
                pass
            case _:
                self._waiting = None

    def query(self, query: GetMarketView, now_ns: int) -> MarketViewFound:  # noqa: ARG002  # neither changes the answer
        """Return the view; it is the replay's own object, to be encoded and not changed."""
        return MarketViewFound(self.view)

    def next_due_ns(self, now_ns: int) -> int:
        """Return the wall time of the next event, in the past when it is due already.

        Args:
            now_ns: the present wall time.
        """
        segment = self.view.segment
        if segment is None or not self._clock.contains(segment) or _set_back(segment, now_ns):
            return now_ns
        waiting = self._prints_waiting()
        if segment.rate == 0:
            overdue = bool(waiting) and waiting[0].at_ns <= segment.venue_ns
            return now_ns if overdue else NEVER_NS
        due_ns = self._clock.due_ns(segment)
        if waiting:
            to_print_ns = -(-(waiting[0].at_ns - segment.venue_ns) // segment.rate)
            due_ns = min(due_ns, segment.wall_ns + to_print_ns)
        return due_ns

    def idempotency_key(self, command: ReplayCommand) -> str | None:
        """Return the key of an operator's command; the others may be given any number of times."""
        if isinstance(command, Advance | Recover):
            return None
        return f"replay:{command.command_id}"

    def repeat(self, command: ReplayCommand, first_event: MarketEvent) -> Done:
        """Return the reply of the first run of *command*.

        Raises:
            NotAllowed: another command had this command_id.
        """
        if not (isinstance(first_event, ClockMoved) and _did(command, first_event)):
            raise NotAllowed("command_id was used by another command; choose a new one")
        return Done()

    def topic(self, event: MarketEvent) -> str:  # noqa: ARG002  # all events are everyone's
        """Return the one feed topic of the market."""
        return self.name

    def to_bytes(self) -> bytes:
        """Return the whole state; equal histories give equal bytes."""
        return _encode(self.view)

    def from_bytes(self, state: bytes) -> None:
        """Replace the state by one that :meth:`to_bytes` returned.

        Raises:
            CorruptJournal: these bytes are no state; the present one is kept.
        """
        try:
            self.view = _decode(state)
        except msgspec.DecodeError as error:
            raise CorruptJournal(
                f"a snapshot of the market cannot be read ({error}); delete it, and the state is "
                "rebuilt from the journal"
            ) from error
        self._waiting = None

    def _advance(self, _: Advance, now_ns: int) -> Applied:
        events = self._catch_up(now_ns, [])
        return Applied(ReplayAdvanced(behind=bool(self._step(now_ns))), tuple(events))

    def _recover(self, command: Recover, now_ns: int) -> Applied:
        segment = self.view.segment
        if segment is None or segment.rate == 0:
            return Applied(Done())
        counted_ns = command.last_alive_wall_ns + self._settings.downtime_max_ms * NS_PER_MS
        # Subscribers have seen the clock run to the segment's end: less would send time back.
        lost_ns = now_ns - max(counted_ns, segment.wall_end_ns)
        return self._moved(shifted(segment, lost_ns)) if lost_ns > 0 else Applied(Done())

    def _pause(self, _: PauseReplay, now_ns: int) -> Applied:
        segment = self._segment()
        return self._moved(paused(segment, now_ns)) if segment.rate else Applied(Done())

    def _resume(self, _: ResumeReplay, now_ns: int) -> Applied:
        segment = self._segment()
        if segment.rate:
            return Applied(Done())
        return self._moved(self._clock.running(segment, now_ns))

    def _set_rate(self, command: SetReplayRate, now_ns: int) -> Applied:
        segment = self._segment()
        if not 1 <= command.rate <= RATE_MAX:
            raise InvalidRequest(f"rate must lie between 1 and {RATE_MAX}, not {command.rate}")
        moved = self._clock.running(segment, now_ns, command.rate)
        return self._moved(moved if segment.rate else paused(moved, now_ns))

    def _set_venue_time(self, command: SetVenueTime, now_ns: int) -> Applied:
        before = self._segment()
        segment = self._clock.at(command.venue_ns, now_ns, before.commanded_rate)
        events = self._opening(segment if before.rate else paused(segment, now_ns), jumped=True)
        for event in events:
            self.evolve(event)
        return Applied(Done(), tuple(self._catch_up(now_ns, list(events))))

    def _segment(self) -> ClockSegment:
        segment = self.view.segment
        if segment is None or not self._clock.contains(segment):
            raise ComponentUnavailable("the replay has not begun yet; try again")
        return segment

    def _moved(self, segment: ClockSegment) -> Applied:
        event = ClockMoved(segment, jumped=False)
        self.evolve(event)
        return Applied(Done(), (event,))

    def _catch_up(self, now_ns: int, events: list[MarketEvent]) -> list[MarketEvent]:
        while len(events) + _STEP_MAX <= EVENTS_MAX:
            step = self._step(now_ns)
            if not step:
                break
            for event in step:
                self.evolve(event)
            events.extend(step)
        return events

    def _step(self, now_ns: int) -> tuple[MarketEvent, ...]:
        """Return what happens next if it is due. What belongs together is journaled together."""
        segment, clock = self.view.segment, self._clock
        if segment is None:
            return self._opening(clock.start(now_ns), jumped=False)
        if not clock.contains(segment):
            return self._opening(clock.start(now_ns, segment.commanded_rate), jumped=True)
        if _set_back(segment, now_ns):
            return (ClockMoved(shifted(segment, now_ns - segment.wall_ns), jumped=False),)
        return self._due(segment, now_ns)

    def _due(self, segment: ClockSegment, now_ns: int) -> tuple[MarketEvent, ...]:
        clock, waiting = self._clock, self._prints_waiting()
        due_ns = clock.due_ns(segment)
        # Even when all of this is late, it happens in the order in which it would have in time.
        if waiting and waiting[0].at_ns <= segment.venue_at(min(now_ns, due_ns)):
            return (PrintPublished(waiting[0]),)
        if segment.rate == 0 or now_ns < due_ns:
            return ()
        following = clock.following(segment)
        if segment.session is None:
            return self._opening(following, jumped=False)
        if not clock.ends_session(segment):
            return (ClockMoved(following, jumped=False),)
        starts_over = following.session is not None
        return (SessionClosed(segment.session), *self._opening(following, jumped=starts_over))

    def _opening(self, segment: ClockSegment, *, jumped: bool) -> tuple[MarketEvent, ...]:
        moved = ClockMoved(segment, jumped)
        session = segment.session
        if session is None:
            return (moved,)
        # Over a jump positions stay as they are: a replay that starts over would split them again.
        splits = () if jumped else self._program.splits(session)
        return (moved, SessionOpened(session, splits))

    def _prints_waiting(self) -> deque[Print]:
        """Return the prints of the open session that are not published, earliest first."""
        if self._waiting is None:
            self._waiting = deque()
            session = self.view.session
            if session is not None:
                # By what was published and not by how much: it stays right with another seed.
                done = {
                    (traded.symbol, traded.kind)
                    for day in self.view.day.values()
                    for traded in day
                    if traded.session == session.date
                }
                self._waiting.extend(
                    each
                    for each in self._program.prints(session)
                    if (each.symbol, each.kind) not in done
                )
        return self._waiting


def _set_back(segment: ClockSegment, now_ns: int) -> bool:
    return segment.rate > 0 and now_ns < segment.wall_ns - _SET_BACK_NS


def _did(command: ReplayCommand, first: ClockMoved) -> bool:
    segment = first.segment
    match command:
        case SetVenueTime(venue_ns=venue_ns):
            return first.jumped and segment.venue_ns == venue_ns
        case SetReplayRate(rate=rate):
            return not first.jumped and segment.commanded_rate == rate
        case PauseReplay():
            return not first.jumped and segment.rate == 0
        case _:
            return not first.jumped and segment.rate > 0
