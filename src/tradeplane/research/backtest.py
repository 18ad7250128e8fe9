"""An event-driven backtest: the venue's own ledger, fed with the venue's own prints.

Nothing of the fill rules is written a second time here. Orders are placed after a close and go
live at the next open, with the same reservations, participation caps and splits as live ones.
"""

from __future__ import annotations

import copy
import uuid
from decimal import Decimal
from typing import Any

import msgspec

from tradeplane.errors import RequestRefused
from tradeplane.money import EXACT, ZERO
from tradeplane.research.strategies import Close, OrderRequest, Strategy
from tradeplane.research.tape import Tape, TradingDay
from tradeplane.trading.account import Account
from tradeplane.trading.commands import (
    ApplyPrint,
    EndSession,
    LedgerCommand,
    OpenAccount,
    PlaceOrder,
    StartSession,
)
from tradeplane.trading.events import OrderFilled, PositionSplit
from tradeplane.trading.ledger import Ledger
from tradeplane.trading.ledger_limits import LedgerLimits
from tradeplane.trading.market import Split
from tradeplane.trading.orders import Order, Side
from tradeplane.trading.queries import GetAccount

ACCOUNT_ID = "backtest"


class Mark(msgspec.Struct, frozen=True):
    """The account at one close.

    Attributes:
        price: the close as traded, US dollars a share.
        cash: US dollars.
        qty: shares held.
        equity: ``cash + qty * price``, exact.
    """

    session: str
    price: Decimal
    cash: Decimal
    qty: Decimal
    equity: Decimal


class Fill(msgspec.Struct, frozen=True):
    """One execution.

    Attributes:
        qty: shares, as traded on the day.
        price: US dollars a share.
        at_ns: venue time.
    """

    session: str
    order_id: str
    execution_id: str
    side: Side
    qty: Decimal
    price: Decimal
    at_ns: int


class Refusal(msgspec.Struct, frozen=True):
    """An order of the strategy that the ledger refused, and its reason."""

    session: str
    request: OrderRequest
    reason: str


class BacktestResult(msgspec.Struct, frozen=True):
    """What a backtest did. Equal inputs give an equal result.

    Attributes:
        initial_cash: US dollars at the start.
        marks: the account at each close, oldest first.
        fills: every execution, in order.
        orders: every accepted order as it ended, in order of acceptance.
        refusals: orders that were not accepted.
        splits: splits that restated the position.
        digest: SHA-256 of the ledger's final state, hex.
    """

    symbol: str
    initial_cash: Decimal
    marks: tuple[Mark, ...]
    fills: tuple[Fill, ...]
    orders: tuple[Order, ...]
    refusals: tuple[Refusal, ...]
    splits: tuple[Split, ...]
    digest: str


def run_backtest(
    tape: Tape, strategy: Strategy, cash: Decimal, limits: LedgerLimits | None = None
) -> BacktestResult:
    """Return what *strategy* does with *cash* US dollars on *tape*.

    Args:
        tape: what to play.
        strategy: asked after each close.
        cash: US dollars in the account at the start.
        limits: the ledger's limits; the venue's defaults if None.

    Raises:
        InvalidRequest: *cash* is no amount that an account may have.
    """
    backtest = _Backtest(tape, strategy, cash, limits or LedgerLimits())
    for day in tape.days:
        backtest.play(day)
    return backtest.result()


