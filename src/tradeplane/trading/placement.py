"""Placing an order: check, accept, and execute what can be executed on arrival."""

from __future__ import annotations

from tradeplane.errors import DuplicateClientOrderId
from tradeplane.money import ZERO
from tradeplane.trading.account import Account
from tradeplane.trading.commands import PlaceOrder
from tradeplane.trading.decision import Decision
from tradeplane.trading.events import OrderAccepted, OrderActivated
from tradeplane.trading.execution import cancellation, execute, fillable_qty
from tradeplane.trading.ledger_state import LedgerState
from tradeplane.trading.matching import execution_price
from tradeplane.trading.order_rules import (
    buy_reserve_price,
    check_form,
    check_open_orders,
    check_quantity,
    check_wash_trade,
)
from tradeplane.trading.orders import Order, OrderStatus, TimeInForce
from tradeplane.trading.replies import OrderPlaced

_REST_CANCELED: dict[TimeInForce, str] = {
    "ioc": "ioc remainder",
    "fok": "fok quantity not available",
}
"""Why an order that may not rest is canceled, by its time in force."""


def place(decision: Decision, command: PlaceOrder) -> OrderPlaced:
    """Place an order and return it as it was accepted; the same again for a retry.

    Raises:
        NotFound: no such account.
        DuplicateClientOrderId, LimitReached, WashTrade, InsufficientBuyingPower,
        InsufficientQuantity, InvalidRequest: the order is refused.
        ComponentUnavailable: a market buy has no price to reserve at.
    """
    state = decision.state
    account = state.account(command.account_id)
    existing_id = state.index.order_id(command.account_id, command.client_order_id)
    if existing_id is not None:
        return _repeated(state, account, existing_id, command)
    accepted = _checked(decision, account, command)
    decision.emit(OrderAccepted(account.account_id, accepted, command.by))
    order = account.open_orders[accepted.order_id]
    if order.status is OrderStatus.PENDING_NEW:
        _execute_on_arrival(decision, order)
    if order.closed_ns is None:
        _settle_rest(decision, order)
    return OrderPlaced(accepted)


def _repeated(
    state: LedgerState, account: Account, order_id: str, command: PlaceOrder
) -> OrderPlaced:
    if order_id != command.order_id:
        raise DuplicateClientOrderId("client_order_id must be unique")
    order = account.open_orders.get(order_id) or account.recent_orders[order_id]
    return OrderPlaced(
        Order(
            order_id=order.order_id,
            account_id=order.account_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            type=order.type,
            time_in_force=order.time_in_force,
            qty=order.qty,
            limit_price=order.limit_price,
            reserve_price=order.reserve_price,
            status=state.status_when_accepted(order),
            submitted_ns=order.submitted_ns,
            updated_ns=order.submitted_ns,
            priority=order.priority,
        )
    )


def _checked(decision: Decision, account: Account, command: PlaceOrder) -> Order:
    state, limits, now_ns = decision.state, decision.limits, decision.now_ns
    check_form(account, command)
    check_open_orders(account, limits)
    check_wash_trade(state, command)
    price = ZERO
    if command.side == "buy":
        price = buy_reserve_price(state, account, command, limits)
    else:
        check_quantity(state, account, command)
    # The close may have passed in venue time before the shard is told of it.
    open_now = state.session is not None and now_ns < state.session.close_ns
    return Order(
        order_id=command.order_id,
        account_id=command.account_id,
        client_order_id=command.client_order_id,
        symbol=command.symbol,
        side=command.side,
        type=command.type,
        time_in_force=command.time_in_force,
        qty=command.qty,
        limit_price=command.limit_price,
        reserve_price=price,
        status=OrderStatus.PENDING_NEW if open_now else OrderStatus.ACCEPTED,
        submitted_ns=now_ns,
        updated_ns=now_ns,
        priority=state.priority_next,
    )


def _execute_on_arrival(decision: Decision, order: Order) -> None:
    session, last = decision.state.session, decision.state.last.get(order.symbol)
    if session is None or last is None or last.print.session != session.date:
        return
    price = execution_price(order.side, order.type, order.limit_price, last.print, resting=False)
    if price is None:
        return
    whole = order.time_in_force == "fok"
    if whole and fillable_qty(decision, order.account_id, last) < order.qty:
        return
    execute(decision, order, last, price)


def _settle_rest(decision: Decision, order: Order) -> None:
    reason = _REST_CANCELED.get(order.time_in_force)
    if reason is not None:
        if order.status is OrderStatus.ACCEPTED:
            reason = f"{order.time_in_force} order while the exchange is closed"
        decision.emit(cancellation(decision, order, reason))
    elif order.status is OrderStatus.PENDING_NEW:
        decision.emit(OrderActivated(order.account_id, order.order_id, decision.now_ns))
