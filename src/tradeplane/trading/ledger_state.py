"""The state of a ledger shard: everything that its events say, and how each one changes it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from tradeplane.errors import CorruptJournal, NotFound
from tradeplane.money import EXACT, ZERO
from tradeplane.trading.account import RECENT_ORDERS_MAX, Account
from tradeplane.trading.events import (
    AccountEvent,
    AccountOpened,
    LedgerEvent,
    MarketReset,
    OrderAccepted,
    OrderActivated,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    PositionSplit,
    PrintApplied,
    SessionEnded,
    SessionStarted,
)
from tradeplane.trading.market import Print, Session
from tradeplane.trading.order_index import OrderIndex, index_of
from tradeplane.trading.orders import Order, OrderStatus


class LastPrint(msgspec.Struct):
    """The newest print of a symbol and what was traded on it.

    Attributes:
        market_sequence: the market journal's sequence of the print.
        used_qty: shares that each account has traded on it, by account id.
    """

    market_sequence: int
    print: Print
    used_qty: dict[str, Decimal] = {}


class _Document(msgspec.Struct):
    accounts: dict[str, Account] = {}
    last: dict[str, LastPrint] = {}
    session: Session | None = None
    market_sequence: int = 0
    priority_next: int = 1
    queued: dict[str, None] = {}


# Dictionaries keep the order in which events filled them, so the encoding is canonical: the same
# events give the same bytes, and a decoded state encodes to what it came from.
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Document).decode


class LedgerState:
    """Accounts, the market as the shard has seen it, and indexes derived from them.

    Attributes:
        accounts: by account id, oldest first.
        last: the newest print of each symbol.
        session: the open session, or None.
        market_sequence: the last market command that took effect.
        priority_next: the priority of the next order.
        queued: ids of remembered orders that were accepted while the exchange was closed.
        index: the orders by what they are looked up by; not part of the bytes.
    """

    def __init__(self) -> None:
        self.accounts: dict[str, Account] = {}
        self.last: dict[str, LastPrint] = {}
        self.session: Session | None = None
        self.market_sequence = 0
        self.priority_next = 1
        self.index = OrderIndex()
        self.queued: dict[str, None] = {}

    def account(self, account_id: str) -> Account:
        """Return the account.

        Raises:
            NotFound: the shard has no such account.
        """
        account = self.accounts.get(account_id)
        if account is None:
            raise NotFound(f"account not found for {account_id}")
        return account

    def status_when_accepted(self, order: Order) -> OrderStatus:
        """Return the status that a remembered *order* had at first."""
        return OrderStatus.ACCEPTED if order.order_id in self.queued else OrderStatus.PENDING_NEW

    def evolve(self, event: LedgerEvent) -> Order | None:
        """Change the state by *event*.

        Returns:
            The order, when the event closed it.
        """
        return _EVOLVE[type(event)](self, event)

    def to_bytes(self) -> bytes:
        """Return the whole state; equal histories give equal bytes."""
        document = _Document(
            self.accounts,
            self.last,
            self.session,
            self.market_sequence,
            self.priority_next,
            self.queued,
        )
        return _encode(document)

    @classmethod
    def from_bytes(cls, encoded: bytes) -> LedgerState:
        """Return the state that :meth:`to_bytes` returned.

        Raises:
            CorruptJournal: these bytes are no state.
        """
        try:
            document = _decode(encoded)
        except msgspec.DecodeError as error:
            raise CorruptJournal(f"the ledger's snapshot is not readable: {error}") from error
        state = cls()
        state.accounts = document.accounts
        state.last = document.last
        state.session = document.session
        state.market_sequence = document.market_sequence
        state.priority_next = document.priority_next
        state.queued = document.queued
        state.index = index_of(
            [
                order
                for account in state.accounts.values()
                for order in account.open_orders.values()
            ],
            [
                order
                for account in state.accounts.values()
                for order in account.recent_orders.values()
            ],
        )
        return state


def _opened(state: LedgerState, event: AccountOpened) -> None:
    state.accounts[event.account_id] = Account(
        account_id=event.account_id,
        tenant_id=event.tenant_id,
        account_number=event.account_number,
        opened_ns=event.at_ns,
        initial_cash=event.cash,
        cash=event.cash,
    )


def _accepted(state: LedgerState, event: OrderAccepted) -> None:
    account = state.accounts[event.account_id]
    account.evolve(event)
    order = account.open_orders[event.order.order_id]
    state.index.add(order)
    state.priority_next = order.priority + 1
    if order.status is OrderStatus.ACCEPTED:
        state.queued[order.order_id] = None


def _filled(state: LedgerState, event: OrderFilled) -> Order | None:
    symbol = state.accounts[event.account_id].open_orders[event.order_id].symbol
    used_qty = state.last[symbol].used_qty
    used_qty[event.account_id] = EXACT.add(used_qty.get(event.account_id, ZERO), event.qty)
    return _changed(state, event)


def _changed(state: LedgerState, event: AccountEvent) -> Order | None:
    account = state.accounts[event.account_id]
    recent = account.recent_orders
    oldest = recent[next(iter(recent))] if len(recent) >= RECENT_ORDERS_MAX else None
    closed = account.evolve(event)
    if closed is not None:
        state.index.close(closed)
        if oldest is not None:
            state.index.forget(oldest)
            state.queued.pop(oldest.order_id, None)
    return closed


def _printed(state: LedgerState, event: PrintApplied) -> None:
    state.market_sequence = event.market_sequence
    state.last[event.print.symbol] = LastPrint(event.market_sequence, event.print)


def _started(state: LedgerState, event: SessionStarted) -> None:
    state.market_sequence = event.market_sequence
    state.session = event.session


def _ended(state: LedgerState, event: SessionEnded) -> None:
    state.market_sequence = event.market_sequence
    state.session = None


def _reset(state: LedgerState, event: MarketReset) -> None:
    state.market_sequence = event.market_sequence
    state.session = None
    state.last.clear()


_EVOLVE: dict[type, Callable[[LedgerState, Any], Order | None]] = {
    AccountOpened: _opened,
    OrderAccepted: _accepted,
    OrderActivated: _changed,
    OrderFilled: _filled,
    OrderCanceled: _changed,
    OrderExpired: _changed,
    PositionSplit: _changed,
    PrintApplied: _printed,
    SessionStarted: _started,
    SessionEnded: _ended,
    MarketReset: _reset,
}
