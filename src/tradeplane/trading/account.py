"""The state of one account, as a shard keeps it and as a replica mirrors it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from tradeplane.money import EXACT, QUANTITY_DECIMALS, ROUNDING, ZERO
from tradeplane.trading.events import (
    AccountEvent,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    PositionSplit,
)
from tradeplane.trading.market import Split
from tradeplane.trading.orders import TRANSITIONS, Order, OrderStatus

RECENT_ORDERS_MAX = 500
"""How many closed orders an account remembers; older ones are read from the database."""

_DISPLAY = Decimal("1e-9")
_COST_STEP = Decimal("1e-18")


class Position(msgspec.Struct):
    """A long position.

    ``entry_cost / entry_qty`` is the exact average entry price. Selling changes *qty* alone, so
    the average stays what it was to the last digit.

    Attributes:
        qty: shares held.
        held_qty: shares held back by open sells; ``qty - held_qty`` is free.
        entry_qty: shares at the last increase.
        entry_cost: what those cost, US dollars.
    """

    qty: Decimal
    held_qty: Decimal
    entry_qty: Decimal
    entry_cost: Decimal

    def average_entry_price(self) -> Decimal:
        """Return the average entry price, rounded half-even to 9 decimals for display."""
        return ROUNDING.quantize(ROUNDING.divide(self.entry_cost, self.entry_qty), _DISPLAY)

    def cost_basis(self) -> Decimal:
        """Return what the shares still held cost, rounded half-even to 9 decimals for display."""
        return ROUNDING.quantize(self.cost_of(self.qty), _DISPLAY)

    def cost_of(self, qty: Decimal) -> Decimal:
        """Return the entry cost of *qty* of the shares, US dollars.

        Exact for all shares of the last increase, else rounded half-even to 18 decimals.
        """
        if qty == self.entry_qty:
            return self.entry_cost
        share = ROUNDING.divide(ROUNDING.multiply(self.entry_cost, qty), self.entry_qty)
        return ROUNDING.quantize(share, _COST_STEP)


class Account(msgspec.Struct):
    """One cash account (multiplier 1, no shorting).

    Attributes:
        version: grows by one with each event of the account, from 1.
        cash: US dollars, settled by every fill at once.
        reserved: US dollars that open buys hold back; ``cash - reserved`` is the buying power.
        realized: profit of closed shares, US dollars.
        positions: by symbol; none with zero shares.
        open_orders: by order id, in time priority.
        recent_orders: closed orders by id, oldest close first, at most RECENT_ORDERS_MAX.
    """

    account_id: str
    tenant_id: str
    account_number: str
    opened_ns: int
    initial_cash: Decimal
    cash: Decimal
    version: int = 1
    reserved: Decimal = ZERO
    realized: Decimal = ZERO
    positions: dict[str, Position] = {}
    open_orders: dict[str, Order] = {}
    recent_orders: dict[str, Order] = {}

    def buying_power(self) -> Decimal:
        """Return the US dollars that new orders may reserve."""
        return EXACT.subtract(self.cash, self.reserved)

    def evolve(self, event: AccountEvent) -> Order | None:
        """Change the account by *event* (not AccountOpened) and grow *version* by one.

        Returns:
            The order, when the event closed it.
        """
        self.version += 1
        return _EVOLVE[type(event)](self, event)


Archive = Callable[[Order], None]


def _accepted(account: Account, event: OrderAccepted) -> None:
    # The event keeps the order as it was accepted; the account's own copy lives on.
    order = copy.copy(event.order)
    account.open_orders[order.order_id] = order
    if order.side == "buy":
        reservation = EXACT.multiply(order.qty, order.reserve_price)
        account.reserved = EXACT.add(account.reserved, reservation)
    else:
        position = account.positions[order.symbol]
        position.held_qty = EXACT.add(position.held_qty, order.qty)
        assert position.held_qty <= position.qty, "open sells hold only shares that exist"


def _activated(account: Account, event: OrderActivated) -> None:
    _move(account.open_orders[event.order_id], OrderStatus.NEW, event.at_ns)


def _filled(account: Account, event: OrderFilled) -> Order | None:
    order = account.open_orders[event.order_id]
    cost = EXACT.multiply(event.qty, event.price)
    _release(account, order, event.qty)
    if order.side == "buy":
        account.cash = EXACT.subtract(account.cash, cost)
        _increase(account, order.symbol, event.qty, cost)
    else:
        account.cash = EXACT.add(account.cash, cost)
        _decrease(account, order.symbol, event.qty, cost)
    order.filled_qty = EXACT.add(order.filled_qty, event.qty)
    order.filled_cost = EXACT.add(order.filled_cost, cost)
    order.executions += 1
    assert order.filled_qty <= order.qty, "an order fills no more than its quantity"
    if order.filled_qty == order.qty:
        return _close(account, order, OrderStatus.FILLED, event.at_ns)
    _move(order, OrderStatus.PARTIALLY_FILLED, event.at_ns)
    return None


def _canceled(account: Account, event: OrderCanceled) -> Order:
    order = account.open_orders[event.order_id]
    _release(account, order, EXACT.subtract(order.qty, order.filled_qty))
    return _close(account, order, OrderStatus.CANCELED, event.at_ns)


def _expired(account: Account, event: OrderExpired) -> Order:
    order = account.open_orders[event.order_id]
    _release(account, order, EXACT.subtract(order.qty, order.filled_qty))
    return _close(account, order, OrderStatus.EXPIRED, event.at_ns)


def _split(account: Account, event: PositionSplit) -> None:
    symbol = event.split.symbol
    position = account.positions[symbol]
    assert position.held_qty == ZERO, "open sells are canceled before a split"
    cost = position.cost_of(position.qty)
    qty, entry_qty = position.qty, position.entry_qty
    position.qty = restated_qty(qty, event.split)
    position.entry_qty = restated_qty(entry_qty, event.split)
    if position.qty == ZERO:
        # A reverse split can leave less than the smallest quantity: the cost is lost.
        account.realized = EXACT.subtract(account.realized, cost)
        del account.positions[symbol]
    elif EXACT.multiply(position.qty, entry_qty) != EXACT.multiply(position.entry_qty, qty):
        # Rounding moved the two apart, so their quotient would invent or lose money.
        position.entry_qty, position.entry_cost = position.qty, cost


def restated_qty(qty: Decimal, split: Split) -> Decimal:
    """Return *qty* shares after *split*, rounded down to 9 decimals where it is not exact."""
    scale = 10**QUANTITY_DECIMALS
    units = int(EXACT.scaleb(qty, QUANTITY_DECIMALS)) * split.numerator // split.denominator
    whole, rest = divmod(units, scale)
    return Decimal(whole) if rest == 0 else EXACT.scaleb(Decimal(units), -QUANTITY_DECIMALS)


def _move(order: Order, status: OrderStatus, at_ns: int) -> None:
    assert status in TRANSITIONS[order.status], f"no way from {order.status} to {status}"
    order.status = status
    order.updated_ns = at_ns


def _close(account: Account, order: Order, status: OrderStatus, at_ns: int) -> Order:
    _move(order, status, at_ns)
    order.closed_ns = at_ns
    del account.open_orders[order.order_id]
    recent = account.recent_orders
    recent[order.order_id] = order
    if len(recent) > RECENT_ORDERS_MAX:
        del recent[next(iter(recent))]
    return order


def _release(account: Account, order: Order, qty: Decimal) -> None:
    if order.side == "buy":
        reservation = EXACT.multiply(qty, order.reserve_price)
        account.reserved = EXACT.subtract(account.reserved, reservation)
    else:
        position = account.positions[order.symbol]
        position.held_qty = EXACT.subtract(position.held_qty, qty)


def _increase(account: Account, symbol: str, qty: Decimal, cost: Decimal) -> None:
    position = account.positions.get(symbol)
    if position is None:
        account.positions[symbol] = Position(qty, ZERO, qty, cost)
        return
    position.entry_cost = EXACT.add(position.cost_of(position.qty), cost)
    position.qty = EXACT.add(position.qty, qty)
    position.entry_qty = position.qty


def _decrease(account: Account, symbol: str, qty: Decimal, proceeds: Decimal) -> None:
    position = account.positions[symbol]
    profit = EXACT.subtract(proceeds, position.cost_of(qty))
    account.realized = EXACT.add(account.realized, profit)
    position.qty = EXACT.subtract(position.qty, qty)
    if position.qty == ZERO:
        del account.positions[symbol]


_EVOLVE: dict[type, Callable[[Account, Any], Order | None]] = {
    OrderAccepted: _accepted,
    OrderActivated: _activated,
    OrderFilled: _filled,
    OrderCanceled: _canceled,
    OrderExpired: _expired,
    PositionSplit: _split,
}
