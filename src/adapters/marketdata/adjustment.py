"""Splits and adjusted prices, as the raw and the adjusted closes of a source imply them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import msgspec

from adapters.marketdata.packages import TradedDay
from tradeplane.money import EXACT, ROUNDING
from tradeplane.trading.market import Split

_STEP = Decimal("0.0001")
_TERM_MAX = 10
# Between two days the adjustment also moves by a dividend, at most some 11 percent in this data
# (a special one); so a split is a larger move, close to a ratio of small numbers.
_SMALLEST = Fraction(6, 5)
_TOLERANCE = Fraction(1, 200)
_RATIOS = sorted(
    ratio
    for ratio in {Fraction(a, b) for a in range(1, _TERM_MAX + 1) for b in range(1, _TERM_MAX + 1)}
    if max(ratio, 1 / ratio) >= _SMALLEST
)


class AdjustedDay(msgspec.Struct, frozen=True):
    """One day's adjusted prices.

    Attributes:
        traded: open, high and low; None where the source has closes only.
        volume: shares; 0 where the source has none.
    """

    session: str
    traded: tuple[Decimal, Decimal, Decimal] | None
    close: Decimal
    volume: int


def rounded(price: Decimal) -> Decimal:
    """Return *price* with four decimals, half to even."""
    return price.quantize(_STEP, context=ROUNDING)


def find_splits(symbol: str, days: Sequence[TradedDay]) -> list[Split]:
    """Return the splits of *symbol* in *days*, oldest first.

    The raw close halves in a 2:1 split and the adjusted close does not, so a split is where the
    quotient of both moves by a ratio of small whole numbers.
    """
    splits = []
    for before, after in pairwise(days):
        moved = (Fraction(before.close) * Fraction(after.adjusted_close)) / (
            Fraction(after.close) * Fraction(before.adjusted_close)
        )
        if max(moved, 1 / moved) < _SMALLEST * (1 - _TOLERANCE):
            continue
        nearest = min(_RATIOS, key=lambda ratio: abs(moved / ratio - 1))
        if abs(moved / nearest - 1) <= _TOLERANCE:
            splits.append(Split(symbol, after.session, nearest.numerator, nearest.denominator))
    return splits


def adjusted_days(traded: Sequence[TradedDay], closes: Mapping[str, Decimal]) -> list[AdjustedDay]:
    """Return the adjusted series of one symbol from two sources, oldest first.

    Where both have a day, *traded* wins. Days that only *closes* has are scaled by one constant
    at each end, so that the two sources, which are adjusted up to different dates, meet without a
    jump.

    Args:
        traded: days with prices as traded, oldest first; may be empty.
        closes: adjusted closes by session, oldest first; may be empty.
    """
    days = {day.session: _scaled(day) for day in traded}
    for session, close in closes.items():
        if session not in days:
            meeting = _meeting_day(traded, session)
            days[session] = AdjustedDay(session, None, _joined(close, meeting, closes), 0)
    return [days[session] for session in sorted(days)]


def _scaled(day: TradedDay) -> AdjustedDay:
    def scale(price: Decimal) -> Decimal:
        product = EXACT.multiply(price, day.adjusted_close)
        return rounded(ROUNDING.divide(product, day.close))

    traded = (scale(day.open), scale(day.high), scale(day.low))
    return AdjustedDay(day.session, traded, rounded(day.adjusted_close), day.volume)


def _meeting_day(traded: Sequence[TradedDay], session: str) -> TradedDay | None:
    if not traded:
        return None
    return traded[0] if session < traded[0].session else traded[-1]


def _joined(close: Decimal, meeting: TradedDay | None, closes: Mapping[str, Decimal]) -> Decimal:
    if meeting is None or meeting.session not in closes:
        return rounded(close)
    product = EXACT.multiply(close, meeting.adjusted_close)
    return rounded(ROUNDING.divide(product, closes[meeting.session]))
