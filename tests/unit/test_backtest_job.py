"""``python -m jobs.backtest``: what it prints, writes and refuses."""

import re
from decimal import Decimal
from pathlib import Path

import pytest
import ray

from adapters.marketdata.memory import MemoryMarketData
from jobs import study
from jobs.backtest import main
from tradeplane.errors import ComponentUnavailable, TradeplaneError, UnknownAsset

DATES = tuple(f"2012-05-{day:02d}" for day in range(1, 29))


@pytest.fixture(autouse=True)
def installation(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEPLANE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    data = MemoryMarketData.sample(("AAPL", "MSFT"), DATES)
    monkeypatch.setattr(study, "ParquetMarketData", lambda _: data)
    return tmp_path


def run(*arguments):
    return main(["--fast", "2", "--slow", "5", *arguments])


def test_it_prints_the_figures_and_the_path_of_the_page_last(installation, capsys):
    assert run("--symbol", "msft", "--start", "2012-05-07", "--cash", "5000.50") == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("MSFT  Microsoft")
    assert "2012-05-07 to 2012-05-28, from $5,000.50" in lines[0]
    text = "\n".join(lines)
    for label in ("Total return", "Sharpe", "Max drawdown", "Round trips", "Buy and hold"):
        assert label in text
    path = Path(re.fullmatch("tear sheet: (/.*)", lines[-1])[1])
    name = "MSFT-sma-2-5-2012-05-07-2012-05-28.html"
    assert path == installation / "home" / "research" / name
    assert "<!doctype html>" in path.read_text()
    assert [file.name for file in path.parent.iterdir()] == [name]


def test_the_folder_of_the_page_can_be_chosen(installation, capsys):
    assert run("--output", str(installation / "pages")) == 0

    assert list((installation / "pages").iterdir())
    assert not (installation / "home" / "research").exists()


def test_another_home_can_be_chosen(installation, capsys):
    assert run("--home", str(installation / "other")) == 0

    assert list((installation / "other" / "research").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--symbol", "ZZZ"], "unknown symbol 'ZZZ'; there are prices of AAPL, MSFT"),
        (["--fast", "5"], "fast must be below slow; fast is 5 sessions and slow is 5"),
        (["--start", "2013-01-01"], "AAPL has no session from 2013-01-01"),
        (["--start", "2012-05-09", "--end", "2012-05-08"], "the range must not be empty"),
        (["--start", "tomorrow"], "start must be a date such as 2012-05-18, not 'tomorrow'"),
        (["--cash", "0"], "cash must be > 0"),
        (["--cash", "1e5"], "cash must be a decimal number"),
        (["--fraction", "1.5"], "fraction must be above 0 and at most 1, not 1.5"),
    ],
)
def test_wrong_arguments_say_what_is_right_and_exit_with_2(arguments, message, capsys):
    assert run(*arguments) == 2

    captured = capsys.readouterr()
    assert captured.err.startswith(f"backtest: {message}")
    assert captured.out == ""


def test_an_unknown_argument_exits_with_2(capsys):
    with pytest.raises(SystemExit) as exited:
        run("--sloow", "3")

    assert exited.value.code == 2


def test_a_folder_that_cannot_be_written_is_refused(installation, capsys):
    (installation / "file").touch()

    assert run("--output", str(installation / "file")) == 2
    assert "cannot write into" in capsys.readouterr().err


def test_an_unknown_setting_is_a_failure_of_the_installation(monkeypatch, capsys):
    monkeypatch.setenv("TRADEPLANE_NO_SUCH", "1")

    assert run() == 1
    assert "TRADEPLANE_NO_SUCH is no setting" in capsys.readouterr().err


class FakeCluster:
    """Ray as the job sees it: runs the task at once, and remembers its options."""

    def __init__(self, monkeypatch, *, initialized):
        self.options = {}
        self.connections = []
        monkeypatch.setattr(ray, "is_initialized", lambda: initialized)
        monkeypatch.setattr(ray, "init", lambda **given: self.connections.append(given))
        monkeypatch.setattr(ray, "remote", self._remote)
        monkeypatch.setattr(ray, "get", self._get)

    def _remote(self, **options):
        self.options = options
        return lambda function: type("Task", (), {"remote": staticmethod(lambda *a: (function, a))})

    def _get(self, reference, timeout):
        function, arguments = reference
        try:
            return function(*arguments)
        except TradeplaneError as error:
            failed = ray.exceptions.RayTaskError("run_study", "a long traceback", error)
            raise failed.as_instanceof_cause() from None


def a_study(**changes):
    values = dict.fromkeys(("fraction", "participation"), Decimal(1))
    values |= {"symbol": "AAPL", "fast": 2, "slow": 5, "first": DATES[0], "last": DATES[-1]}
    return study.Study(**(values | {"cash": Decimal(1000), "seed": 7, "home": "h"} | changes))


def test_on_a_cluster_it_is_a_task_with_the_same_outcome(monkeypatch):
    here = study.run_study_anywhere(a_study())
    cluster = FakeCluster(monkeypatch, initialized=True)

    assert study.run_study_anywhere(a_study()) == here
    assert cluster.options == {"num_cpus": 1}
    assert cluster.connections == []


def test_it_joins_the_cluster_of_its_environment(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    cluster = FakeCluster(monkeypatch, initialized=False)

    study.run_study_anywhere(a_study())

    assert len(cluster.connections) == 1


def test_a_refusal_comes_back_from_the_task_without_a_traceback(monkeypatch):
    FakeCluster(monkeypatch, initialized=True)

    with pytest.raises(UnknownAsset) as refused:
        study.run_study_anywhere(a_study(symbol="ZZZ"))
    assert str(refused.value).startswith("unknown symbol 'ZZZ'")


def test_a_cluster_that_does_not_answer_is_a_clear_failure(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    FakeCluster(monkeypatch, initialized=False)

    def refuse(**given):
        raise ConnectionError("no")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(ComponentUnavailable, match=r"127\.0\.0\.1:1 .* does not answer"):
        study.run_study_anywhere(a_study())
