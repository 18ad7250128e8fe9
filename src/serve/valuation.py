"""What positions and accounts are worth at the prices that are known now."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from serve.day_trades import DayTrades, trades_of_day
from serve.history import History
from tradeplane.money import EXACT, ROUNDING, ZERO
from tradeplane.ports import Market
from tradeplane.trading.account import Account, Position
from tradeplane.trading.market import Print, Session

_DISPLAY = Decimal("1e-9")
_NO_TRADES = DayTrades()


class PositionValue(msgspec.Struct, frozen=True):
    """One position at one price. US dollars; ratios are fractions of 1.

    Attributes:
        price: the last price, or None when none is known: then the position is worth its cost.
        lastday_price: the close of the trading day before, or None.
        intraday_pl: profit of the day: against the day's own price for shares bought in it.
    """

    price: Decimal | None
    lastday_price: Decimal | None
    market_value: Decimal
    cost_basis: Decimal
    pl: Decimal
    plpc: Decimal
    intraday_pl: Decimal
    intraday_plpc: Decimal
    change_today: Decimal


class Valuation:
    """Values positions by the last print, else by the last close, else by their cost.

    Args:
        market: the replayed market.
        history: the historical prices.
    """

    def __init__(self, market: Market, history: History) -> None:
        self._market = market
        self._history = history

    def price(self, symbol: str) -> Decimal | None:
        """Return the price of *symbol* that is known now, or None."""
        last = self._market.view().last.get(symbol)
        if last is not None:
            return last.price
        return self._history.last_close(symbol, self._market.now_ns())

    def position(
        self, account: Account, symbol: str, position: Position, last: Print | None
    ) -> PositionValue:
        """Return the value of *position* after the print *last*."""
        price = self.price(symbol) if last is None else last.price
        cost = position.cost_basis()
        if price is None:
            return PositionValue(None, None, cost, cost, ZERO, ZERO, ZERO, ZERO, ZERO)
        value = EXACT.multiply(position.qty, price)
        session = self._session(last)
        lastday = self._history.close_before(symbol, session.date) if session else None
        base = cost
        if lastday is not None and session is not None:
            base = _day_base(account, symbol, position.qty, session, lastday)
        profit, intraday = EXACT.subtract(value, cost), EXACT.subtract(value, base)
        return PositionValue(
            price=price,
            lastday_price=lastday,
            market_value=value,
            cost_basis=cost,
            pl=profit,
            plpc=_ratio(profit, cost),
            intraday_pl=intraday,
            intraday_plpc=_ratio(intraday, base),
            change_today=_ratio(EXACT.subtract(price, lastday), lastday) if lastday else ZERO,
        )

    def long_market_value(self, account: Account) -> Decimal:
        """Return what all positions are worth."""
        total = ZERO
        for symbol, position in account.positions.items():
            price = self.price(symbol)
            value = position.cost_basis() if price is None else EXACT.multiply(position.qty, price)
            total = EXACT.add(total, value)
        return total

    def last_equity(self, account: Account) -> Decimal | None:
        """Return the equity at the close of the trading day before; None when it is not known.

        It is worked out backwards: the day's trades are undone, and the shares valued at that
        close.
        """
        session = self._history.current_session(self._market.view())
        trades = trades_of_day(account, session) if session else None
        if session is None or trades is None:
            return None
        equity = account.cash
        for symbol in {*account.positions, *trades}:
            day = trades.get(symbol, _NO_TRADES)
            equity = EXACT.add(equity, EXACT.subtract(day.bought_cost, day.sold_proceeds))
            position = account.positions.get(symbol)
            qty = ZERO if position is None else position.qty
            qty = EXACT.add(qty, EXACT.subtract(day.sold_qty, day.bought_qty))
            if qty == ZERO:
                continue
            close = self._history.close_before(symbol, session.date)
            if close is None or qty < ZERO:
                return None
            equity = EXACT.add(equity, EXACT.multiply(qty, close))
        return equity

    def _session(self, last: Print | None) -> Session | None:
        if last is not None:
            return self._history.session(last.session)
        return self._history.current_session(self._market.view())


def _day_base(
    account: Account, symbol: str, qty: Decimal, session: Session, lastday: Decimal
) -> Decimal:
    """Return what the day's profit is counted from.

    Sales are taken to have come out of the older shares first.
    """
    trades = trades_of_day(account, session) or {}
    day = trades.get(symbol, _NO_TRADES)
    if not day.bought_qty:
        return EXACT.multiply(qty, lastday)
    of_today = min(qty, day.bought_qty)
    paid = ROUNDING.divide(ROUNDING.multiply(day.bought_cost, of_today), day.bought_qty)
    older = EXACT.multiply(EXACT.subtract(qty, of_today), lastday)
    return EXACT.add(ROUNDING.quantize(paid, _DISPLAY), older)


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    if not whole:
        return ZERO
    return ROUNDING.quantize(ROUNDING.divide(part, whole), _DISPLAY)
