"""The venue clock and the trading calendar as Alpaca shows them."""

from __future__ import annotations

import msgspec

from serve.wire.decimals import Timestamp
from serve.wire.timestamps import new_york, new_york_time
from tradeplane.trading.market import ClockSegment, Session


class ClockBody(msgspec.Struct, frozen=True):
    """Venue time, with New York's offset."""

    timestamp: Timestamp
    is_open: bool
    next_open: Timestamp
    next_close: Timestamp


class CalendarDay(msgspec.Struct, frozen=True):
    """One trading day; times are New York's.

    Attributes:
        session_open: ``HHMM``; the same as *open*, for there are no extended hours.
        session_close: ``HHMM``.
    """

    date: str
    open: str
    close: str
    session_open: str
    session_close: str


def clock_body(segment: ClockSegment, now_ns: int) -> ClockBody:
    """Return the body of the clock at *now_ns*."""
    session = segment.session
    is_open = session is not None and session.open_ns <= now_ns < session.close_ns
    closing = session if session is not None and is_open else segment.next_session
    return ClockBody(
        timestamp=new_york(now_ns),
        is_open=is_open,
        next_open=new_york(segment.next_session.open_ns),
        next_close=new_york(closing.close_ns),
    )


def calendar_day(session: Session) -> CalendarDay:
    """Return the body of one session."""
    opens, closes = new_york_time(session.open_ns), new_york_time(session.close_ns)
    return CalendarDay(
        date=session.date,
        open=opens,
        close=closes,
        session_open=opens.replace(":", ""),
        session_close=closes.replace(":", ""),
    )
