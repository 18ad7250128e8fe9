"""One backtest study: what to run, and what came out, in a form that travels to a Ray task."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

import msgspec
import ray

from adapters.marketdata.parquet_store import ParquetMarketData
from tradeplane.errors import ComponentUnavailable, InvalidRequest, TradeplaneError
from tradeplane.research.backtest import BacktestResult, run_backtest
from tradeplane.research.strategies import BuyAndHold, SmaCrossover
from tradeplane.research.tape import Tape, tape
from tradeplane.trading.bars import MarketData
from tradeplane.trading.ledger_limits import LedgerLimits

_TASK_S = 600.0


class Study(msgspec.Struct, frozen=True):
    """A moving-average crossover of one symbol, and the choices of the venue it runs on.

    Attributes:
        first: earliest session, ``YYYY-MM-DD``.
        last: latest session, ``YYYY-MM-DD``.
        cash: US dollars at the start.
        fraction: share of the equity to invest.
        participation: share of a print's volume that the account may take.
        seed: the replay's seed.
        home: folder of the installation, with its market data.
    """

    symbol: str
    fast: int
    slow: int
    first: str
    last: str
    cash: Decimal
    fraction: Decimal
    participation: Decimal
    seed: int
    home: str

    def strategy(self) -> SmaCrossover:
        """Return the strategy.

        Raises:
            InvalidRequest: its arguments contradict each other.
        """
        return SmaCrossover(self.fast, self.slow, self.fraction)


class StudyOutcome(msgspec.Struct, frozen=True):
    """What a study found.

    Attributes:
        company: the name behind the symbol.
        result: the strategy's run.
        benchmark: buy and hold on the same tape, with the same cash and the same fraction.
    """

    study: Study
    company: str
    tape: Tape
    result: BacktestResult
    benchmark: BacktestResult


def run_study(study: Study, data: MarketData | None = None) -> StudyOutcome:
    """Run *study* in this process, on *data* or else on the installation's own.

    Raises:
        InvalidRequest: the arguments contradict each other, or the range is empty.
        UnknownAsset: there are no prices of the symbol.
    """
    if study.first > study.last:
        raise InvalidRequest(
            f"the range must not be empty; it starts on {study.first} and ends on {study.last}"
        )
    strategy = study.strategy()
    data = data or ParquetMarketData(Path(study.home))
    played = tape(data, study.symbol, study.first, study.last, study.seed)
    limits = LedgerLimits(participation=study.participation)
    names = {asset.symbol: asset.name for asset in data.assets()}
    return StudyOutcome(
        study=study,
        company=names[study.symbol],
        tape=played,
        result=run_backtest(played, strategy, study.cash, limits),
        benchmark=run_backtest(played, BuyAndHold(study.fraction), study.cash, limits),
    )


def run_study_anywhere(study: Study) -> StudyOutcome:
    """Run *study* as a task of the Ray cluster this process belongs to, or here if to none.

    Raises:
        InvalidRequest, UnknownAsset: as :func:`run_study`.
        ComponentUnavailable: the cluster does not answer.
    """
    if not ray.is_initialized():
        if not os.environ.get("RAY_ADDRESS"):
            return run_study(study)
        _connect()
    task = ray.remote(num_cpus=1)(run_study)
    try:
        outcome: StudyOutcome = ray.get(task.remote(study), timeout=_TASK_S)
    except ray.exceptions.GetTimeoutError as error:
        raise ComponentUnavailable(
            f"the cluster did not finish the backtest within {_TASK_S:.0f} s; has it a free CPU?"
        ) from error
    except ray.exceptions.RayTaskError as error:
        # Ray's own text of it is a traceback of the worker.
        if isinstance(error.cause, TradeplaneError):
            raise error.cause from None
        raise
    return outcome


def _connect() -> None:
    try:
        ray.init(namespace="tradeplane", log_to_driver=False, logging_level="error")
    except ConnectionError as error:
        raise ComponentUnavailable(
            f"the cluster at {os.environ['RAY_ADDRESS']} (RAY_ADDRESS) does not answer; "
            "unset RAY_ADDRESS to run without one"
        ) from error
