"""Performance figures: statistics of an equity curve, in floats: estimates, not money.

Conventions, the same everywhere in this program: returns are simple, from close to close, the first
one from the initial cash; a year has 252 sessions; the risk-free rate is 0; the standard deviation
is that of a sample (n - 1). A figure that does not exist, such as a ratio to a volatility of zero,
is None.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import msgspec

from tradeplane.money import ZERO
from tradeplane.research.backtest import BacktestResult
from tradeplane.research.round_trips import RoundTrip, round_trips

SESSIONS_A_YEAR = 252

_NOISE = 1e-12
"""A standard deviation below this is the rounding of equal returns."""


class Performance(msgspec.Struct, frozen=True):
    """The figures of one backtest. Fractions: 0.1 is 10 percent.

    Attributes:
        total_return: last equity over initial cash, less one.
        annual_return: the constant yearly return that compounds to *total_return* (CAGR).
        annual_volatility: standard deviation of the returns, a year.
        sharpe: mean return over its standard deviation, a year.
        sortino: mean return over the root mean square of the losses, a year.
        max_drawdown: deepest fall below an earlier high; 0 or negative.
        max_drawdown_sessions: most sessions in a row below an earlier high.
        round_trips: closed round trips.
        win_rate: share of them that made a profit.
        exposure: share of the closes at which shares were held.
        turnover: dollars bought and sold, halved, over mean equity, a year.
    """

    total_return: float
    annual_return: float | None
    annual_volatility: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float
    max_drawdown_sessions: int
    round_trips: int
    win_rate: float | None
    exposure: float
    turnover: float | None


def performance(result: BacktestResult) -> Performance:
    """Return the figures of *result*."""
    curve = equity_curve(result)
    daily = returns(curve)
    trips = [trip for trip in round_trips(result) if trip.exit_session is not None]
    fall = drawdowns(curve)
    held = sum(1 for mark in result.marks if mark.qty > ZERO)
    total = _ratio(curve[-1], curve[0])
    return Performance(
        total_return=0.0 if total is None else total - 1,
        annual_return=annual_return(curve),
        annual_volatility=_annual_volatility(daily),
        sharpe=sharpe_ratio(daily),
        sortino=sortino_ratio(daily),
        max_drawdown=min(fall),
        max_drawdown_sessions=_longest_below_zero(fall),
        round_trips=len(trips),
        win_rate=_win_rate(trips),
        exposure=held / len(result.marks) if result.marks else 0.0,
        turnover=_turnover(result),
    )


def equity_curve(result: BacktestResult) -> list[float]:
    """Return the initial cash, then the equity at each close, US dollars."""
    return [float(result.initial_cash), *(float(mark.equity) for mark in result.marks)]


def returns(curve: Sequence[float]) -> list[float]:
    """Return the simple return of each step of *curve*; 0 after a curve has reached zero."""
    return [
        after / before - 1 if before > 0 else 0.0 for before, after in itertools.pairwise(curve)
    ]


def annual_return(curve: Sequence[float]) -> float | None:
    """Return the compound return a year, or None for a curve without a step."""
    growth = _ratio(curve[-1], curve[0])
    if len(curve) < 2 or growth is None:
        return None
    try:
        return float(growth ** (SESSIONS_A_YEAR / (len(curve) - 1)) - 1)
    except OverflowError:
        # A few sessions of a wild gain have no annual figure that says anything.
        return None


def sharpe_ratio(daily: Sequence[float]) -> float | None:
    """Return the Sharpe ratio a year, or None where the returns do not vary."""
    deviation = _deviation(daily)
    if deviation is None or deviation < _NOISE:
        return None
    return _mean(daily) / deviation * math.sqrt(SESSIONS_A_YEAR)


def sortino_ratio(daily: Sequence[float]) -> float | None:
    """Return the Sortino ratio a year, or None where there is no loss."""
    if not daily:
        return None
    downside = math.sqrt(_mean([min(value, 0.0) ** 2 for value in daily]))
    if downside < _NOISE:
        return None
    return _mean(daily) / downside * math.sqrt(SESSIONS_A_YEAR)


def drawdowns(curve: Sequence[float]) -> list[float]:
    """Return, for each point of *curve*, its fall below the highest point so far; 0 or negative."""
    falls = []
    high = -math.inf
    for value in curve:
        high = max(high, value)
        falls.append(value / high - 1 if high > 0 else 0.0)
    return falls


def monthly_returns(
    sessions: Sequence[str], curve: Sequence[float]
) -> dict[tuple[int, int], float]:
    """Return the return of each calendar month by ``(year, month)``, oldest first.

    Args:
        sessions: ``YYYY-MM-DD`` of each close.
        curve: the starting value, then one value for each session.
    """
    last: dict[tuple[int, int], float] = {}
    for session, value in zip(sessions, curve[1:], strict=True):
        last[int(session[:4]), int(session[5:7])] = value
    months: dict[tuple[int, int], float] = {}
    before = curve[0]
    for month, value in last.items():
        months[month] = value / before - 1 if before > 0 else 0.0
        before = value
    return months


def _annual_volatility(daily: Sequence[float]) -> float | None:
    deviation = _deviation(daily)
    return None if deviation is None else deviation * math.sqrt(SESSIONS_A_YEAR)


def _win_rate(trips: Sequence[RoundTrip]) -> float | None:
    if not trips:
        return None
    return sum(1 for trip in trips if trip.profit() > ZERO) / len(trips)


def _turnover(result: BacktestResult) -> float | None:
    if not result.marks:
        return None
    traded = math.fsum(float(fill.qty) * float(fill.price) for fill in result.fills)
    mean_equity = _mean([float(mark.equity) for mark in result.marks])
    years = len(result.marks) / SESSIONS_A_YEAR
    return traded / 2 / mean_equity / years if mean_equity > 0 else None


def _longest_below_zero(falls: Sequence[float]) -> int:
    longest = current = 0
    for fall in falls:
        current = current + 1 if fall < 0 else 0
        longest = max(longest, current)
    return longest


def _deviation(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    mean = _mean(values)
    return math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _ratio(after: float, before: float) -> float | None:
    return after / before if before > 0 else None
