"""Round trips: from no shares to some, and back to none."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradeplane.money import EXACT, ZERO
from tradeplane.research.backtest import BacktestResult, Fill
from tradeplane.trading.account import restated_qty


class RoundTrip(msgspec.Struct):
    """A position from its first buy to its last sell.

    Attributes:
        entry_session: session of the first buy.
        exit_session: session of the last sell; None while shares are left.
        bought_qty: shares bought, as traded then.
        sold_qty: shares sold, as traded then; a split in between makes it differ.
        cost: US dollars paid.
        proceeds: US dollars received, plus the value of the shares left at the last close.
        sessions: sessions at whose close shares were held.
    """

    entry_session: str
    exit_session: str | None = None
    bought_qty: Decimal = ZERO
    sold_qty: Decimal = ZERO
    cost: Decimal = ZERO
    proceeds: Decimal = ZERO
    sessions: int = 0

    def profit(self) -> Decimal:
        """Return the profit in US dollars, exact."""
        return EXACT.subtract(self.proceeds, self.cost)

    def return_fraction(self) -> float:
        """Return the profit as a fraction of the cost, for display."""
        return float(self.profit()) / float(self.cost)


def round_trips(result: BacktestResult) -> tuple[RoundTrip, ...]:
    """Return the round trips of *result*, oldest first; the last one may still be open."""
    trips: list[RoundTrip] = []
    splits = list(result.splits)
    qty = ZERO
    for fill in result.fills:
        while splits and splits[0].session <= fill.session:
            qty = restated_qty(qty, splits.pop(0))
        if qty == ZERO:
            trips.append(RoundTrip(fill.session))
        qty = _take(trips[-1], fill, qty)
    for trip in trips:
        trip.sessions = sum(
            1
            for mark in result.marks
            if mark.qty > ZERO
            and trip.entry_session <= mark.session
            and (trip.exit_session is None or mark.session <= trip.exit_session)
        )
    if trips and trips[-1].exit_session is None:
        last = result.marks[-1]
        value = EXACT.multiply(last.qty, last.price)
        trips[-1].proceeds = EXACT.add(trips[-1].proceeds, value)
    return tuple(trips)


def _take(trip: RoundTrip, fill: Fill, qty: Decimal) -> Decimal:
    dollars = EXACT.multiply(fill.qty, fill.price)
    if fill.side == "buy":
        trip.bought_qty = EXACT.add(trip.bought_qty, fill.qty)
        trip.cost = EXACT.add(trip.cost, dollars)
        return EXACT.add(qty, fill.qty)
    trip.sold_qty = EXACT.add(trip.sold_qty, fill.qty)
    trip.proceeds = EXACT.add(trip.proceeds, dollars)
    left = EXACT.subtract(qty, fill.qty)
    if left == ZERO:
        trip.exit_session = fill.session
    return left
