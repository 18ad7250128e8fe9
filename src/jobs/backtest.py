"""``python -m jobs.backtest``: backtest a moving-average crossover and write its tear sheet.

Exit status 0 is success, 1 a failure of the system, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from actors.topology import load_settings
from jobs.figure_text import dollars, key_figures
from jobs.study import Study, StudyOutcome, run_study_anywhere
from jobs.tear_sheet import tear_sheet
from tradeplane.errors import InvalidRequest, RequestRefused, TradeplaneError
from tradeplane.money import parse_amount
from tradeplane.settings import Settings


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the job and return its exit status."""
    given = _parser().parse_args(arguments)
    try:
        settings = load_settings()
        outcome = run_study_anywhere(_study(given, settings))
        home = Path(given.home or settings.home)
        path = _write(outcome, Path(given.output) if given.output else home / "research")
    except RequestRefused as refusal:
        sys.stderr.write(f"backtest: {refusal}\n")
        return 2
    except TradeplaneError as error:
        sys.stderr.write(f"backtest: {error}\n")
        return 1
    print(report(outcome))
    print(f"tear sheet: {path}")
    return 0


def report(outcome: StudyOutcome) -> str:
    """Return the readable table of *outcome*."""
    study, result = outcome.study, outcome.result
    first, last = result.marks[0].session, result.marks[-1].session
    rows = [("", study.strategy().name, "Buy and hold")]
    rows += [
        (figure.label, figure.strategy, figure.benchmark)
        for figure in key_figures(result, outcome.benchmark)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{study.symbol}  {outcome.company}  {first} to {last}, from {dollars(study.cash)}"]
    lines += [
        f"  {label:<{widths[0]}}  {strategy:>{widths[1]}}  {benchmark:>{widths[2]}}"
        for label, strategy, benchmark in rows
    ]
    if result.refusals:
        lines.append(f"  {len(result.refusals)} orders refused: {result.refusals[0].reason}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m jobs.backtest",
        description="Backtest a moving-average crossover by the venue's own fill rules.",
    )
    parser.add_argument("--symbol", default="AAPL", help="a tradable symbol (default: AAPL)")
    parser.add_argument("--fast", type=int, default=20, help="sessions of the fast average")
    parser.add_argument("--slow", type=int, default=100, help="sessions of the slow average")
    parser.add_argument("--start", default="1900-01-01", help="first date, YYYY-MM-DD")
    parser.add_argument("--end", default="2999-12-31", help="last date, YYYY-MM-DD")
    parser.add_argument("--cash", default="100000", help="US dollars at the start")
    parser.add_argument("--fraction", default="1", help="share of the equity to invest, to 1")
    parser.add_argument("--output", help="folder of the tear sheet (default: HOME/research)")
    parser.add_argument("--home", help="the installation's folder (default: TRADEPLANE_HOME)")
    return parser


def _study(given: argparse.Namespace, settings: Settings) -> Study:
    return Study(
        symbol=given.symbol.upper(),
        fast=given.fast,
        slow=given.slow,
        first=_date("start", given.start),
        last=_date("end", given.end),
        cash=parse_amount("cash", given.cash, decimals_max=2),
        fraction=parse_amount("fraction", given.fraction, decimals_max=4),
        participation=settings.participation,
        seed=settings.replay_seed,
        home=str(Path(given.home or settings.home).resolve()),
    )


def _date(name: str, text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise InvalidRequest(f"{name} must be a date such as 2012-05-18, not {text!r}") from None


def _write(outcome: StudyOutcome, folder: Path) -> Path:
    study, marks = outcome.study, outcome.result.marks
    name = "-".join(
        (
            re.sub(r"[^A-Za-z0-9.]", "_", study.symbol),
            f"sma-{study.fast}-{study.slow}",
            marks[0].session,
            marks[-1].session,
        )
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = (folder / f"{name}.html").resolve()
        partial = path.with_suffix(".partial")
        partial.write_text(tear_sheet(outcome), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise InvalidRequest(f"cannot write into {folder}: {error.strerror}") from error
    return path


if __name__ == "__main__":
    sys.exit(main())
