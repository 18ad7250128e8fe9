"""What ``trade_updates`` says of an order, as Alpaca's trading stream does."""

from __future__ import annotations

from typing import Any

import msgspec

from serve.wire.order_body import OrderBody, order_body
from tradeplane.clock import rfc3339
from tradeplane.money import plain
from tradeplane.trading.account import Account
from tradeplane.trading.events import (
    AccountEvent,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
)
from tradeplane.trading.market import Asset
from tradeplane.trading.orders import Order, OrderStatus


class TradeUpdate(msgspec.Struct, frozen=True, omit_defaults=True):
    """One change of an order.

    Attributes:
        event: Alpaca's name of it.
        order: the order after it.
        timestamp: venue time of it.
        sequence: the account's version after it, which grows with every event of the account; so a
            client that asks from its last one gets each update once. No part of Alpaca's protocol.
        execution_id: of a fill.
        price: of a fill, US dollars a share.
        qty: of a fill, shares.
        position_qty: shares held after a fill.
    """

    event: str
    order: OrderBody
    timestamp: str
    sequence: int
    execution_id: str | None = None
    price: str | None = None
    qty: str | None = None
    position_qty: str | None = None


_NAMES: dict[type[Any], str] = {
    OrderActivated: "new",
    OrderCanceled: "canceled",
    OrderExpired: "expired",
}


def order_id_of(event: AccountEvent) -> str | None:
    """Return the order that *event* changed, or None when it is not about an order."""
    if isinstance(event, OrderAccepted):
        return event.order.order_id
    if isinstance(event, (OrderActivated, OrderFilled, OrderCanceled, OrderExpired)):
        return event.order_id
    return None


def trade_update(account: Account, event: AccountEvent, order: Order, asset: Asset) -> TradeUpdate:
    """Return the update that *event* means.

    Args:
        account: after the event.
        event: an event about an order.
        order: the order after the event.
        asset: what is traded.
    """
    body = order_body(order, asset)
    if isinstance(event, OrderAccepted):
        name = "accepted" if order.status is OrderStatus.ACCEPTED else "pending_new"
        return TradeUpdate(name, body, rfc3339(order.submitted_ns), account.version)
    if isinstance(event, OrderFilled):
        position = account.positions.get(order.symbol)
        return TradeUpdate(
            "fill" if order.status is OrderStatus.FILLED else "partial_fill",
            body,
            rfc3339(event.at_ns),
            account.version,
            event.execution_id,
            plain(event.price),
            plain(event.qty),
            plain(position.qty) if position else "0",
        )
    return TradeUpdate(_NAMES[type(event)], body, rfc3339(order.updated_ns), account.version)
