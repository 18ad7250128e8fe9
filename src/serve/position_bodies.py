"""Encoded positions, kept while neither the account nor the price changes."""

from __future__ import annotations

from serve.asset_directory import AssetDirectory
from serve.valuation import Valuation
from serve.wire.decimals import encode
from serve.wire.position_body import PositionBody, position_body
from tradeplane.ports import Market
from tradeplane.trading.account import Account, Position
from tradeplane.trading.market import Print


class PositionBodies:
    """Renders positions; the encoded body of the same account version and print is made once.

    Args:
        market: the replayed market.
        valuation: values positions.
        assets: all assets.
        entries_max: bodies that are kept, about 1 KiB each; the oldest goes first.
    """

    def __init__(
        self,
        market: Market,
        valuation: Valuation,
        assets: AssetDirectory,
        entries_max: int = 4_096,
    ) -> None:
        self._market = market
        self._valuation = valuation
        self._assets = assets
        self._entries_max = entries_max
        self._entries: dict[tuple[str, str], tuple[int, Print, bytes]] = {}

    def body(self, account: Account, symbol: str, position: Position) -> PositionBody:
        """Return the body of *position*."""
        last = self._market.view().last.get(symbol)
        value = self._valuation.position(account, symbol, position, last)
        return position_body(self._assets.of_symbol(symbol), position, value)

    def encoded(self, account: Account, symbol: str, position: Position) -> bytes:
        """Return the JSON of *position*."""
        last = self._market.view().last.get(symbol)
        key = (account.account_id, symbol)
        entry = self._entries.get(key)
        if entry is not None and entry[0] == account.version and entry[1] is last:
            return entry[2]
        body = encode(self.body(account, symbol, position))
        if last is not None:
            # Without a print the price is the last close, which changes with the time alone.
            if entry is None and len(self._entries) >= self._entries_max:
                del self._entries[next(iter(self._entries))]
            self._entries[key] = (account.version, last, body)
        return body

    def __len__(self) -> int:
        return len(self._entries)
