"""The key figures as text, the same in the terminal and on the tear sheet."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from tradeplane.research.backtest import BacktestResult
from tradeplane.research.performance import performance

NONE = "-"
"""Stands where a figure does not exist."""


class KeyFigure(msgspec.Struct, frozen=True):
    """One row: a label, the strategy's figure and the benchmark's, and what the figure means."""

    label: str
    strategy: str
    benchmark: str
    meaning: str


def key_figures(result: BacktestResult, benchmark: BacktestResult) -> list[KeyFigure]:
    """Return the figures of both runs, most important first."""
    end, other_end = (whole_dollars(run.marks[-1].equity) for run in (result, benchmark))
    ours, theirs = performance(result), performance(benchmark)
    return [
        KeyFigure("Final equity", end, other_end, "cash and shares at the last close"),
        *(
            KeyFigure(label, text(getattr(ours, field)), text(getattr(theirs, field)), meaning)
            for label, field, text, meaning in _ROWS
        ),
    ]


def percent(value: float | None) -> str:
    """Return a fraction as percent with one decimal: ``12.3%``."""
    return NONE if value is None else f"{_signless_zero(value * 100, 1):,.1f}%"


def ratio(value: float | None) -> str:
    """Return *value* with two decimals."""
    return NONE if value is None else f"{_signless_zero(value, 2):,.2f}"


def times(value: float | None) -> str:
    """Return *value* as a multiple: ``1.50x``."""
    return NONE if value is None else f"{value:,.2f}x"


def count(value: int) -> str:
    """Return a whole number with thousands apart."""
    return f"{value:,}"


def dollars(value: Decimal | float) -> str:
    """Return US dollars with cents, rounded for display."""
    return f"{'-' if value < 0 else ''}${abs(value):,.2f}"


def whole_dollars(value: Decimal) -> str:
    """Return US dollars without cents, rounded for display."""
    return f"${value:,.0f}"


def _signless_zero(value: float, decimals: int) -> float:
    return round(value, decimals) + 0.0


_ROWS: list[tuple[str, str, Callable[[Any], str], str]] = [
    ("Total return", "total_return", percent, "last equity over initial cash"),
    ("Annual return", "annual_return", percent, "compound, 252 sessions a year"),
    ("Volatility", "annual_volatility", percent, "of daily returns, a year"),
    ("Sharpe", "sharpe", ratio, "mean over volatility, risk-free rate 0"),
    ("Sortino", "sortino", ratio, "mean return over downside deviation"),
    ("Max drawdown", "max_drawdown", percent, "deepest fall below an earlier high"),
    ("Longest drawdown", "max_drawdown_sessions", count, "sessions in a row below a high"),
    ("Round trips", "round_trips", count, "closed positions"),
    ("Win rate", "win_rate", percent, "of the closed round trips"),
    ("Exposure", "exposure", percent, "of the closes with shares held"),
    ("Turnover", "turnover", times, "of mean equity a year, one way"),
]
"""Label, field of Performance, its text, and what it means."""
