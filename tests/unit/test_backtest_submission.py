"""``tradeplane research backtest``: what is submitted, what comes back."""

import shlex

import msgspec
import pytest
from ray.job_submission import JobStatus

from cli import research
from cli.running import Running, running_path
from tradeplane.errors import ComponentUnavailable
from tradeplane.settings import Settings


class FakeClient:
    """The job API with one job, which ends as *statuses* say."""

    statuses = (JobStatus.SUCCEEDED,)
    output = ("one\n", "two\n")
    made = ()

    def __init__(self, address):
        self.address = address
        self.submitted = []
        self.stopped = []
        self._statuses = list(self.statuses)
        type(self).made = (self,)

    def submit_job(self, **given):
        self.submitted.append(given)
        return "job-1"

    async def tail_job_logs(self, job_id):
        for text in self.output:
            if text is KeyboardInterrupt:
                raise KeyboardInterrupt
            yield text

    def get_job_status(self, job_id):
        return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]

    def stop_job(self, job_id):
        self.stopped.append(job_id)


@pytest.fixture
def client(monkeypatch):
    fake = type("FakeClient", (FakeClient,), {})
    monkeypatch.setattr(research, "JobSubmissionClient", fake)
    return fake


@pytest.fixture
def settings(tmp_path):
    settings = Settings(home=str(tmp_path))
    running = Running("127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3", "")
    running_path(settings).write_bytes(msgspec.json.encode(running))
    return settings


def test_it_submits_follows_and_succeeds(client, settings, capsys):
    assert research.submit_backtest(settings, ["--symbol", "AAPL"]) == 0

    (made,) = client.made
    assert made.address == "http://127.0.0.1:2"
    (job,) = made.submitted
    assert job["entrypoint"] == "python -m jobs.backtest --symbol AAPL"
    assert job["runtime_env"] == {"env_vars": {"TRADEPLANE_HOME": settings.home}}
    assert capsys.readouterr().out == "one\ntwo\n"


def test_every_argument_arrives_as_it_was_given(client, settings):
    arguments = ["--output", "a b; rm -rf $HOME 'x'", "--symbol", "$(id)"]

    research.submit_backtest(settings, ["--", *arguments])

    entrypoint = client.made[0].submitted[0]["entrypoint"]
    assert shlex.split(entrypoint) == ["python", "-m", "jobs.backtest", *arguments]


def test_a_failed_job_is_exit_status_1(client, settings, capsys):
    client.statuses = (JobStatus.FAILED,)

    assert research.submit_backtest(settings, []) == 1
    assert "job-1 ended as FAILED" in capsys.readouterr().err


def test_it_waits_until_the_status_is_settled(client, settings, monkeypatch):
    monkeypatch.setattr(research, "_POLL_S", 0)
    client.statuses = (JobStatus.RUNNING, JobStatus.RUNNING, JobStatus.SUCCEEDED)

    assert research.submit_backtest(settings, []) == 0


def test_an_interrupt_stops_the_job(client, settings, capsys):
    client.output = ("one\n", KeyboardInterrupt)

    assert research.submit_backtest(settings, []) == 1
    assert client.made[0].stopped == ["job-1"]


def test_without_a_running_system_it_says_what_to_start(client, tmp_path):
    with pytest.raises(ComponentUnavailable, match=r"nothing is running .* `make run`"):
        research.submit_backtest(Settings(home=str(tmp_path / "none")), [])


def test_a_job_api_that_does_not_answer_is_a_clear_failure(settings, monkeypatch):
    def refuse(address):
        raise ConnectionError("refused")

    monkeypatch.setattr(research, "JobSubmissionClient", refuse)
    with pytest.raises(ComponentUnavailable, match=r"127\.0\.0\.1:2 does not answer"):
        research.submit_backtest(settings, [])
