"""An order and its life cycle."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Literal

import msgspec

from tradeplane.money import ZERO

Side = Literal["buy", "sell"]
OrderType = Literal["market", "limit"]
TimeInForce = Literal["day", "gtc", "ioc", "fok"]


class OrderStatus(enum.StrEnum):
    """Alpaca's names; the rest of its enum is not used by this venue yet."""

    PENDING_NEW = "pending_new"
    ACCEPTED = "accepted"
    NEW = "new"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"


_S = OrderStatus
TRANSITIONS: dict[OrderStatus, frozenset[OrderStatus]] = {
    _S.PENDING_NEW: frozenset({_S.NEW, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED}),
    _S.ACCEPTED: frozenset({_S.NEW, _S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED}),
    _S.NEW: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED}),
    _S.PARTIALLY_FILLED: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCELED, _S.EXPIRED}),
    _S.FILLED: frozenset(),
    _S.CANCELED: frozenset(),
    _S.EXPIRED: frozenset(),
}
"""The whole life cycle: from each status, the statuses that may follow. Terminal ones absorb."""

OPEN = frozenset(status for status, followers in TRANSITIONS.items() if followers)


class Order(msgspec.Struct):
    """One order of an account.

    Amounts are US dollars or shares; times are venue time in nanoseconds.

    Attributes:
        order_id: UUID, given by the edge; the idempotency of a retry rests on it.
        client_order_id: the caller's own id; unique in the account for ever.
        qty: shares ordered, at most 9 decimals.
        limit_price: set for limit orders only.
        reserve_price: dollars a share that an open buy holds back.
        filled_qty: shares executed so far.
        filled_cost: the sum of price times shares executed; their quotient is the average price.
        submitted_ns: when it was accepted.
        updated_ns: when it last changed.
        closed_ns: when it reached a terminal status, or None.
        executions: how many fills it has had.
        priority: the shard's order of acceptance, the time priority.
    """

    order_id: str
    account_id: str
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    qty: Decimal
    limit_price: Decimal | None
    reserve_price: Decimal
    status: OrderStatus
    submitted_ns: int
    updated_ns: int
    priority: int
    filled_qty: Decimal = ZERO
    filled_cost: Decimal = ZERO
    closed_ns: int | None = None
    executions: int = 0
