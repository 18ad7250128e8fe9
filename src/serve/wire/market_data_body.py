"""Bars, quotes, trades and snapshots as Alpaca's market data shows them: one-letter keys, numbers.

Decimals leave as JSON numbers here, by :data:`serve.wire.decimals.encode_numbers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from serve.wire.decimals import Timestamp
from tradeplane.clock import NS_PER_S, rfc3339
from tradeplane.money import EXACT
from tradeplane.trading.bars import Bar
from tradeplane.trading.market import Print

HALF_SPREAD = Decimal("0.01")
"""Quotes are derived: this far below and above the last price."""

QUOTE_SIZE = 100
_PRICE_MIN = Decimal("0.0001")
_NS_PER_MINUTE = 60 * NS_PER_S


class BarBody(msgspec.Struct, frozen=True):
    """Prices of a period; *n* and *vw* are null where the data does not have them."""

    t: Timestamp
    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741  # Alpaca's key
    c: Decimal
    v: int
    n: int | None = None
    vw: Decimal | None = None


class TradeBody(msgspec.Struct, frozen=True):
    """The last print: its price and the shares that it stands for."""

    t: Timestamp
    p: Decimal
    s: int


class QuoteBody(msgspec.Struct, frozen=True):
    """A derived quote around the last print."""

    t: Timestamp
    bp: Decimal
    ap: Decimal
    bs: int = QUOTE_SIZE
    as_: int = msgspec.field(name="as", default=QUOTE_SIZE)


class SnapshotBody(msgspec.Struct, frozen=True, rename="camel"):
    """What is known of one symbol now.

    Attributes:
        minute_bar: the last print as a bar.
        daily_bar: the prints of the current or last session as a bar.
        prev_daily_bar: the session before.
    """

    latest_trade: TradeBody
    latest_quote: QuoteBody
    minute_bar: BarBody
    daily_bar: BarBody | None
    prev_daily_bar: BarBody | None


class SymbolSnapshotBody(msgspec.Struct, frozen=True, rename="camel"):
    """The snapshot of the one symbol that was asked for."""

    symbol: str
    latest_trade: TradeBody
    latest_quote: QuoteBody
    minute_bar: BarBody
    daily_bar: BarBody | None
    prev_daily_bar: BarBody | None


class LatestBars(msgspec.Struct, frozen=True):
    """The newest bar of each symbol that has one."""

    bars: dict[str, BarBody]


class LatestQuotes(msgspec.Struct, frozen=True):
    """The newest quote of each symbol that has one."""

    quotes: dict[str, QuoteBody]


class LatestTrades(msgspec.Struct, frozen=True):
    """The newest trade of each symbol that has one."""

    trades: dict[str, TradeBody]


class LatestBar(msgspec.Struct, frozen=True):
    """The newest bar of one symbol."""

    symbol: str
    bar: BarBody


class LatestQuote(msgspec.Struct, frozen=True):
    """The newest quote of one symbol."""

    symbol: str
    quote: QuoteBody


class LatestTrade(msgspec.Struct, frozen=True):
    """The newest trade of one symbol."""

    symbol: str
    trade: TradeBody


class BarsPage(msgspec.Struct, frozen=True):
    """One page of bars by symbol; give *next_page_token* as ``page_token`` for the next."""

    bars: dict[str, list[BarBody]]
    next_page_token: str | None


class SymbolBarsPage(msgspec.Struct, frozen=True):
    """One page of the bars of one symbol."""

    symbol: str
    bars: list[BarBody]
    next_page_token: str | None


def bar_body(bar: Bar) -> BarBody:
    """Return the body of a day, a week or a month of the data."""
    return BarBody(rfc3339(bar.start_ns), bar.open, bar.high, bar.low, bar.close, bar.volume)


def minute_bar_body(traded: Print) -> BarBody:
    """Return *traded* as the bar of its minute: the data has one print in it."""
    minute_ns = traded.at_ns - traded.at_ns % _NS_PER_MINUTE
    price = traded.price
    return BarBody(rfc3339(minute_ns), price, price, price, price, traded.volume, 1, price)


def daily_bar_body(prints: Sequence[Print], start_ns: int) -> BarBody:
    """Return the session so far as a bar that starts at *start_ns*."""
    prices = [traded.price for traded in prints]
    volume = sum(traded.volume for traded in prints)
    return BarBody(rfc3339(start_ns), prices[0], max(prices), min(prices), prices[-1], volume)


def trade_body(traded: Print) -> TradeBody:
    """Return the body of a print."""
    return TradeBody(rfc3339(traded.at_ns), traded.price, traded.volume)


def quote_body(traded: Print) -> QuoteBody:
    """Return the quote derived from a print."""
    bid = max(EXACT.subtract(traded.price, HALF_SPREAD), _PRICE_MIN)
    return QuoteBody(rfc3339(traded.at_ns), bid, EXACT.add(traded.price, HALF_SPREAD))
