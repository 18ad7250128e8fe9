"""The trading core of a shard: accounts, orders and positions, and the venue's rules for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from tradeplane.component import Applied
from tradeplane.errors import (
    DuplicateClientOrderId,
    InvalidRequest,
    LimitReached,
    NotFound,
    OrderNotCancelable,
)
from tradeplane.money import AMOUNT_MAX, ZERO
from tradeplane.trading.commands import (
    ApplyPrint,
    CancelAllOrders,
    CancelOrder,
    EndSession,
    LedgerCommand,
    OpenAccount,
    PlaceOrder,
    ResetMarket,
    StartSession,
)
from tradeplane.trading.decision import Decision
from tradeplane.trading.events import (
    AccountOpened,
    LedgerEvent,
    MarketReset,
    OrderAccepted,
    OrderCanceled,
    PrintApplied,
    SessionEnded,
    SessionStarted,
)
from tradeplane.trading.execution import cancellation
from tradeplane.trading.ledger_limits import LedgerLimits
from tradeplane.trading.ledger_state import LedgerState
from tradeplane.trading.market_steps import apply_print, end_session, reset_market, start_session
from tradeplane.trading.orders import OrderStatus
from tradeplane.trading.placement import place
from tradeplane.trading.queries import GetAccount, LedgerQuery
from tradeplane.trading.replies import AccountFound, Done, LedgerReply, OrderPlaced, OrdersCanceled

__all__ = ["Ledger", "LedgerLimits"]

MARKET_TOPIC = "market"
"""The feed topic of events that belong to no account."""

_REQUESTED = "canceled by request"


class Ledger:
    """The component ``ledger``: see :class:`tradeplane.component.Component`.

    A command that arrives twice has one effect. A refused command changes nothing.

    Args:
        limits: the shard's limits; the same for its whole history.
    """

    name = "ledger"
    command_type: Any = LedgerCommand
    query_type: Any = LedgerQuery
    reply_type: Any = LedgerReply
    event_type: Any = LedgerEvent

    def __init__(self, limits: LedgerLimits) -> None:
        self.limits = limits
        self._state = LedgerState()

    @property
    def market_sequence(self) -> int:
        """The last market event that this ledger has journaled."""
        return self._state.market_sequence

    def apply(self, command: LedgerCommand, now_ns: int) -> Applied:
        """Decide *command* at venue time *now_ns*, change the state, and return what happened.

        Raises:
            RequestRefused: the command is refused; the state is unchanged.
            ComponentUnavailable: a market buy has no price to reserve at; nothing was done.
        """
        decision = Decision(self._state, self.limits, now_ns)
        return decision.applied(_DECIDE[type(command)](decision, command))

    def evolve(self, event: LedgerEvent) -> None:
        """Change the state by one *event* of the journal."""
        self._state.evolve(event)

    def query(self, query: GetAccount, now_ns: int) -> AccountFound:  # noqa: ARG002  # no answer depends on the time
        """Return the account; it is the state's own object, to be encoded and not changed.

        Raises:
            NotFound: the shard has no such account.
        """
        return AccountFound(self._state.account(query.account_id))

    def idempotency_key(self, command: LedgerCommand) -> str:
        """Return the key that is stored with the command's first event."""
        match command:
            case PlaceOrder():
                # The id first: ids made in the order of time keep the key's index at its end.
                return f"order:{command.client_order_id}:{command.account_id}"
            case CancelOrder() | CancelAllOrders():
                return f"cancel:{command.command_id}"
            case OpenAccount():
                return f"account:{command.account_id}"
            case _:
                return f"market:{command.market_sequence}"

    def repeat(self, command: LedgerCommand, first_event: LedgerEvent) -> LedgerReply:
        """Return the reply of the first run of *command*.

        The ids of a repeated CancelAllOrders are those that the account still remembers.

        Raises:
            DuplicateClientOrderId: another order of the account has this client_order_id.
        """
        if isinstance(command, PlaceOrder):
            assert isinstance(first_event, OrderAccepted), "the key belongs to a placement"
            if first_event.order.order_id != command.order_id:
                raise DuplicateClientOrderId("client_order_id must be unique")
            return OrderPlaced(first_event.order)
        if isinstance(command, CancelAllOrders):
            assert isinstance(first_event, OrderCanceled), "the key belongs to a cancellation"
            return OrdersCanceled(self._canceled_with(first_event))
        return Done()

    def topic(self, event: LedgerEvent) -> str:
        """Return the account's id, or ``market`` for an event of no account."""
        match event:
            case PrintApplied() | SessionStarted() | SessionEnded() | MarketReset():
                return MARKET_TOPIC
            case _:
                return event.account_id

    def to_bytes(self) -> bytes:
        """Return the whole state; equal histories give equal bytes."""
        return self._state.to_bytes()

    def from_bytes(self, state: bytes) -> None:
        """Replace the state by one that :meth:`to_bytes` returned.

        Raises:
            CorruptJournal: these bytes are no state; the present one is kept.
        """
        self._state = LedgerState.from_bytes(state)

    def digest(self) -> str:
        """Return the SHA-256 of :meth:`to_bytes`, hex."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    def _canceled_with(self, first: OrderCanceled) -> tuple[str, ...]:
        recent = list(self._state.account(first.account_id).recent_orders.values())
        ids = [order.order_id for order in recent]
        if first.order_id not in ids:
            return (first.order_id,)
        return tuple(
            order.order_id
            for order in recent[ids.index(first.order_id) :]
            if order.status is OrderStatus.CANCELED and order.closed_ns == first.at_ns
        )


def _open_account(decision: Decision, command: OpenAccount) -> Done:
    accounts, limits = decision.state.accounts, decision.limits
    if command.account_id in accounts:
        return Done()
    if not (command.cash.is_finite() and ZERO <= command.cash <= AMOUNT_MAX):
        raise InvalidRequest(f"cash must be from 0 to {AMOUNT_MAX} US dollars, not {command.cash}")
    if len(accounts) >= limits.accounts_max:
        raise LimitReached(f"a shard may have at most {limits.accounts_max} accounts; add a shard")
    decision.emit(
        AccountOpened(
            account_id=command.account_id,
            tenant_id=command.tenant_id,
            account_number=command.account_number,
            cash=command.cash,
            at_ns=decision.now_ns,
        )
    )
    return Done()


def _cancel_order(decision: Decision, command: CancelOrder) -> Done:
    account = decision.state.account(command.account_id)
    order = account.open_orders.get(command.order_id)
    if order is not None:
        decision.emit(cancellation(decision, order, _REQUESTED, command.by))
        return Done()
    closed = account.recent_orders.get(command.order_id)
    if closed is None:
        raise NotFound(f"order not found for {command.order_id}")
    if closed.status is not OrderStatus.CANCELED:
        raise OrderNotCancelable(f'order is already in "{closed.status}" state')
    return Done()


def _cancel_all_orders(decision: Decision, command: CancelAllOrders) -> OrdersCanceled:
    account = decision.state.account(command.account_id)
    orders = list(account.open_orders.values())
    for order in orders:
        decision.emit(cancellation(decision, order, _REQUESTED, command.by))
    return OrdersCanceled(tuple(order.order_id for order in orders))


def _market_step(step: Callable[[Decision, Any], None]) -> Callable[[Decision, Any], Done]:
    def decide(decision: Decision, command: Any) -> Done:
        if command.market_sequence > decision.state.market_sequence:
            step(decision, command)
        return Done()

    return decide


_DECIDE: dict[type, Callable[[Decision, Any], LedgerReply]] = {
    OpenAccount: _open_account,
    PlaceOrder: place,
    CancelOrder: _cancel_order,
    CancelAllOrders: _cancel_all_orders,
    ApplyPrint: _market_step(apply_print),
    StartSession: _market_step(start_session),
    EndSession: _market_step(end_session),
    ResetMarket: _market_step(reset_market),
}
