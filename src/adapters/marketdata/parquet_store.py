"""Real market data, from Parquet files in the home folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow.compute as pc

from adapters.marketdata.conversion import open_tables
from adapters.marketdata.listings import listed_asset
from tradeplane.clock import NS_PER_S
from tradeplane.trading.bars import Adjustment, Bar
from tradeplane.trading.market import Asset, Session, Split

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
        tables = open_tables(home / "marketdata")
        self._bars_table = tables.bars
        self._splits = tuple(Split(**row) for row in tables.splits.to_pylist())
        self._sessions = tuple(Session(**row) for row in tables.sessions.to_pylist())
        self._starts = {each.date: new_york_midnight_ns(each.date) for each in self._sessions}
        self._assets = _assets(tables.bars)
        self._bars: dict[tuple[str, Adjustment], tuple[Bar, ...]] = {}

    def assets(self) -> Sequence[Asset]:
        """Return every known asset, by symbol; tradable are those with prices as traded."""
        return self._assets

    def bars(self, symbol: str, adjustment: Adjustment) -> Sequence[Bar]:
        """Return every bar of *symbol*, oldest first; none for an unknown symbol.

        A tradable symbol's ``all`` bars come from the source of its ``raw`` ones, scaled by the
        adjusted close. Before and after those they are adjusted closes of the other source,
        scaled to meet without a jump, with volume 0.
        """
        found = self._bars.get((symbol, adjustment))
        if found is None:
            found = self._load(symbol, adjustment)
            if found:
                self._bars[symbol, adjustment] = found
        return found

    def splits(self) -> Sequence[Split]:
        """Return every split of a tradable asset, oldest first."""
        return self._splits

    def sessions(self) -> Sequence[Session]:
        """Return the exchange's sessions over the whole range of the data, oldest first."""
        return self._sessions

    def _load(self, symbol: str, adjustment: Adjustment) -> tuple[Bar, ...]:
        table = self._bars_table
        wanted = pc.and_(
            pc.equal(table["symbol"], symbol), pc.equal(table["adjustment"], adjustment)
        )
        columns = table.filter(wanted).drop_columns(["symbol", "adjustment"]).to_pydict()
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
            for session, opened, high, low, close, volume in zip(*columns.values(), strict=True)
        )


def _assets(bars: Any) -> tuple[Asset, ...]:
    pairs = bars.group_by(["symbol", "adjustment"]).aggregate([]).to_pylist()
    tradable = {pair["symbol"] for pair in pairs if pair["adjustment"] == "raw"}
    symbols = sorted({pair["symbol"] for pair in pairs})
    return tuple(listed_asset(symbol, tradable=symbol in tradable) for symbol in symbols)
