"""The tear sheet: one HTML page that needs no network, for a desktop and for a phone."""

from __future__ import annotations

import calendar
from decimal import Decimal
from typing import Any

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from jobs.figure_text import dollars, key_figures, percent
from jobs.plots import drawdown_plot, equity_plot, price_plot
from jobs.study import StudyOutcome
from tradeplane.money import plain
from tradeplane.research.performance import equity_curve, monthly_returns
from tradeplane.research.round_trips import RoundTrip, round_trips

_FULL_COLOUR_RETURN = 0.15
"""A month's return that gets the strongest colour of the heat map."""


class MonthCell(msgspec.Struct, frozen=True):
    """One cell of the heat map.

    Attributes:
        text: the return, empty for a month that was not played.
        kind: ``gain``, ``loss`` or empty.
        strength: 0 to 100, how strong its colour is.
    """

    text: str = ""
    kind: str = ""
    strength: int = 0


class TradeRow(msgspec.Struct, frozen=True):
    """One row of the table of trades, as text; *kind* is ``gain`` or ``loss``."""

    entry: str
    exit: str
    shares: str
    cost: str
    proceeds: str
    profit: str
    profit_percent: str
    sessions: str
    kind: str


def tear_sheet(outcome: StudyOutcome) -> str:
    """Return the page about *outcome*. Equal outcomes give equal pages."""
    environment = Environment(
        loader=PackageLoader("jobs"), autoescape=True, undefined=StrictUndefined
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    page = environment.get_template("tear_sheet.html.j2").render(_context(outcome))
    return page + "\n"


def _context(outcome: StudyOutcome) -> dict[str, Any]:
    result, study = outcome.result, outcome.study
    trips = round_trips(result)
    return {
        "strategy": study.strategy().name,
        "symbol": study.symbol,
        "company": outcome.company,
        "first": result.marks[0].session,
        "last": result.marks[-1].session,
        "sessions": len(result.marks),
        "initial": dollars(result.initial_cash),
        "final": dollars(result.marks[-1].equity),
        "benchmark_final": dollars(outcome.benchmark.marks[-1].equity),
        "participation": percent(float(study.participation)),
        "fraction": percent(float(study.fraction)),
        "figures": key_figures(result, outcome.benchmark),
        "plots": {
            "equity": equity_plot(outcome),
            "drawdown": drawdown_plot(outcome),
            "price": price_plot(outcome),
        },
        "months": [calendar.month_abbr[month] for month in range(1, 13)],
        "years": _years(outcome),
        "trades": [_trade(trip) for trip in trips],
        "refusals": result.refusals,
        "digest": result.digest,
        "plotly": get_plotlyjs(),
    }


def _years(outcome: StudyOutcome) -> list[tuple[int, list[MonthCell], MonthCell]]:
    curve = equity_curve(outcome.result)
    months = monthly_returns([mark.session for mark in outcome.result.marks], curve)
    years = []
    for year in range(min(months)[0], max(months)[0] + 1):
        cells = [_cell(months.get((year, month))) for month in range(1, 13)]
        growth = 1.0
        for month in range(1, 13):
            growth *= 1 + months.get((year, month), 0.0)
        years.append((year, cells, _cell(growth - 1)))
    return years


def _cell(value: float | None) -> MonthCell:
    if value is None:
        return MonthCell()
    strength = round(min(abs(value) / _FULL_COLOUR_RETURN, 1) * 100)
    text = f"{round(value * 100, 1) + 0.0:.1f}"
    return MonthCell(text, "gain" if value >= 0 else "loss", strength)


def _trade(trip: RoundTrip) -> TradeRow:
    shares = _shares(trip.bought_qty)
    if trip.exit_session is not None and trip.sold_qty != trip.bought_qty:
        shares += f" → {_shares(trip.sold_qty)}"
    return TradeRow(
        entry=trip.entry_session,
        exit=trip.exit_session or "open",
        shares=shares,
        cost=dollars(trip.cost),
        proceeds=dollars(trip.proceeds),
        profit=dollars(trip.profit()),
        profit_percent=percent(trip.return_fraction()),
        sessions=f"{trip.sessions:,}",
        kind="gain" if trip.profit() > 0 else "loss",
    )


def _shares(qty: Decimal) -> str:
    return f"{Decimal(plain(qty)):,f}"
