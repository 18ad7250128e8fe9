"""Pages of historical bars: which bars are asked for, in which order, and where a page ends."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby

import msgspec

from serve.history import History
from serve.query import Query
from serve.wire.timestamps import date_start_ns
from tradeplane.errors import InvalidRequest
from tradeplane.trading.bars import Adjustment, Bar

LIMIT_DEFAULT = 1_000
LIMIT_MAX = 10_000
SORTS = ("asc", "desc")
_ADJUSTMENTS: dict[str, Adjustment] = {"raw": "raw", "all": "all"}
_TIMEFRAMES = {
    "1Day": "day",
    "1D": "day",
    "1Week": "week",
    "1W": "week",
    "1Month": "month",
    "1M": "month",
}
TIMEFRAMES = tuple(_TIMEFRAMES)
ADJUSTMENTS = tuple(_ADJUSTMENTS)


class BarSearch(msgspec.Struct, frozen=True):
    """What one request asks for.

    Attributes:
        period: ``day``, ``week`` or ``month``.
        start_ns: first start of a bar, inclusive.
        end_ns: last start of a bar, inclusive.
        descending: newest first.
        limit: bars on a page, over all symbols.
        after: the symbol and start of the last bar of the page before, or None.
    """

    period: str
    start_ns: int
    end_ns: int
    adjustment: Adjustment
    descending: bool
    limit: int
    after: tuple[str, int] | None


class BarPage(msgspec.Struct, frozen=True):
    """One page.

    Attributes:
        bars: by symbol, those without bars left out.
        next_page_token: continues after it; None on the last page.
    """

    bars: dict[str, list[Bar]]
    next_page_token: str | None


def bar_search(query: Query, now_ns: int, today_ns: int) -> BarSearch:
    """Return what *query* asks for.

    Args:
        query: the request's parameters.
        now_ns: venue time, the default end.
        today_ns: start of the current trading day, the default start.

    Raises:
        InvalidRequest: a parameter is malformed or not supported.
    """
    start_ns, end_ns = query.instant("start"), query.instant("end")
    search = BarSearch(
        period=_period(query.text("timeframe")),
        start_ns=today_ns if start_ns is None else start_ns,
        end_ns=now_ns if end_ns is None else end_ns,
        adjustment=_adjustment(query.text("adjustment")),
        descending=query.choice("sort", SORTS, "asc") == "desc",
        limit=query.integer("limit", 1, LIMIT_MAX, LIMIT_DEFAULT),
        after=_decode_token(query.text("page_token")),
    )
    if search.start_ns > search.end_ns and start_ns is not None and end_ns is not None:
        raise InvalidRequest("end must not be before start")
    return search


def bar_page(history: History, symbols: Sequence[str], search: BarSearch, now_ns: int) -> BarPage:
    """Return one page: by symbol, then by time; nothing that is later than *now_ns*."""
    page: dict[str, list[Bar]] = {}
    left = search.limit
    for symbol in sorted(symbols):
        if search.after is not None and symbol < search.after[0]:
            continue
        bars = _bars_of(history, symbol, search, now_ns)
        if not bars:
            continue
        if left == 0:
            return BarPage(page, _last_token(page))
        page[symbol] = bars[:left]
        if len(bars) > left:
            return BarPage(page, _last_token(page))
        left -= len(bars)
    return BarPage(page, None)


def _bars_of(history: History, symbol: str, search: BarSearch, now_ns: int) -> list[Bar]:
    known = history.known_bars(symbol, search.adjustment, now_ns)
    bars = known if search.period == "day" else _merged(known, search.period)
    taken = [bar for bar in bars if search.start_ns <= bar.start_ns <= search.end_ns]
    if search.descending:
        taken.reverse()
    if search.after is None or symbol != search.after[0]:
        return taken
    last_ns = search.after[1]
    if search.descending:
        return [bar for bar in taken if bar.start_ns < last_ns]
    return [bar for bar in taken if bar.start_ns > last_ns]


def _merged(bars: Sequence[Bar], period: str) -> Iterator[Bar]:
    """Yield one bar a week or month; the newest contains only the days that are known."""

    def first_day(bar: Bar) -> str:
        day = date.fromisoformat(bar.session)
        if period == "month":
            return day.replace(day=1).isoformat()
        return (day - timedelta(days=day.weekday())).isoformat()

    for first, grouped in groupby(bars, first_day):
        days = list(grouped)
        yield Bar(
            symbol=days[0].symbol,
            session=first,
            start_ns=date_start_ns(first),
            open=days[0].open,
            high=max(day.high for day in days),
            low=min(day.low for day in days),
            close=days[-1].close,
            volume=sum(day.volume for day in days),
        )


def _period(timeframe: str | None) -> str:
    if timeframe is None:
        raise InvalidRequest("timeframe is required")
    period = _TIMEFRAMES.get(timeframe)
    if period is None:
        raise InvalidRequest(
            "timeframe must be one of 1Day, 1Week, 1Month: the data has one bar a day, "
            "so there are no minutes and hours"
        )
    return period


def _adjustment(text: str | None) -> Adjustment:
    adjustment = _ADJUSTMENTS.get(text or "raw")
    if adjustment is None:
        raise InvalidRequest(
            "adjustment must be raw or all: the data does not tell splits and dividends apart"
        )
    return adjustment


def _last_token(page: dict[str, list[Bar]]) -> str:
    symbol, bars = next(reversed(page.items()))
    return base64.urlsafe_b64encode(f"{symbol}|{bars[-1].start_ns}".encode()).decode()


def _decode_token(token: str | None) -> tuple[str, int] | None:
    if token is None:
        return None
    try:
        text = base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    symbol, bar, start_ns = text.partition("|")
    if not (bar and start_ns.isdigit() and len(start_ns) <= 19):
        raise InvalidRequest("page_token must be a next_page_token of an earlier answer")
    return symbol, int(start_ns)
