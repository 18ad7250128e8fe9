"""The state of one account, as a shard keeps it and as a replica mirrors it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec

from tradeplane.money import ZERO
from tradeplane.trading.events import AccountEvent
from tradeplane.trading.orders import Order

RECENT_ORDERS_MAX = 500
"""How many closed orders an account remembers; older ones are read from the database."""


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
        raise NotImplementedError

    def cost_basis(self) -> Decimal:
        """Return what the shares still held cost, rounded half-even to 9 decimals for display."""
        raise NotImplementedError


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
        return self.cash - self.reserved

    def evolve(self, event: AccountEvent) -> Order | None:
        """Change the account by *event* (not AccountOpened) and grow *version* by one.

        Returns:
            The order, when the event closed it.
        """
        raise NotImplementedError


Archive = Callable[[Order], None]
