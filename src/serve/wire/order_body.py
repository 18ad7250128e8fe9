"""An order as Alpaca shows it: every key, always."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from serve.wire.decimals import DecimalText, Timestamp, Uuid
from tradeplane.clock import NS_PER_S, rfc3339
from tradeplane.money import ROUNDING, plain
from tradeplane.trading.market import Asset
from tradeplane.trading.orders import Order, OrderStatus

GTC_NS = 90 * 24 * 3_600 * NS_PER_S
"""A gtc order is shown to end 90 days after its submission."""

_DISPLAY = Decimal("1e-9")
_INTENTS = {"buy": "buy_to_open", "sell": "sell_to_close"}


class OrderBody(msgspec.Struct, frozen=True):
    """One order.

    Keys that this venue never fills in are null: it has no stops, no trails, no legs and no
    replacement.
    """

    id: Uuid
    client_order_id: str
    created_at: Timestamp
    updated_at: Timestamp
    submitted_at: Timestamp
    filled_at: Timestamp | None
    expired_at: Timestamp | None
    expires_at: Timestamp | None
    canceled_at: Timestamp | None
    asset_id: Uuid
    symbol: str
    qty: DecimalText
    filled_qty: DecimalText
    filled_avg_price: DecimalText | None
    order_type: Literal["market", "limit"]
    type: Literal["market", "limit"]
    side: Literal["buy", "sell"]
    position_intent: str
    time_in_force: Literal["day", "gtc", "ioc", "fok"]
    limit_price: DecimalText | None
    status: OrderStatus
    asset_class: Literal["us_equity"] = "us_equity"
    order_class: Literal[""] = ""
    extended_hours: bool = False
    failed_at: None = None
    replaced_at: None = None
    replaced_by: None = None
    replaces: None = None
    notional: None = None
    stop_price: None = None
    trail_percent: None = None
    trail_price: None = None
    hwm: None = None
    legs: None = None
    subtag: None = None
    source: None = None


class CanceledOrder(msgspec.Struct, frozen=True):
    """One row of the answer to canceling all orders.

    Attributes:
        status: the HTTP status of this one's cancellation.
    """

    id: Uuid
    status: int = 200


def order_body(order: Order, asset: Asset) -> OrderBody:
    """Return the body of *order* as it is now."""
    submitted = rfc3339(order.submitted_ns)
    changed = order.updated_ns != order.submitted_ns
    updated = rfc3339(order.updated_ns) if changed else submitted
    closed = None if order.closed_ns is None else rfc3339(order.closed_ns)
    status = order.status
    return OrderBody(
        id=order.order_id,
        client_order_id=order.client_order_id,
        created_at=submitted,
        updated_at=updated,
        submitted_at=submitted,
        filled_at=closed if status is OrderStatus.FILLED else None,
        expired_at=closed if status is OrderStatus.EXPIRED else None,
        expires_at=(rfc3339(order.submitted_ns + GTC_NS) if order.time_in_force == "gtc" else None),
        canceled_at=closed if status is OrderStatus.CANCELED else None,
        asset_id=asset.asset_id,
        symbol=order.symbol,
        qty=plain(order.qty),
        filled_qty=plain(order.filled_qty),
        filled_avg_price=_average_price(order),
        order_type=order.type,
        type=order.type,
        side=order.side,
        position_intent=_INTENTS[order.side],
        time_in_force=order.time_in_force,
        limit_price=None if order.limit_price is None else plain(order.limit_price),
        status=status,
    )


def _average_price(order: Order) -> str | None:
    if not order.filled_qty:
        return None
    average = ROUNDING.divide(order.filled_cost, order.filled_qty)
    return plain(ROUNDING.quantize(average, _DISPLAY))
