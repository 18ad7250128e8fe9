"""Real market data, from Parquet files in the home folder."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from adapters.marketdata.conversion import open_tables
from adapters.marketdata.listings import listed_asset
from tradeplane.clock import NS_PER_S
from tradeplane.trading.bars import Adjustment, Bar
from tradeplane.trading.market import Asset, Session, Split

_COLUMNS = ["session", "open", "high", "low", "close", "volume"]
_NEW_YORK = ZoneInfo("America/New_York")


def new_york_midnight_ns(session: str) -> int:
    """Return the start of the date *session*, ``YYYY-MM-DD``, in New York; since the Unix epoch."""
    midnight = datetime.fromisoformat(session).replace(tzinfo=_NEW_YORK)
    return int(midnight.timestamp()) * NS_PER_S


class ParquetMarketData:
    """The market data of the installation, behind the port MarketData.

    Everything is read into memory once; a symbol's bars become objects when they are first asked
    for. Instances may be shared between threads.

    Args:
        home: the folder of the installation; the files lie in ``marketdata`` below it, and are
            made there from the data packages if they are missing or damaged.

    Raises:
        Misconfigured: there are neither files nor the packages that they are made from.
    """

    def __init__(self, home: Path) -> None:
        self._tables = open_tables(home / "marketdata")
        self._series = self._tables.series()
        self._splits = tuple(Split(**row) for row in self._tables.splits.read().to_pylist())
        sessions = self._tables.sessions.read().to_pylist()
        self._sessions = tuple(Session(**row) for row in sessions)
        self._starts = {each.date: new_york_midnight_ns(each.date) for each in self._sessions}
        self._assets = tuple(
            listed_asset(symbol, tradable=(symbol, "raw") in self._series)
            for symbol in dict.fromkeys(symbol for symbol, _ in self._series)
        )
        self._bars: dict[tuple[str, str], tuple[Bar, ...]] = {}
        self._lock = threading.Lock()

    def assets(self) -> Sequence[Asset]:
        """Return every known asset, by symbol; tradable are those with prices as traded."""
        return self._assets

    def bars(self, symbol: str, adjustment: Adjustment) -> Sequence[Bar]:
        """Return every bar of *symbol*, oldest first; none for an unknown symbol.

        A tradable symbol's ``all`` bars come from the source of its ``raw`` ones, scaled by the
        adjusted close. Before and after those they are adjusted closes of the other source,
        scaled to meet without a jump, with volume 0.
        """
        series = (symbol, adjustment)
        if series not in self._series:
            return ()
        with self._lock:
            if series not in self._bars:
                self._bars[series] = self._load(symbol, self._series.index(series))
        return self._bars[series]

    def splits(self) -> Sequence[Split]:
        """Return every split of a tradable asset, oldest first."""
        return self._splits

    def sessions(self) -> Sequence[Session]:
        """Return the exchange's sessions over the whole range of the data, oldest first."""
        return self._sessions

    def _load(self, symbol: str, row_group: int) -> tuple[Bar, ...]:
        columns = self._tables.bars.read_row_group(row_group, columns=_COLUMNS).to_pydict()
        return tuple(
            Bar(
                symbol=symbol,
                session=session,
                start_ns=self._starts[session],
                open=close if opened is None else opened,
                high=close if high is None else high,
                low=close if low is None else low,
                close=close,
                volume=volume,
            )
            for session, opened, high, low, close, volume in zip(
                *(columns[name] for name in _COLUMNS), strict=True
            )
        )
