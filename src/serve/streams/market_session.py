"""``/v2/{feed}``: trades, quotes and bars, as Alpaca's market-data stream speaks."""

from __future__ import annotations

from typing import Any

import msgspec

from serve.streams.connection import Connection
from serve.streams.doorman import Doorman
from serve.streams.market_hub import CHANNELS, MarketHub
from tradeplane.errors import LimitReached, TradeplaneError

SYMBOLS_MAX = 1_000
"""Symbols of one channel that one connection may subscribe to."""

_ERRORS = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    406: "connection limit exceeded",
    405: "symbol limit exceeded",
    500: "internal error",
}
"""Alpaca's codes and texts, which its clients compare."""


class _Request(msgspec.Struct, frozen=True, rename="camel"):
    action: str
    key: str = ""
    secret: str = ""
    trades: list[str] = []
    quotes: list[str] = []
    bars: list[str] = []
    daily_bars: list[str] = []
    updated_bars: list[str] = []
    statuses: list[str] = []

    def named(self) -> dict[str, list[str]]:
        """Return the symbols of each channel."""
        wanted = (
            self.trades, self.quotes, self.bars, self.daily_bars, self.updated_bars, self.statuses
        )  # fmt: skip
        return dict(zip(CHANNELS, wanted, strict=True))


_decode_json = msgspec.json.Decoder(_Request).decode
_decode_msgpack = msgspec.msgpack.Decoder(_Request).decode


class MarketSession:
    """The protocol on one connection.

    Args:
        connection: the connection.
        doorman: who may come in.
        hub: where messages come from.
    """

    def __init__(self, connection: Connection, doorman: Doorman, hub: MarketHub) -> None:
        self._connection = connection
        self._doorman = doorman
        self._hub = hub
        self._subscribed: dict[str, set[str]] = {channel: set() for channel in CHANNELS}

    async def run(self) -> None:
        """Speak until either side ends."""
        if not await self._connection.accept():
            return
        self._say({"T": "success", "msg": "connected"})
        try:
            await self._connection.serve(self._handle)
        finally:
            for channel, symbols in self._subscribed.items():
                self._hub.unsubscribe(self._sink, channel, symbols)
            if self._connection.credential is not None:
                self._doorman.leave(self._connection.credential)

    async def _handle(self, message: bytes) -> None:
        try:
            packed = self._connection.wants_msgpack
            request = _decode_msgpack(message) if packed else _decode_json(message)
        except msgspec.DecodeError:
            self._refuse(400)
            return
        if request.action == "auth":
            self._authenticate(request)
        elif request.action not in {"subscribe", "unsubscribe"}:
            self._refuse(400)
        elif self._connection.credential is None:
            self._refuse(401)
        else:
            self._change(request)

    def _authenticate(self, request: _Request) -> None:
        if self._connection.credential is not None:
            self._refuse(403)
            return
        try:
            credential = self._doorman.admit(request.key, request.secret)
        except LimitReached:
            self._refuse(406)
            return
        except TradeplaneError:
            self._refuse(500)
            return
        if credential is None:
            self._refuse(402)
            return
        self._connection.credential = credential
        self._say({"T": "success", "msg": "authenticated"})

    def _change(self, request: _Request) -> None:
        adding = request.action == "subscribe"
        named = request.named()
        if adding and any(
            len(self._subscribed[channel] | set(symbols)) > SYMBOLS_MAX
            for channel, symbols in named.items()
        ):
            self._refuse(405)
            return
        for channel, symbols in named.items():
            if adding:
                self._hub.subscribe(self._sink, channel, symbols)
                self._subscribed[channel].update(symbols)
            else:
                self._hub.unsubscribe(self._sink, channel, symbols)
                self._subscribed[channel].difference_update(symbols)
        now = {channel: sorted(symbols) for channel, symbols in self._subscribed.items()}
        self._say({"T": "subscription", **now})

    def _sink(self, packed: bytes, text: bytes) -> None:
        if self._connection.wants_msgpack:
            self._connection.outbox.put(packed)
        else:
            self._connection.outbox.put(text.decode())

    def _refuse(self, code: int) -> None:
        self._say({"T": "error", "code": code, "msg": _ERRORS[code]})

    def _say(self, message: dict[str, Any]) -> None:
        self._sink(msgspec.msgpack.encode([message]), msgspec.json.encode([message]))
