"""Executing one order against one print: how many shares, and what becomes of the rest."""

from __future__ import annotations

import hashlib
from decimal import Decimal

from tradeplane.money import EXACT, ZERO
from tradeplane.trading.decision import Decision
from tradeplane.trading.events import OrderCanceled, OrderFilled
from tradeplane.trading.ledger_state import LastPrint
from tradeplane.trading.matching import affordable, fillable
from tradeplane.trading.orders import Order

UNAFFORDABLE = "insufficient buying power at execution"


def fillable_qty(decision: Decision, account_id: str, last: LastPrint) -> Decimal:
    """Return how many whole shares the account may still trade on the print of *last*."""
    used_qty = last.used_qty.get(account_id, ZERO)
    return fillable(last.print.volume, decision.limits.participation, used_qty)


def execute(decision: Decision, order: Order, last: LastPrint, price: Decimal) -> None:
    """Fill what can be filled of *order* at *price*, US dollars a share.

    Args:
        decision: the command in progress.
        order: an open order of the state.
        last: the print that it executes against, the newest of its symbol.
        price: what :func:`tradeplane.trading.matching.execution_price` gave.
    """
    cap = fillable_qty(decision, order.account_id, last)
    remaining = EXACT.subtract(order.qty, order.filled_qty)
    wanted = min(remaining, cap)
    if wanted <= ZERO:
        return
    qty = wanted if order.side == "sell" else _affordable_qty(decision, order, wanted, price)
    if qty > ZERO:
        decision.emit(_fill(decision, order, qty, last.market_sequence, price))
    if order.closed_ns is None and order.side == "buy":
        buying_power = decision.state.accounts[order.account_id].buying_power()
        # A price above the reserved one was paid from the reservation of the rest.
        if qty < wanted or buying_power < ZERO:
            decision.emit(cancellation(decision, order, UNAFFORDABLE))


def cancellation(decision: Decision, order: Order, reason: str, by: str = "") -> OrderCanceled:
    """Return the event that ends the rest of *order* now, for *reason*, requested *by* someone."""
    return OrderCanceled(order.account_id, order.order_id, reason, decision.now_ns, by)


def execution_id(order_id: str, count: int) -> str:
    """Return the id of fill number *count*, from 1: the UUID version 5 of it in *order_id*."""
    # By hand, for the standard library's objects would cost as much as the rest of a fill.
    namespace = bytes.fromhex(order_id.replace("-", ""))
    digest = hashlib.sha1(namespace + str(count).encode(), usedforsecurity=False).digest()
    octets = bytearray(digest[:16])
    octets[6] = octets[6] & 0x0F | 0x50
    octets[8] = octets[8] & 0x3F | 0x80
    text = octets.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _affordable_qty(decision: Decision, order: Order, wanted: Decimal, price: Decimal) -> Decimal:
    account = decision.state.accounts[order.account_id]
    remaining = EXACT.subtract(order.qty, order.filled_qty)
    own_reservation = EXACT.multiply(remaining, order.reserve_price)
    return affordable(wanted, price, EXACT.add(account.buying_power(), own_reservation))


def _fill(
    decision: Decision, order: Order, qty: Decimal, market_sequence: int, price: Decimal
) -> OrderFilled:
    return OrderFilled(
        account_id=order.account_id,
        order_id=order.order_id,
        execution_id=execution_id(order.order_id, order.executions + 1),
        qty=qty,
        price=price,
        market_sequence=market_sequence,
        at_ns=decision.now_ns,
    )
