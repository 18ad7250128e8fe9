"""The plots of the tear sheet as plotly figures, in plain values.

A trace names its colour by a role in ``meta``; the page turns roles into the colours of the
reader's scheme, light or dark.
"""

from __future__ import annotations

from typing import Any

from jobs.study import StudyOutcome
from tradeplane.research.backtest import Fill
from tradeplane.research.performance import drawdowns, equity_curve
from tradeplane.research.strategies import simple_moving_average
from tradeplane.trading.orders import Side

Figure = dict[str, Any]


def equity_plot(outcome: StudyOutcome) -> Figure:
    """Return both equity curves, US dollars at each close."""
    x = _sessions(outcome)
    name = outcome.study.strategy().name
    return _figure(
        x,
        [
            _line(
                x, equity_curve(outcome.benchmark)[1:], "Buy and hold", "benchmark", "$%{y:,.0f}"
            ),
            _line(x, equity_curve(outcome.result)[1:], name, "strategy", "$%{y:,.0f}", width=2),
        ],
        {"tickprefix": "$", "tickformat": ",.3~s"},
    )


def drawdown_plot(outcome: StudyOutcome) -> Figure:
    """Return the falls below the earlier high, as fractions."""
    x = _sessions(outcome)
    name = outcome.study.strategy().name
    strategy = _line(x, drawdowns(equity_curve(outcome.result))[1:], name, "loss", "%{y:.1%}")
    benchmark = drawdowns(equity_curve(outcome.benchmark))[1:]
    return _figure(
        x,
        [
            _line(x, benchmark, "Buy and hold", "benchmark", "%{y:.1%}"),
            strategy | {"fill": "tozeroy"},
        ],
        {"tickformat": ".0%", "rangemode": "tozero"},
    )


def price_plot(outcome: StudyOutcome) -> Figure:
    """Return the adjusted closes, the two averages, and where the strategy traded."""
    study, bars = outcome.study, outcome.tape.adjusted
    start = len(bars) - sum(1 for bar in bars if bar.session >= outcome.result.marks[0].session)
    closes = [bar.close for bar in bars]
    x = [bar.session for bar in bars[start:]]
    price = "$%{y:,.2f}"
    traces = [_line(x, [float(close) for close in closes[start:]], "Close", "price", price)]
    for window, role in ((study.fast, "fast"), (study.slow, "slow")):
        average = simple_moving_average(closes, window)[start:]
        traces.append(_line(x, average, f"SMA {window}", role, price))
    traces.append(_trades(outcome, "buy", "Buy", "triangle-up"))
    traces.append(_trades(outcome, "sell", "Sell", "triangle-down"))
    return _figure(_sessions(outcome), traces, {"tickprefix": "$"})


def _trades(outcome: StudyOutcome, side: Side, name: str, symbol: str) -> Figure:
    adjusted = {bar.session: bar for bar in outcome.tape.adjusted}
    raw = {bar.session: bar for bar in outcome.tape.raw}
    fills = [fill for fill in outcome.result.fills if fill.side == side]

    def level(fill: Fill) -> float:
        # Fills are at prices as traded; the line is adjusted, so the marker must be, too.
        factor = float(adjusted[fill.session].close) / float(raw[fill.session].close)
        return float(fill.price) * factor

    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "meta": side,
        "x": [fill.session for fill in fills],
        "y": [level(fill) for fill in fills],
        "text": [f"{name} {fill.qty:,f} at ${fill.price:,f} as traded" for fill in fills],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"symbol": symbol, "size": 10},
    }


def _sessions(outcome: StudyOutcome) -> list[str]:
    return [mark.session for mark in outcome.result.marks]


def _line(  # noqa: PLR0913  # one trace: what is drawn, and how
    x: list[str],
    y: list[float] | list[float | None],
    name: str,
    role: str,
    hover: str,
    *,
    width: float = 1.5,
) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "meta": role,
        "x": x,
        "y": y,
        "line": {"width": width},
        "hovertemplate": hover,
    }


def _figure(sessions: list[str], traces: list[Figure], y_axis: dict[str, Any]) -> Figure:
    return {
        "data": traces,
        "layout": {
            "autosize": True,
            "hovermode": "x unified",
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "legend": {"orientation": "h", "x": 0, "y": 1.05, "yanchor": "bottom"},
            "xaxis": {
                "type": "date",
                "range": [sessions[0], sessions[-1]],
                "automargin": True,
                "showgrid": False,
            },
            "yaxis": {"automargin": True, "zeroline": False, **y_axis},
        },
    }
