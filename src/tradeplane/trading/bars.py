"""Historical bars, and the port through which market data comes in."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal, Protocol

import msgspec

from tradeplane.trading.market import Asset, Session, Split

Adjustment = Literal["raw", "all"]


class Bar(msgspec.Struct, frozen=True):
    """One trading day of one symbol.

    Attributes:
        session: ``YYYY-MM-DD``.
        start_ns: midnight in New York of that date, as Alpaca stamps daily bars.
        volume: shares; 0 where the source has none.
    """

    symbol: str
    session: str
    start_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int


class MarketData(Protocol):
    """A source of daily market data. A real feed is another implementation of this port.

    Every implementation MUST pass ``tests/contract/test_marketdata.py``. All answers are immutable
    and the same on every call.
    """

    def assets(self) -> Sequence[Asset]:
        """Return every known asset, by symbol."""

    def bars(self, symbol: str, adjustment: Adjustment) -> Sequence[Bar]:
        """Return every bar of *symbol*, oldest first.

        ``raw`` bars are prices as traded; ``all`` bars are adjusted for splits and dividends.
        Where the source has adjusted closes only, all four prices of the ``all`` bar are the
        close and ``raw`` is empty. An unknown symbol has no bars.
        """

    def splits(self) -> Sequence[Split]:
        """Return every split of a tradable asset, oldest first."""

    def sessions(self) -> Sequence[Session]:
        """Return the exchange's sessions over the whole range of the data, oldest first."""
