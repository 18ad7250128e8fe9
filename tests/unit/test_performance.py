"""The performance figures, against numpy written on its own, and at the edges."""

import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tradeplane.research.backtest import BacktestResult, Fill, Mark
from tradeplane.research.performance import (
    annual_return,
    drawdowns,
    monthly_returns,
    performance,
    returns,
    sharpe_ratio,
    sortino_ratio,
)

D = Decimal
CURVES = st.lists(st.floats(1, 1e6), min_size=3, max_size=60)


def result(equities, *, cash=100, qty=(), fills=()):
    held = list(qty) + [0] * (len(equities) - len(qty))
    marks = tuple(
        Mark(f"2012-01-{n:02d}", D(1), D(0), D(held[n - 1]), D(str(equity)))
        for n, equity in enumerate(equities, start=1)
    )
    return BacktestResult("AAPL", D(cash), marks, tuple(fills), (), (), (), "digest")


def fill(day, side, qty, price):
    return Fill(f"2012-01-{day:02d}", "order", "execution", side, D(qty), D(price), 0)


@given(CURVES)
@settings(max_examples=200, deadline=None)
def test_the_ratios_agree_with_numpy(curve):
    values = np.array(curve)
    daily = np.diff(values) / values[:-1]
    assume(daily.std(ddof=1) > 1e-9)
    losses = np.sqrt(np.mean(np.where(daily < 0, daily, 0) ** 2))

    assert sharpe_ratio(returns(curve)) == pytest.approx(
        np.sqrt(252) * daily.mean() / daily.std(ddof=1), rel=1e-6, abs=1e-9
    )
    if losses > 1e-9:
        assert sortino_ratio(returns(curve)) == pytest.approx(
            np.sqrt(252) * daily.mean() / losses, rel=1e-6, abs=1e-9
        )


@given(CURVES)
@settings(max_examples=200, deadline=None)
def test_drawdowns_agree_with_numpy(curve):
    values = np.array(curve)

    assert drawdowns(curve) == pytest.approx(values / np.maximum.accumulate(values) - 1)


def test_annual_return_compounds_to_the_total_return():
    curve = [100.0] + [math.nan] * 503 + [121.0]

    assert annual_return(curve) == pytest.approx(0.1)


def test_figures_of_a_small_curve_are_those_of_a_hand():
    # 100 -> 110 -> 99 -> 99 -> 132; two shares bought at 10, sold at 15; then one held.
    fills = [fill(1, "buy", 2, 10), fill(3, "sell", 2, 15), fill(4, "buy", 1, 20)]
    figures = performance(result([110, 99, 99, 132], qty=[2, 2, 0, 1], fills=fills))

    assert figures.total_return == pytest.approx(0.32)
    assert figures.annual_return == pytest.approx(1.32**63 - 1)
    daily = [0.1, -0.1, 0, 1 / 3]
    assert figures.annual_volatility == pytest.approx(np.std(daily, ddof=1) * np.sqrt(252))
    assert figures.sharpe == pytest.approx(np.mean(daily) / np.std(daily, ddof=1) * np.sqrt(252))
    assert figures.sortino == pytest.approx(np.mean(daily) / 0.05 * np.sqrt(252))
    assert figures.max_drawdown == pytest.approx(-0.1)
    assert figures.max_drawdown_sessions == 2
    assert (figures.round_trips, figures.win_rate) == (1, 1.0)
    assert figures.exposure == 0.75
    # (20 + 30 + 20) / 2 dollars over a mean equity of 110 in 4 sessions.
    assert figures.turnover == pytest.approx(35 / 110 * 63)


def test_a_trip_without_profit_is_no_win():
    fills = [fill(1, "buy", 1, 10), fill(2, "sell", 1, 10), fill(3, "buy", 1, 5)]
    fills += [fill(4, "sell", 1, 6)]

    figures = performance(result([100, 100, 100, 101], fills=fills))

    assert (figures.round_trips, figures.win_rate) == (2, 0.5)


def test_a_constant_curve_has_no_ratios_and_no_loss():
    figures = performance(result([100, 100, 100]))

    assert (figures.total_return, figures.annual_return, figures.annual_volatility) == (0, 0, 0)
    assert (figures.sharpe, figures.sortino, figures.win_rate) == (None, None, None)
    assert (figures.max_drawdown, figures.max_drawdown_sessions) == (0, 0)
    assert (figures.exposure, figures.turnover) == (0, 0)


def test_equal_gains_have_no_sharpe_ratio_although_floats_round():
    curve = [100 * 1.01**n for n in range(50)]

    assert sharpe_ratio(returns(curve)) is None
    assert sortino_ratio(returns(curve)) is None


def test_an_empty_curve_a_single_close_and_no_cash_divide_nothing_by_zero():
    empty = performance(result([]))
    assert (empty.total_return, empty.annual_return, empty.annual_volatility) == (0, None, None)
    assert (empty.exposure, empty.turnover, empty.max_drawdown) == (0, None, 0)
    assert performance(result([101])).annual_volatility is None
    broke = performance(result([0, 0], cash=0))
    assert (broke.total_return, broke.annual_return, broke.turnover) == (0, None, None)
    ruined = performance(result([50, 0, 0]))
    assert (ruined.total_return, ruined.annual_return, ruined.max_drawdown) == (-1, -1, -1)


def test_a_gain_too_wild_for_a_year_has_no_annual_figure():
    assert annual_return([1.0, 1e6]) is None


def test_months_run_from_the_last_close_of_the_month_before():
    sessions = ["2012-01-30", "2012-01-31", "2012-02-01", "2012-04-02"]

    months = monthly_returns(sessions, [100.0, 105.0, 110.0, 99.0, 198.0])

    assert list(months) == [(2012, 1), (2012, 2), (2012, 4)]
    assert list(months.values()) == pytest.approx([0.1, -0.1, 1.0])
