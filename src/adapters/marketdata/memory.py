"""Market data made of a few bars in memory, for tests and trials."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Self

import msgspec

from adapters.marketdata.adjustment import rounded
from adapters.marketdata.listings import listed_asset
from adapters.marketdata.parquet_store import new_york_midnight_ns
from tradeplane.clock import NS_PER_S
from tradeplane.money import EXACT, ROUNDING
from tradeplane.trading.bars import Adjustment, Bar
from tradeplane.trading.market import Asset, Session, Split

_OPEN_S = 34_200
_CLOSE_S = 57_600
_DATES = ("2012-05-21", "2012-05-22", "2012-05-23", "2012-05-24", "2012-05-25")


class MemoryMarketData:
    """The port MarketData on bars that the caller gives.

    Args:
        raw: the bars of the tradable symbols, as traded, in any order.
        splits: their splits; the adjusted bars follow from them.
        sessions: the calendar; without it, every date of a bar from 9:30 to 16:00 in New York.
        closes_only: adjusted bars of symbols that cannot be traded.
    """

    def __init__(
        self,
        raw: Sequence[Bar],
        *,
        splits: Sequence[Split] = (),
        sessions: Sequence[Session] | None = None,
        closes_only: Sequence[Bar] = (),
    ) -> None:
        self._raw = _by_symbol(raw)
        self._splits = tuple(sorted(splits, key=lambda split: (split.session, split.symbol)))
        self._all = {
            symbol: tuple(self._adjusted(bar) for bar in bars) for symbol, bars in self._raw.items()
        }
        self._all |= _by_symbol(closes_only)
        self._sessions = tuple(sessions) if sessions is not None else _sessions(raw)

    @classmethod
    def sample(
        cls, symbols: Sequence[str] = ("AAPL", "MSFT"), dates: Sequence[str] = _DATES
    ) -> Self:
        """Return made-up bars of *symbols* on *dates*, ``YYYY-MM-DD``, always the same ones.

        The first symbol opens at 100 dollars on the first date, every next symbol 50 higher, every
        next date 1 higher; high and low lie 3 above and 2 below, the close 1 above.
        """
        return cls(
            [
                _sample_bar(symbol, day, Decimal(100 + 50 * rank + number))
                for rank, symbol in enumerate(symbols)
                for number, day in enumerate(dates)
            ]
        )

    def assets(self) -> Sequence[Asset]:
        """Return every known asset, by symbol; those with raw bars are tradable."""
        return tuple(
            listed_asset(symbol, tradable=symbol in self._raw) for symbol in sorted(self._all)
        )

    def bars(self, symbol: str, adjustment: Adjustment) -> Sequence[Bar]:
        """Return every bar of *symbol*, oldest first; none for an unknown symbol."""
        return (self._raw if adjustment == "raw" else self._all).get(symbol, ())

    def splits(self) -> Sequence[Split]:
        """Return the splits, oldest first."""
        return self._splits

    def sessions(self) -> Sequence[Session]:
        """Return the calendar, oldest first."""
        return self._sessions

    def _adjusted(self, bar: Bar) -> Bar:
        old, new = Decimal(1), Decimal(1)
        for split in self._splits:
            if split.symbol == bar.symbol and bar.session < split.session:
                old, new = old * split.denominator, new * split.numerator
        return msgspec.structs.replace(
            bar,
            **{
                name: rounded(ROUNDING.divide(EXACT.multiply(getattr(bar, name), old), new))
                for name in ("open", "high", "low", "close")
            },
        )


def _by_symbol(bars: Sequence[Bar]) -> dict[str, tuple[Bar, ...]]:
    found: dict[str, list[Bar]] = {}
    for bar in sorted(bars, key=lambda bar: (bar.symbol, bar.session)):
        found.setdefault(bar.symbol, []).append(bar)
    return {symbol: tuple(series) for symbol, series in found.items()}


def _sessions(bars: Sequence[Bar]) -> tuple[Session, ...]:
    starts = sorted({(bar.session, bar.start_ns) for bar in bars})
    return tuple(
        Session(day, start_ns + _OPEN_S * NS_PER_S, start_ns + _CLOSE_S * NS_PER_S)
        for day, start_ns in starts
    )


def _sample_bar(symbol: str, day: str, opened: Decimal) -> Bar:
    return Bar(
        symbol=symbol,
        session=day,
        start_ns=new_york_midnight_ns(day),
        open=opened,
        high=opened + 3,
        low=opened - 2,
        close=opened + 1,
        volume=1_000_003,
    )
