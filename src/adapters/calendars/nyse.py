"""The sessions of the New York Stock Exchange, with holidays and early closes."""

from __future__ import annotations

import warnings
from datetime import date, timedelta

import exchange_calendars

from tradeplane.clock import NS_PER_S
from tradeplane.trading.market import Session

_MARGIN = timedelta(days=14)


def nyse_sessions(first: date, last: date) -> tuple[Session, ...]:
    """Return every session from *first* to *last*, both included, oldest first.

    Args:
        first: a trading date in New York, or any day before the first wanted one.
        last: the same for the end.

    Returns:
        The sessions with open and close in nanoseconds since the Unix epoch.
    """
    with warnings.catch_warnings():
        # The library uses what pandas 3 deprecates; its affair, and no result depends on it.
        warnings.simplefilter("ignore", DeprecationWarning)
        # It wants a range that holds sessions; the margin makes sure of that even for a holiday.
        calendar = exchange_calendars.get_calendar(
            "XNYS", start=first - _MARGIN, end=last + _MARGIN
        )
        schedule = calendar.schedule
    return tuple(
        Session(
            date=day.date().isoformat(),
            open_ns=int(opens.timestamp()) * NS_PER_S,
            close_ns=int(closes.timestamp()) * NS_PER_S,
        )
        for day, opens, closes in zip(
            schedule.index, schedule["open"], schedule["close"], strict=True
        )
        if first <= day.date() <= last
    )
