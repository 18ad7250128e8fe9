"""What the market's news does to the orders and positions of a shard."""

from __future__ import annotations

from tradeplane.trading.commands import ApplyPrint, EndSession, ResetMarket, StartSession
from tradeplane.trading.decision import Decision
from tradeplane.trading.events import (
    MarketReset,
    OrderActivated,
    OrderExpired,
    PositionSplit,
    PrintApplied,
    SessionEnded,
    SessionStarted,
)
from tradeplane.trading.execution import cancellation, execute
from tradeplane.trading.market import Split
from tradeplane.trading.matching import execution_price
from tradeplane.trading.orders import Order, OrderStatus


def apply_print(decision: Decision, command: ApplyPrint) -> None:
    """Match the live orders of the print's symbol in time priority, if its session is open."""
    state, traded = decision.state, command.print
    before = state.last.get(traded.symbol)
    decision.emit(PrintApplied(command.market_sequence, traded))
    if state.session is None or state.session.date != traded.session:
        return
    same_session = before is not None and before.print.session == traded.session
    previous_price = before.print.price if before is not None and same_session else None
    last = state.last[traded.symbol]
    for order in state.index.of_symbol(traded.symbol):
        # An accepted order came after the close and waits for the next session.
        if order.status is OrderStatus.ACCEPTED:
            continue
        price = execution_price(
            order.side,
            order.type,
            order.limit_price,
            traded,
            resting=True,
            previous_price=previous_price,
        )
        if price is not None:
            execute(decision, order, last, price)


def start_session(decision: Decision, command: StartSession) -> None:
    """Put the splits in effect, then make every accepted order live."""
    decision.emit(SessionStarted(command.market_sequence, command.session))
    for split in command.splits:
        _split(decision, split)
    for order in decision.state.index.all_open():
        if order.status is OrderStatus.ACCEPTED:
            decision.emit(OrderActivated(order.account_id, order.order_id, decision.now_ns))


def end_session(decision: Decision, command: EndSession) -> None:
    """Expire the day orders that were submitted before the close."""
    decision.emit(SessionEnded(command.market_sequence, command.session))
    for order in decision.state.index.all_open():
        if order.time_in_force == "day" and order.submitted_ns < command.session.close_ns:
            _expire(decision, order)


def reset_market(decision: Decision, command: ResetMarket) -> None:
    """Expire all day orders; venue time is no longer continuous."""
    decision.emit(MarketReset(command.market_sequence))
    for order in decision.state.index.all_open():
        if order.time_in_force == "day":
            _expire(decision, order)


def _split(decision: Decision, split: Split) -> None:
    for order in decision.state.index.of_symbol(split.symbol):
        decision.emit(cancellation(decision, order, "split"))
    for account in decision.state.accounts.values():
        if split.symbol in account.positions:
            decision.emit(PositionSplit(account.account_id, split, decision.now_ns))


def _expire(decision: Decision, order: Order) -> None:
    decision.emit(OrderExpired(order.account_id, order.order_id, decision.now_ns))
