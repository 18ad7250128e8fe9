"""The companies behind the symbols, and where their shares were listed."""

from __future__ import annotations

import uuid

from tradeplane.errors import Misconfigured
from tradeplane.trading.market import Asset

_NAMESPACE = uuid.UUID("5b0c9d1e-3f0e-5c3a-9a44-6d1f7f2a7c11")

# As of each symbol's last price in the data: names change (FB, GOOG), and listings move (AMD went
# to NASDAQ in 2015, PEP in 2017, WMT only in 2025).
_LISTINGS: dict[str, tuple[str, str]] = {
    "AAPL": ("NASDAQ", "Apple Inc. Common Stock"),
    "AMD": ("NASDAQ", "Advanced Micro Devices, Inc. Common Stock"),
    "BAC": ("NYSE", "Bank of America Corporation Common Stock"),
    "BBY": ("NYSE", "Best Buy Co., Inc. Common Stock"),
    "CVX": ("NYSE", "Chevron Corporation Common Stock"),
    "FB": ("NASDAQ", "Facebook, Inc. Class A Common Stock"),
    "GE": ("NYSE", "General Electric Company Common Stock"),
    "GOOG": ("NASDAQ", "Google Inc. Class A Common Stock"),
    "HD": ("NYSE", "The Home Depot, Inc. Common Stock"),
    "IBM": ("NYSE", "International Business Machines Corporation Common Stock"),
    "JNJ": ("NYSE", "Johnson & Johnson Common Stock"),
    "JPM": ("NYSE", "JPMorgan Chase & Co. Common Stock"),
    "KO": ("NYSE", "The Coca-Cola Company Common Stock"),
    "LLY": ("NYSE", "Eli Lilly and Company Common Stock"),
    "MRK": ("NYSE", "Merck & Co., Inc. Common Stock"),
    "MSFT": ("NASDAQ", "Microsoft Corporation Common Stock"),
    "PEP": ("NASDAQ", "PepsiCo, Inc. Common Stock"),
    "PFE": ("NYSE", "Pfizer Inc. Common Stock"),
    "PG": ("NYSE", "The Procter & Gamble Company Common Stock"),
    "RRC": ("NYSE", "Range Resources Corporation Common Stock"),
    "UNH": ("NYSE", "UnitedHealth Group Incorporated Common Stock"),
    "WMT": ("NYSE", "Walmart Inc. Common Stock"),
    "XOM": ("NYSE", "Exxon Mobil Corporation Common Stock"),
}


def listed_asset(symbol: str, *, tradable: bool) -> Asset:
    """Return the asset behind *symbol*; its id is the same in every installation.

    Raises:
        Misconfigured: the listing of *symbol* is not known here.
    """
    if symbol not in _LISTINGS:
        raise Misconfigured(
            f"the data have prices of {symbol!r}, whose listing is not known; "
            f"known are {', '.join(_LISTINGS)}"
        )
    exchange, name = _LISTINGS[symbol]
    asset_id = str(uuid.uuid5(_NAMESPACE, f"{exchange}:{symbol}"))
    return Asset(asset_id, symbol, name, exchange, tradable)
