"""The assets by symbol and by id, as paths and orders name them."""

from __future__ import annotations

from collections.abc import Iterable

from tradeplane.trading.market import Asset


class AssetDirectory:
    """All assets, looked up by symbol or id.

    Args:
        assets: the market data's assets, by symbol.
    """

    def __init__(self, assets: Iterable[Asset]) -> None:
        self.assets = tuple(assets)
        self._by_symbol = {asset.symbol: asset for asset in self.assets}
        self._by_id = {asset.asset_id: asset for asset in self.assets}

    def find(self, symbol_or_id: str) -> Asset | None:
        """Return the asset with this symbol, or with this id in any case, or None."""
        asset = self._by_symbol.get(symbol_or_id)
        return asset or self._by_id.get(symbol_or_id.lower())

    def of_symbol(self, symbol: str) -> Asset:
        """Return the asset of a symbol that the ledger holds."""
        return self._by_symbol[symbol]
