"""Market data to every connection that has subscribed to a symbol."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from serve.asset_directory import AssetDirectory
from serve.wire.market_data_body import BarBody, daily_bar_body, minute_bar_body, quote_body
from tradeplane.clock import NS_PER_S
from tradeplane.trading.market import (
    MarketEvent,
    MarketView,
    Print,
    PrintPublished,
)

CHANNELS = ("trades", "quotes", "bars", "dailyBars", "updatedBars", "statuses")
"""What can be subscribed to. Nothing is halted or corrected here, so the last two stay silent."""

EVERYTHING = "*"
_NS_PER_MINUTE = 60 * NS_PER_S

Sink = Callable[[bytes, bytes], None]
"""Takes the messages of one event: as msgpack and as JSON, each an array of maps."""

_json = msgspec.json.Encoder(decimal_format="number").encode


# MessagePack has no decimals. Prices have at most four of them, which a double gives back exactly.
_msgpack = msgspec.msgpack.Encoder(decimal_format="number").encode


class MarketHub:
    """Encodes each message once a format, however many have subscribed.

    Args:
        view: returns the market as it is now.
        assets: all assets, for the exchanges' names.
    """

    def __init__(self, view: Callable[[], MarketView], assets: AssetDirectory) -> None:
        self._view = view
        self._assets = assets
        self._sinks: dict[tuple[str, str], set[Sink]] = {}
        self._trades = 0

    def subscribe(self, sink: Sink, channel: str, symbols: Iterable[str]) -> None:
        """Send *channel* of *symbols* to *sink* from now on."""
        for symbol in symbols:
            self._sinks.setdefault((channel, symbol), set()).add(sink)

    def unsubscribe(self, sink: Sink, channel: str, symbols: Iterable[str]) -> None:
        """Stop sending *channel* of *symbols* to *sink*."""
        for symbol in symbols:
            sinks = self._sinks.get((channel, symbol), set())
            sinks.discard(sink)
            if not sinks:
                self._sinks.pop((channel, symbol), None)

    def take(self, event: MarketEvent) -> None:
        """Tell everybody who has subscribed of *event*, which the view contains already."""
        if isinstance(event, PrintPublished):
            self._printed(event.print)

    def _printed(self, traded: Print) -> None:
        self._trades += 1
        symbol = traded.symbol
        exchange = self._assets.of_symbol(symbol).exchange[:1]
        self._send("trades", symbol, lambda: _trade(traded, self._trades, exchange))
        self._send("quotes", symbol, lambda: _quote(traded, exchange))
        minute_ns = traded.at_ns - traded.at_ns % _NS_PER_MINUTE
        self._send("bars", symbol, lambda: _bar("b", symbol, minute_bar_body(traded), minute_ns))
        day = self._view().day.get(symbol) or [traded]
        start_ns = day[0].at_ns
        self._send(
            "dailyBars", symbol, lambda: _bar("d", symbol, daily_bar_body(day, start_ns), start_ns)
        )

    def _send(
        self, channel: str, symbol: str, make: Callable[[], tuple[dict[str, Any], int]]
    ) -> None:
        sinks = self._sinks.get((channel, symbol), set()) | self._sinks.get(
            (channel, EVERYTHING), set()
        )
        if not sinks:
            return
        fields, at_ns = make()
        binary = _msgpack([{**fields, "t": _instant(at_ns)}])
        text = _json([{**fields, "t": _text(at_ns)}])
        for sink in sinks:
            sink(binary, text)


def _trade(traded: Print, number: int, exchange: str) -> tuple[dict[str, Any], int]:
    fields = {"T": "t", "S": traded.symbol, "i": number, "x": exchange, "p": traded.price}
    return {**fields, "s": traded.volume, "c": ["@"], "z": "C"}, traded.at_ns


def _quote(traded: Print, exchange: str) -> tuple[dict[str, Any], int]:
    quote = quote_body(traded)
    fields = {"T": "q", "S": traded.symbol, "bx": exchange, "bp": quote.bp, "bs": quote.bs}
    return {
        **fields, "ax": exchange, "ap": quote.ap, "as": quote.as_, "c": ["R"], "z": "C"
    }, traded.at_ns  # fmt: skip


def _bar(kind: str, symbol: str, body: BarBody, start_ns: int) -> tuple[dict[str, Any], int]:
    fields = {"T": kind, "S": symbol, "o": body.o, "h": body.h, "l": body.l, "c": body.c}
    return {**fields, "v": body.v, "n": body.n or 1, "vw": body.vw or body.c}, start_ns


def _instant(at_ns: int) -> datetime:
    seconds, fraction = divmod(at_ns, NS_PER_S)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=fraction // 1_000)


def _text(at_ns: int) -> str:
    return _instant(at_ns).isoformat().replace("+00:00", "Z")
