"""A position as Alpaca shows it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from serve.valuation import PositionValue
from serve.wire.decimals import DecimalText, Uuid
from tradeplane.money import EXACT, plain
from tradeplane.trading.account import Position
from tradeplane.trading.market import Asset


class PositionBody(msgspec.Struct, frozen=True):
    """One long position.

    Without any known price, *current_price* is null and the position is worth its cost.
    """

    asset_id: Uuid
    symbol: str
    exchange: str
    asset_class: Literal["us_equity"]
    asset_marginable: bool
    qty: DecimalText
    qty_available: DecimalText
    avg_entry_price: DecimalText
    side: Literal["long"]
    market_value: DecimalText
    cost_basis: DecimalText
    unrealized_pl: DecimalText
    unrealized_plpc: DecimalText
    unrealized_intraday_pl: DecimalText
    unrealized_intraday_plpc: DecimalText
    current_price: DecimalText | None
    lastday_price: DecimalText | None
    change_today: DecimalText


OrderOrError = Annotated[
    Any,
    msgspec.Meta(
        extra_json_schema={
            "anyOf": [
                {"$ref": "#/components/schemas/OrderBody"},
                {"$ref": "#/components/schemas/ErrorBody"},
            ]
        }
    ),
]
"""An order, or the error body that the same refusal would have had alone."""


class ClosedPosition(msgspec.Struct, frozen=True):
    """One row of the answer to closing all positions.

    Attributes:
        status: the HTTP status of this one.
        body: the closing order, or why there is none.
    """

    symbol: str
    status: int
    body: OrderOrError


def position_body(asset: Asset, position: Position, value: PositionValue) -> PositionBody:
    """Return the body of *position* at *value*."""
    return PositionBody(
        asset_id=asset.asset_id,
        symbol=asset.symbol,
        exchange=asset.exchange,
        asset_class="us_equity",
        asset_marginable=False,
        qty=plain(position.qty),
        qty_available=plain(EXACT.subtract(position.qty, position.held_qty)),
        avg_entry_price=plain(position.average_entry_price()),
        side="long",
        market_value=plain(value.market_value),
        cost_basis=plain(value.cost_basis),
        unrealized_pl=plain(value.pl),
        unrealized_plpc=plain(value.plpc),
        unrealized_intraday_pl=plain(value.intraday_pl),
        unrealized_intraday_plpc=plain(value.intraday_plpc),
        current_price=None if value.price is None else plain(value.price),
        lastday_price=None if value.lastday_price is None else plain(value.lastday_price),
        change_today=plain(value.change_today),
    )
