"""Times as text: New York's offset, and parsing to the nanosecond."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from tradeplane.clock import NS_PER_S
from tradeplane.errors import InvalidRequest

NEW_YORK = ZoneInfo("America/New_York")
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})", re.ASCII)
# A plus that was not percent-encoded arrives as a space.
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|z|[+\- ]\d{2}:\d{2})?", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = range(1970, 2262)


def new_york(at_ns: int) -> str:
    """Return the instant as RFC 3339 with New York's offset."""
    seconds, fraction = divmod(at_ns, NS_PER_S)
    text = datetime.fromtimestamp(seconds, NEW_YORK).isoformat()
    if not fraction:
        return text
    return f"{text[:19]}.{f'{fraction:09d}'.rstrip('0')}{text[19:]}"


def new_york_time(at_ns: int) -> str:
    """Return the instant's time of day in New York as ``HH:MM``."""
    return datetime.fromtimestamp(at_ns // NS_PER_S, NEW_YORK).strftime("%H:%M")


def midnight_ns(day: date) -> int:
    """Return midnight in New York of *day*."""
    return _ns(datetime(day.year, day.month, day.day, tzinfo=NEW_YORK))


def new_york_midnight_ns(at_ns: int) -> int:
    """Return the start of the day in New York in which the instant lies."""
    return midnight_ns(datetime.fromtimestamp(at_ns // NS_PER_S, NEW_YORK).date())


def date_start_ns(text: str) -> int:
    """Return midnight in New York of the trading date *text*, ``YYYY-MM-DD``."""
    return midnight_ns(date.fromisoformat(text))


def parse_date(name: str, text: str) -> str:
    """Return the date that *text* begins with, as ``YYYY-MM-DD``.

    Raises:
        InvalidRequest: it begins with none, or goes on with something that is no time.
    """
    if _DATE.fullmatch(text) is None and _INSTANT.fullmatch(text) is None:
        raise _malformed(name)
    return _day(name, text[:10]).isoformat()


def parse_instant(name: str, text: str) -> int:
    """Return the instant *text*, nanoseconds since the Unix epoch; exact.

    A date alone is its midnight in New York; a time without offset is UTC.

    Raises:
        InvalidRequest: it is neither RFC 3339 nor a date, or outside 1970 to 2261.
    """
    if _DATE.fullmatch(text):
        return midnight_ns(_day(name, text))
    parts = _INSTANT.fullmatch(text)
    if parts is None:
        raise _malformed(name)
    day, time, fraction, offset = parts.groups()
    _day(name, day)
    zone = "+00:00" if offset in {None, "Z", "z"} else offset.replace(" ", "+")
    try:
        instant = datetime.fromisoformat(f"{day}T{time}{zone}")
    except ValueError:
        raise _malformed(name) from None
    return _ns(instant) + int((fraction or "0").ljust(9, "0"))


def _ns(instant: datetime) -> int:
    return (instant - _EPOCH) // timedelta(seconds=1) * NS_PER_S


def _day(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _malformed(name) from None
    if day.year not in _YEARS:
        raise InvalidRequest(f"{name} must lie between {_YEARS[0]} and {_YEARS[-1]}")
    return day


def _malformed(name: str) -> InvalidRequest:
    return InvalidRequest(
        f"{name} must be a date, such as 2012-05-18, or RFC 3339, such as 2012-05-18T14:30:00Z"
    )


def utc(at_ns: int) -> str:
    """Return the instant as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(at_ns // NS_PER_S, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
