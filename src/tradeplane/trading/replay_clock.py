"""How venue time runs: which straight piece of the clock follows which."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import msgspec

from tradeplane.clock import NS_PER_MS, rfc3339
from tradeplane.errors import InvalidRequest, Misconfigured
from tradeplane.trading.market import ClockSegment, Session
from tradeplane.trading.replay_settings import ReplaySettings


class ReplayClock:
    """Makes the clock's segments. It has no state: each segment follows from the one before.

    Within a session a segment is at most ``downtime_max_ms`` of wall time long and is renewed when
    half of it has passed. Were the replay to die, everyone's venue time would stand still at the
    segment's end, which is how a downtime counts at most that long and no one sees time go back.

    Args:
        sessions: the calendar of the data, oldest first.
        settings: the replay's range and speed.

    Raises:
        Misconfigured: the calendar has no such sessions.
    """

    def __init__(self, sessions: Sequence[Session], settings: ReplaySettings) -> None:
        self._settings = settings
        self._closed_wall_ns = settings.closed_wall_ms * NS_PER_MS
        self._horizon_ns = settings.downtime_max_ms * NS_PER_MS
        self._sessions = sessions
        self._index = {session.date: index for index, session in enumerate(sessions)}
        self._opens_ns = [session.open_ns for session in sessions]
        self._first = self._session_index("first_session")
        self._last = self._session_index("last_session")

    def start(self, wall_ns: int, commanded_rate: int = 0) -> ClockSegment:
        """Return the segment that begins with the first session's open."""
        first = self._sessions[self._first]
        return self._open(first, first.open_ns, wall_ns, commanded_rate)

    def contains(self, segment: ClockSegment) -> bool:
        """Return whether *segment* lies in the replay's range, as it may not after new settings."""
        index = self._index.get((segment.session or segment.next_session).date)
        return index is not None and self._first <= index <= self._last

    def at(self, venue_ns: int, wall_ns: int, commanded_rate: int) -> ClockSegment:
        """Return the segment that begins with *venue_ns*.

        Raises:
            InvalidRequest: that time is not in the replay's range.
        """
        first, last = self._sessions[self._first], self._sessions[self._last]
        if not first.open_ns <= venue_ns < last.close_ns:
            raise InvalidRequest(
                f"venue time must lie from {rfc3339(first.open_ns)} "
                f"to before {rfc3339(last.close_ns)}, the range of the replay"
            )
        before = bisect_right(self._opens_ns, venue_ns) - 1
        session = self._sessions[before]
        if venue_ns < session.close_ns:
            return self._open(session, venue_ns, wall_ns, commanded_rate)
        return self._closed(self._sessions[before + 1], venue_ns, wall_ns, commanded_rate)

    def running(
        self, segment: ClockSegment, wall_ns: int, commanded_rate: int | None = None
    ) -> ClockSegment:
        """Return a running segment that goes on at *wall_ns* where *segment* then is."""
        venue_ns = segment.venue_at(wall_ns)
        rate = segment.commanded_rate if commanded_rate is None else commanded_rate
        if segment.session is None:
            return self._closed(segment.next_session, venue_ns, wall_ns, rate)
        return self._open(segment.session, venue_ns, wall_ns, rate)

    def following(self, segment: ClockSegment) -> ClockSegment:
        """Return the segment after *segment*, from the moment on at which that ended or was due.

        Within a session that is its renewal; after a session the closed period or, after the last
        session, the first one; after a closed period the session.
        """
        rate, ends_ns = segment.commanded_rate, segment.wall_end_ns
        session = segment.session
        if session is None:
            opening = segment.next_session
            return self._open(opening, opening.open_ns, ends_ns, rate)
        if not self.ends_session(segment):
            return self.running(segment, self.due_ns(segment))
        following = self._index[session.date] + 1
        if following > self._last:
            return self.start(ends_ns, rate)
        return self._closed(self._sessions[following], session.close_ns, ends_ns, rate)

    def ends_session(self, segment: ClockSegment) -> bool:
        """Return whether the close of *segment*'s session is at its end."""
        if segment.session is None or segment.rate == 0:
            return False
        return segment.session.close_ns - segment.venue_at(segment.wall_end_ns) < segment.rate

    def due_ns(self, segment: ClockSegment) -> int:
        """Return the wall time at which the next segment is due; *segment* runs."""
        if segment.session is None or self.ends_session(segment):
            return segment.wall_end_ns
        return min(segment.wall_end_ns, segment.wall_ns + self._horizon_ns // 2)

    def _open(
        self, session: Session, venue_ns: int, wall_ns: int, commanded_rate: int
    ) -> ClockSegment:
        rate = commanded_rate or self._settings.rate
        following = self._index[session.date] + 1
        if following > self._last:
            following = self._first
        # Rounded down, so that venue time never runs past the close and has to go back.
        length_ns = min((session.close_ns - venue_ns) // rate, self._horizon_ns)
        return ClockSegment(
            venue_ns=venue_ns,
            wall_ns=wall_ns,
            rate=rate,
            wall_end_ns=wall_ns + length_ns,
            session=session,
            next_session=self._sessions[following],
            commanded_rate=commanded_rate,
        )

    def _closed(
        self, opening: Session, venue_ns: int, wall_ns: int, commanded_rate: int
    ) -> ClockSegment:
        index = self._index[opening.date]
        closed_ns = self._sessions[index - 1].close_ns if index else venue_ns
        # The rate rounded up and the length down: it lasts no longer than the settings say, and
        # stops within a wall nanosecond of the open.
        rate = max(1, -(-(opening.open_ns - closed_ns) // self._closed_wall_ns))
        return ClockSegment(
            venue_ns=venue_ns,
            wall_ns=wall_ns,
            rate=rate,
            wall_end_ns=wall_ns + (opening.open_ns - venue_ns) // rate,
            session=None,
            next_session=opening,
            commanded_rate=commanded_rate,
        )

    def _session_index(self, name: str) -> int:
        day = getattr(self._settings, name)
        if day in self._index:
            return self._index[day]
        if not self._sessions:
            raise Misconfigured("the market data have no sessions to replay")
        raise Misconfigured(
            f"replay {name} is {day}, on which the exchange was closed or of which there are no "
            f"prices; it must be a trading day from {self._sessions[0].date} "
            f"to {self._sessions[-1].date}"
        )


def paused(segment: ClockSegment, wall_ns: int) -> ClockSegment:
    """Return the segment that stands still where *segment* is at *wall_ns*."""
    return msgspec.structs.replace(
        segment,
        venue_ns=segment.venue_at(wall_ns),
        wall_ns=wall_ns,
        rate=0,
        wall_end_ns=wall_ns,
    )


def shifted(segment: ClockSegment, wall_ns: int) -> ClockSegment:
    """Return *segment* moved by *wall_ns* of wall time: the same venue times, later or earlier."""
    return msgspec.structs.replace(
        segment,
        wall_ns=segment.wall_ns + wall_ns,
        wall_end_ns=segment.wall_end_ns + wall_ns,
    )
