"""What an order must satisfy before it is accepted. Every rule raises, none changes anything."""

from __future__ import annotations

import re
from decimal import Decimal

from tradeplane.errors import (
    ComponentUnavailable,
    InsufficientBuyingPower,
    InsufficientQuantity,
    InvalidRequest,
    LimitReached,
    WashTrade,
)
from tradeplane.money import EXACT, ZERO, plain
from tradeplane.trading.account import Account
from tradeplane.trading.commands import PlaceOrder
from tradeplane.trading.ledger_limits import LedgerLimits
from tradeplane.trading.ledger_state import LedgerState
from tradeplane.trading.matching import reserve_price

RELATED_ORDERS_MAX = 50
"""How many open sells an InsufficientQuantity names."""

_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def check_form(account: Account, command: PlaceOrder) -> None:
    """Check what the edge promises of *command*.

    Raises:
        InvalidRequest: the order's id is no UUID or is taken, or its limit contradicts its type.
    """
    if command.qty <= ZERO:
        raise InvalidRequest("qty must be > 0")
    if (command.type == "limit") != (command.limit_price is not None):
        raise InvalidRequest("limit_price must be set for a limit order, and for no other")
    if command.order_id in account.open_orders or command.order_id in account.recent_orders:
        raise InvalidRequest(f"order_id must be unique; {command.order_id} is in use")
    if _UUID.fullmatch(command.order_id) is None:
        raise InvalidRequest(f"order_id must be a UUID, not {command.order_id!r}")


def check_open_orders(account: Account, limits: LedgerLimits) -> None:
    """Check that the account may have one more open order.

    Raises:
        LimitReached: it has as many as it may have.
    """
    if len(account.open_orders) >= limits.open_orders_max:
        raise LimitReached(
            f"an account may have at most {limits.open_orders_max} open orders; "
            "cancel one or wait until one closes"
        )


def check_wash_trade(state: LedgerState, command: PlaceOrder) -> None:
    """Check that the order could not trade against another of the same account.

    Raises:
        WashTrade: an open order on the other side could cross it.
    """
    existing = state.index.crossing(command)
    if existing is not None:
        raise WashTrade(
            "potential wash trade detected. use complex orders", {"existing_order_id": existing}
        )


def buy_reserve_price(
    state: LedgerState, account: Account, command: PlaceOrder, limits: LedgerLimits
) -> Decimal:
    """Return the dollars a share that a buy is to hold back; the account can afford it.

    Raises:
        InsufficientBuyingPower: it would reserve more than the buying power.
        ComponentUnavailable: it is a market order, and no price is known.
    """
    last = state.last.get(command.symbol)
    if last is None and command.limit_price is None:
        raise ComponentUnavailable(f"no price is known for {command.symbol} yet; try again")
    last_price = ZERO if last is None else last.print.price
    price = reserve_price(command.limit_price, last_price, limits.collar)
    cost_basis = EXACT.multiply(command.qty, price)
    buying_power = account.buying_power()
    if cost_basis > buying_power:
        raise InsufficientBuyingPower(
            "insufficient buying power",
            {"buying_power": plain(buying_power), "cost_basis": plain(cost_basis)},
        )
    return price


def check_quantity(state: LedgerState, account: Account, command: PlaceOrder) -> None:
    """Check that a sell's shares are there and free.

    Raises:
        InsufficientQuantity: they are not.
    """
    position = account.positions.get(command.symbol)
    existing, held = (ZERO, ZERO) if position is None else (position.qty, position.held_qty)
    available = EXACT.subtract(existing, held)
    if command.qty <= available:
        return
    raise InsufficientQuantity(
        f"insufficient qty available for order (requested: {plain(command.qty)}, "
        f"available: {plain(available)})",
        {
            "available": plain(available),
            "existing_qty": plain(existing),
            "held_for_orders": plain(held),
            "symbol": command.symbol,
            "related_orders": state.index.open_sells(
                command.account_id, command.symbol, RELATED_ORDERS_MAX
            ),
        },
    )
