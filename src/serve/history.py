"""Historical prices as they may be known at a venue time: nothing of the future shows."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from decimal import Decimal
from operator import attrgetter

from tradeplane.money import ROUNDING
from tradeplane.trading.bars import Adjustment, Bar, MarketData
from tradeplane.trading.market import MarketView, Session

_session_of = attrgetter("session")
_date_of = attrgetter("date")
_close_of = attrgetter("close_ns")
_PRICE_STEP = Decimal("0.0001")
_DISPLAY = Decimal("1e-9")


class History:
    """Reads the market data up to a moment.

    Args:
        data: the whole data, the future included.
    """

    def __init__(self, data: MarketData) -> None:
        self._data = data
        self.sessions: Sequence[Session] = data.sessions()
        self._splits = {(split.symbol, split.session): split for split in data.splits()}
        self._adjusted: dict[str, tuple[str, Sequence[Bar]]] = {}

    def session(self, date: str) -> Session | None:
        """Return the session of a trading date, or None on a day without trading."""
        index = bisect_left(self.sessions, date, key=_date_of)
        if index < len(self.sessions) and self.sessions[index].date == date:
            return self.sessions[index]
        return None

    def current_session(self, view: MarketView) -> Session | None:
        """Return the open session, or the last one while the exchange is closed."""
        if view.session is not None or view.segment is None:
            return view.session
        if view.segment.session is not None:
            return view.segment.session
        index = bisect_left(self.sessions, view.segment.next_session.date, key=_date_of)
        return self.sessions[index - 1] if index else None

    def close_before(self, symbol: str, date: str) -> Decimal | None:
        """Return the close of the last bar before *date*, in shares as they are on *date*.

        A split that takes effect on *date* is taken out of it.
        """
        bar = self.bar_before(symbol, date)
        if bar is None:
            return None
        split = self._splits.get((symbol, date))
        if split is None:
            return bar.close
        price = ROUNDING.divide(
            ROUNDING.multiply(bar.close, Decimal(split.denominator)), Decimal(split.numerator)
        )
        return ROUNDING.quantize(price, _DISPLAY)

    def bar_before(self, symbol: str, date: str) -> Bar | None:
        """Return the last bar before *date*, prices as traded."""
        bars = self._data.bars(symbol, "raw")
        index = bisect_left(bars, date, key=_session_of)
        return bars[index - 1] if index else None

    def last_close(self, symbol: str, now_ns: int) -> Decimal | None:
        """Return the close of the last session that had ended at *now_ns*, as traded."""
        known = self.known_bars(symbol, "raw", now_ns)
        return known[-1].close if known else None

    def known_bars(self, symbol: str, adjustment: Adjustment, now_ns: int) -> Sequence[Bar]:
        """Return the bars of the sessions that had closed at *now_ns*, oldest first.

        Adjusted bars are adjusted for what had happened by then: they are scaled so that the
        newest of them is as traded, because the factors of later splits and dividends would tell
        the future. Where there are no prices as traded, they come as the source has them.
        """
        closed = bisect_right(self.sessions, now_ns, key=_close_of)
        if not closed:
            return ()
        last_date = self.sessions[closed - 1].date
        if adjustment == "raw":
            return self._until(symbol, "raw", last_date)
        remembered = self._adjusted.get(symbol)
        if remembered is None or remembered[0] != last_date:
            # One entry a symbol, replaced once a session: scaling thousands of bars is not cheap.
            remembered = (last_date, self._scaled(symbol, last_date))
            self._adjusted[symbol] = remembered
        return remembered[1]

    def _scaled(self, symbol: str, last_date: str) -> Sequence[Bar]:
        known = self._until(symbol, "all", last_date)
        traded = self._until(symbol, "raw", last_date)
        if not known or not traded or traded[-1].session != known[-1].session:
            return known
        factor = ROUNDING.divide(traded[-1].close, known[-1].close)
        return tuple(_scaled(bar, factor) for bar in known)

    def _until(self, symbol: str, adjustment: Adjustment, date: str) -> Sequence[Bar]:
        bars = self._data.bars(symbol, adjustment)
        return bars[: bisect_right(bars, date, key=_session_of)]


def _scaled(bar: Bar, factor: Decimal) -> Bar:
    def scaled(price: Decimal) -> Decimal:
        return ROUNDING.quantize(ROUNDING.multiply(price, factor), _PRICE_STEP)

    return Bar(
        symbol=bar.symbol,
        session=bar.session,
        start_ns=bar.start_ns,
        open=scaled(bar.open),
        high=scaled(bar.high),
        low=scaled(bar.low),
        close=scaled(bar.close),
        volume=bar.volume,
    )
