"""What an account traded on the current trading day, as far as its remembered orders tell."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import msgspec

from tradeplane.money import EXACT, ZERO
from tradeplane.trading.account import RECENT_ORDERS_MAX, Account
from tradeplane.trading.market import Session
from tradeplane.trading.orders import Order


class DayTrades(msgspec.Struct):
    """One symbol's trades of a day.

    Attributes:
        bought_cost: US dollars paid.
        sold_proceeds: US dollars received.
    """

    bought_qty: Decimal = ZERO
    bought_cost: Decimal = ZERO
    sold_qty: Decimal = ZERO
    sold_proceeds: Decimal = ZERO


def trades_of_day(account: Account, session: Session) -> dict[str, DayTrades] | None:
    """Return the trades since the open of *session*, by symbol; None when they are not all known.

    An order counts with all of its fills on the day of its last change, so one that fills over
    several days counts on the last. They are not known when the account closed more orders in
    the day than it remembers.
    """
    trades: dict[str, DayTrades] = {}
    count = 0
    for order in _closed_since(account, session.open_ns):
        count += 1
        _add(trades, order)
    if count >= RECENT_ORDERS_MAX:
        return None
    for order in account.open_orders.values():
        if order.filled_qty and order.updated_ns >= session.open_ns:
            _add(trades, order)
    return trades


def _closed_since(account: Account, open_ns: int) -> Iterator[Order]:
    """Yield closed orders, newest first, until the day's open or a jump of the venue clock."""
    later_ns: int | None = None
    for order in reversed(account.recent_orders.values()):
        closed_ns = order.closed_ns
        assert closed_ns is not None, "recent orders are closed"
        if closed_ns < open_ns or (later_ns is not None and closed_ns > later_ns):
            return
        later_ns = closed_ns
        yield order


def _add(trades: dict[str, DayTrades], order: Order) -> None:
    if not order.filled_qty:
        return
    of_symbol = trades.setdefault(order.symbol, DayTrades())
    if order.side == "buy":
        of_symbol.bought_qty = EXACT.add(of_symbol.bought_qty, order.filled_qty)
        of_symbol.bought_cost = EXACT.add(of_symbol.bought_cost, order.filled_cost)
    else:
        of_symbol.sold_qty = EXACT.add(of_symbol.sold_qty, order.filled_qty)
        of_symbol.sold_proceeds = EXACT.add(of_symbol.sold_proceeds, order.filled_cost)
