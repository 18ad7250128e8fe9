"""Strategies: what to order after a close, from what was known by then."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Protocol

import msgspec

from tradeplane.errors import InvalidRequest
from tradeplane.money import EXACT, ZERO
from tradeplane.trading.bars import Bar
from tradeplane.trading.market import Session
from tradeplane.trading.matching import reserve_price
from tradeplane.trading.orders import Order, OrderType, Side, TimeInForce


class Close(msgspec.Struct, frozen=True):
    """All that is known when a session has closed; nothing later is in here.

    Attributes:
        session: the session that has just closed.
        raw: bars as traded up to this session, oldest first; the prices that orders are in.
        adjusted: the same bars adjusted for splits and dividends. The source adjusts backwards from
            the end of its data, so only ratios of these prices are known on the day, not levels.
        qty: shares held.
        buying_power: US dollars that new orders may reserve.
        equity: cash plus the shares at the close, US dollars.
        open_orders: orders still in force.
        collar: what a market buy reserves, as a multiple of the close.
    """

    session: Session
    raw: Sequence[Bar]
    adjusted: Sequence[Bar]
    qty: Decimal
    buying_power: Decimal
    equity: Decimal
    open_orders: tuple[Order, ...]
    collar: Decimal


class OrderRequest(msgspec.Struct, frozen=True):
    """An order that a strategy wants; it goes live at the next open.

    Attributes:
        qty: shares, as traded (not adjusted for later splits).
        limit_price: US dollars a share, for a limit order only.
    """

    side: Side
    qty: Decimal
    type: OrderType = "market"
    time_in_force: TimeInForce = "day"
    limit_price: Decimal | None = None


class Strategy(Protocol):
    """Decides orders. The same closes give the same decisions."""

    name: str

    def decide(self, close: Close) -> Sequence[OrderRequest]:
        """Return the orders to place after *close*."""


class SmaCrossover:
    """Long while the fast simple moving average is above the slow one, flat otherwise.

    The averages are of adjusted closes, so that a split is no signal; orders are in shares as
    traded. A buy that the market could not fill wholly is left at what it got; a sell is repeated
    until no share is left.

    Args:
        fast: sessions of the fast average, at least 1.
        slow: sessions of the slow one, more than *fast*.
        fraction: share of the equity to invest, above 0 to 1.

    Raises:
        InvalidRequest: an argument is out of its range.
    """

    def __init__(self, fast: int, slow: int, fraction: Decimal = Decimal(1)) -> None:
        if fast < 1:
            raise InvalidRequest(f"fast must be at least 1 session, not {fast}")
        if fast >= slow:
            raise InvalidRequest(
                f"fast must be below slow; fast is {fast} sessions and slow is {slow}"
            )
        _check_fraction(fraction)
        self.name = f"SMA crossover {fast}/{slow}"
        self.fast = fast
        self.slow = slow
        self._fraction = fraction

    def decide(self, close: Close) -> Sequence[OrderRequest]:
        """Return the order that brings the account to the side of the signal."""
        if len(close.adjusted) < self.slow:
            return ()
        prices = [bar.close for bar in close.adjusted[-self.slow :]]
        # Compared as sums times the other window: exact, without a division.
        fast = EXACT.multiply(exact_sum(prices[-self.fast :]), Decimal(self.slow))
        slow = EXACT.multiply(exact_sum(prices), Decimal(self.fast))
        if fast > slow:
            return _enter(close, self._fraction)
        return _leave(close)


class BuyAndHold:
    """Buys at the first open and never sells: what a strategy is compared with.

    Args:
        fraction: share of the equity to invest, above 0 to 1.

    Raises:
        InvalidRequest: *fraction* is out of its range.
    """

    def __init__(self, fraction: Decimal = Decimal(1)) -> None:
        _check_fraction(fraction)
        self.name = "Buy and hold"
        self._fraction = fraction

    def decide(self, close: Close) -> Sequence[OrderRequest]:
        """Return the one buy, until there is a position."""
        return _enter(close, self._fraction)


def simple_moving_average(prices: Sequence[Decimal], window: int) -> list[float | None]:
    """Return the average of each price and the *window* - 1 before it, for a plot.

    Returns:
        As many values as *prices*; None where there are too few before.
    """
    averages: list[float | None] = []
    total = ZERO
    for count, price in enumerate(prices, start=1):
        total = EXACT.add(total, price)
        if count > window:
            total = EXACT.subtract(total, prices[count - window - 1])
        averages.append(float(total) / window if count >= window else None)
    return averages


def exact_sum(amounts: Sequence[Decimal]) -> Decimal:
    """Return the exact sum of *amounts*."""
    total = ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def _enter(close: Close, fraction: Decimal) -> Sequence[OrderRequest]:
    if close.qty > ZERO or close.open_orders:
        return ()
    dollars = min(EXACT.multiply(close.equity, fraction), close.buying_power)
    # The venue reserves a market buy at its collar, so the order is sized at that price.
    price = reserve_price(None, close.raw[-1].close, close.collar)
    qty = EXACT.divide_int(dollars, price)
    return (OrderRequest("buy", qty),) if qty > ZERO else ()


def _leave(close: Close) -> Sequence[OrderRequest]:
    if close.qty == ZERO or close.open_orders:
        return ()
    return (OrderRequest("sell", close.qty),)


def _check_fraction(fraction: Decimal) -> None:
    if not (fraction.is_finite() and ZERO < fraction <= 1):
        raise InvalidRequest(f"fraction must be above 0 and at most 1, not {fraction}")
