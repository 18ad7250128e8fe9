"""An asset as Alpaca shows it."""

from __future__ import annotations

from typing import Literal

import msgspec

from serve.wire.decimals import Uuid
from tradeplane.trading.market import Asset


class AssetBody(msgspec.Struct, frozen=True):
    """One asset. It is not tradable where the data has adjusted closes only."""

    id: Uuid
    asset_class: Literal["us_equity"] = msgspec.field(name="class")
    exchange: str
    symbol: str
    name: str
    status: Literal["active"]
    tradable: bool
    fractionable: bool
    marginable: bool = False
    shortable: bool = False
    easy_to_borrow: bool = False
    attributes: tuple[str, ...] = ()


def asset_body(asset: Asset) -> AssetBody:
    """Return the body of *asset*."""
    return AssetBody(
        id=asset.asset_id,
        asset_class="us_equity",
        exchange=asset.exchange,
        symbol=asset.symbol,
        name=asset.name,
        status="active",
        tradable=asset.tradable,
        fractionable=asset.tradable,
    )
