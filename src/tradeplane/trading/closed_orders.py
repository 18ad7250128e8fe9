"""Closed orders, as the database keeps them for ever after the account has forgotten them."""

from __future__ import annotations

import msgspec

from tradeplane.trading.orders import Order, OrderStatus, Side


class ClosedOrder(msgspec.Struct, frozen=True):
    """One row of the table ``closed_orders``, written with the event that closed the order.

    Attributes:
        priority: the shard's order of acceptance; breaks ties of *submitted_ns*.
        document: the whole :class:`Order` as JSON.
    """

    account_id: str
    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    status: OrderStatus
    submitted_ns: int
    closed_ns: int
    priority: int
    document: bytes


class ClosedOrderQuery(msgspec.Struct, frozen=True):
    """Which closed orders of one account: newest submission first unless *ascending*.

    Attributes:
        after_ns: only those submitted later than this, or None.
        until_ns: only those submitted earlier than this, or None.
        symbols: only these symbols; empty for all.
        side: only this side, or None.
        limit: at most this many, 1 to 500.
    """

    account_id: str
    after_ns: int | None = None
    until_ns: int | None = None
    symbols: tuple[str, ...] = ()
    side: Side | None = None
    ascending: bool = False
    limit: int = 50


def closed_order(order: Order) -> ClosedOrder:
    """Return the row of *order*, which must be closed."""
    assert order.closed_ns is not None, "only a closed order has a row"
    return ClosedOrder(
        account_id=order.account_id,
        order_id=order.order_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        status=order.status,
        submitted_ns=order.submitted_ns,
        closed_ns=order.closed_ns,
        priority=order.priority,
        document=msgspec.json.encode(order),
    )
