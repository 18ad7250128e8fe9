"""``/v2/assets``: what has a symbol."""

from __future__ import annotations

from serve.asset_directory import AssetDirectory
from serve.exchange import Exchange, Reply
from serve.operation import Answer, Operation, choice_parameter, text_parameter
from serve.query import Query
from serve.wire.asset_body import AssetBody, asset_body
from serve.wire.decimals import encode
from tradeplane.errors import NotFound

_STATUSES = ("active", "inactive", "all")
_CLASSES = ("us_equity", "us_option", "crypto", "crypto_perp")
# Alpaca's exchanges; a client that knows them accepts no other.
_EXCHANGES = (
    "AMEX",
    "ARCA",
    "ASCX",
    "BATS",
    "NYSE",
    "NASDAQ",
    "NYSEARCA",
    "FTXU",
    "CBSE",
    "GNSS",
    "ERSX",
    "OTC",
    "CRYPTO",
)


class AssetRoutes:
    """The operations on assets.

    Args:
        assets: all assets.
    """

    def __init__(self, assets: AssetDirectory) -> None:
        self._assets = assets
        self._encoded = {asset.asset_id: encode(asset_body(asset)) for asset in assets.assets}

    async def list_all(self, exchange: Exchange) -> Reply:
        """Return the assets that the filters take; every asset is active and a US equity."""
        query = Query(exchange.query)
        status = query.choice("status", _STATUSES, "all")
        asset_class = query.choice("asset_class", _CLASSES, "us_equity")
        where = query.choice("exchange", _EXCHANGES, "")
        if status == "inactive" or asset_class != "us_equity":
            return Reply(200, b"[]")
        taken = [
            self._encoded[asset.asset_id]
            for asset in self._assets.assets
            if where in {"", asset.exchange}
        ]
        return Reply(200, b"[%s]" % b",".join(taken))

    async def get(self, exchange: Exchange) -> Reply:
        """Return one asset."""
        name = exchange.params["symbol_or_asset_id"]
        asset = self._assets.find(name)
        if asset is None:
            raise NotFound(f"asset not found for {name}")
        return Reply(200, self._encoded[asset.asset_id])

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        return (
            Operation(
                "GET",
                "/v2/assets",
                self.list_all,
                "listAssets",
                "List assets",
                "assets",
                (Answer(200, "The assets, by symbol.", list[AssetBody]),),
                errors=(422,),
                parameters=(
                    choice_parameter("status", _STATUSES, "Every asset here is active.", "all"),
                    choice_parameter("asset_class", _CLASSES, "The class.", "us_equity"),
                    choice_parameter("exchange", _EXCHANGES, "Only those listed there."),
                ),
                action="market:read",
            ),
            Operation(
                "GET",
                "/v2/assets/{symbol_or_asset_id}",
                self.get,
                "getAsset",
                "Get an asset",
                "assets",
                (Answer(200, "The asset.", AssetBody),),
                errors=(404,),
                parameters=(
                    text_parameter("symbol_or_asset_id", "Symbol or asset id.", place="path"),
                ),
                action="market:read",
            ),
        )