class _Backtest:
    """One run: the ledger, its market journal's sequence, and the record of what happened."""

    def __init__(self, tape: Tape, strategy: Strategy, cash: Decimal, limits: LedgerLimits) -> None:
        self._tape = tape
        self._strategy = strategy
        self._cash = cash
        self._ledger = Ledger(limits)
        self._market_sequence = 0
        self._sides: dict[str, Side] = {}
        self._history = {bar.session: index for index, bar in enumerate(tape.raw, start=1)}
        self._adjusted = {bar.session: index for index, bar in enumerate(tape.adjusted, start=1)}
        self._marks: list[Mark] = []
        self._fills: list[Fill] = []
        self._closed: list[Order] = []
        self._refusals: list[Refusal] = []
        self._splits: list[Split] = []
        opening = OpenAccount(ACCOUNT_ID, "research", ACCOUNT_ID, cash)
        self._ledger.apply(opening, tape.days[0].session.open_ns)

    def play(self, day: TradingDay) -> None:
        """Play one session, mark the account, and place what the strategy orders."""
        session = day.session
        self._tell(StartSession(self._next(), session, day.splits), session.open_ns, session.date)
        for traded in day.prints:
            self._tell(ApplyPrint(self._next(), traded), traded.at_ns, session.date)
        self._tell(EndSession(self._next(), session), session.close_ns, session.date)
        mark = self._mark(day)
        self._marks.append(mark)
        for request in self._strategy.decide(self._close(day, mark)):
            self._place(request, session.close_ns, session.date)

    def result(self) -> BacktestResult:
        """Return the record of the run."""
        orders = [*self._closed, *self._account().open_orders.values()]
        return BacktestResult(
            symbol=self._tape.symbol,
            initial_cash=self._cash,
            marks=tuple(self._marks),
            fills=tuple(self._fills),
            orders=tuple(sorted(orders, key=lambda order: order.priority)),
            refusals=tuple(self._refusals),
            splits=tuple(self._splits),
            digest=self._ledger.digest(),
        )

    def _next(self) -> int:
        self._market_sequence += 1
        return self._market_sequence

    def _account(self) -> Account:
        return self._ledger.query(GetAccount(ACCOUNT_ID), 0).account

    def _tell(self, command: LedgerCommand, now_ns: int, session: str) -> None:
        applied = self._ledger.apply(command, now_ns)
        self._closed.extend(msgspec.json.decode(row.document, type=Order) for row in applied.rows)
        for event in applied.events:
            self._record(event, session)

    def _record(self, event: Any, session: str) -> None:
        if isinstance(event, PositionSplit):
            self._splits.append(event.split)
        elif isinstance(event, OrderFilled):
            self._fills.append(
                Fill(
                    session=session,
                    order_id=event.order_id,
                    execution_id=event.execution_id,
                    side=self._sides[event.order_id],
                    qty=event.qty,
                    price=event.price,
                    at_ns=event.at_ns,
                )
            )

    def _mark(self, day: TradingDay) -> Mark:
        account, price = self._account(), day.close.close
        position = account.positions.get(self._tape.symbol)
        qty = ZERO if position is None else position.qty
        equity = EXACT.add(account.cash, EXACT.multiply(qty, price))
        return Mark(day.session.date, price, account.cash, qty, equity)

    def _close(self, day: TradingDay, mark: Mark) -> Close:
        account, date = self._account(), day.session.date
        return Close(
            session=day.session,
            # Slices are copies: a strategy cannot reach what lies behind them.
            raw=self._tape.raw[: self._history[date]],
            adjusted=self._tape.adjusted[: self._adjusted.get(date, 0)],
            qty=mark.qty,
            buying_power=account.buying_power(),
            equity=mark.equity,
            open_orders=tuple(map(copy.copy, account.open_orders.values())),
            collar=self._ledger.limits.collar,
        )

    def _place(self, request: OrderRequest, now_ns: int, session: str) -> None:
        order_id = str(uuid.UUID(int=len(self._sides) + 1))
        self._sides[order_id] = request.side
        command = PlaceOrder(
            account_id=ACCOUNT_ID,
            order_id=order_id,
            client_order_id=order_id,
            symbol=self._tape.symbol,
            side=request.side,
            type=request.type,
            time_in_force=request.time_in_force,
            qty=request.qty,
            limit_price=request.limit_price,
        )
        try:
            self._tell(command, now_ns, session)
        except RequestRefused as refusal:
            self._refusals.append(Refusal(session, request, refusal.message))
