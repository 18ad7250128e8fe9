"""``tradeplane research``: submit research to the running cluster and follow it.

Ray reads the cluster's token when it is imported: the caller has chosen it before this module.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
import time

import msgspec
from ray.job_submission import JobStatus, JobSubmissionClient

from cli.running import Running, running_path
from tradeplane.errors import ComponentUnavailable
from tradeplane.settings import Settings, variable

_SETTLED_S = 10.0
_POLL_S = 0.2


def submit_backtest(settings: Settings, arguments: list[str]) -> int:
    """Run ``python -m jobs.backtest`` with *arguments* on the cluster; its output comes here.

    Args:
        settings: of the installation that is running.
        arguments: the job's own arguments; a leading ``--`` is dropped.

    Returns:
        0 when the job succeeded, else 1. An interrupt stops the job.

    Raises:
        ComponentUnavailable: nothing is running in this home, or it does not answer.
    """
    client = _client(settings)
    given = arguments[1:] if arguments[:1] == ["--"] else arguments
    try:
        job_id = client.submit_job(
            entrypoint=shlex.join(["python", "-m", "jobs.backtest", *given]),
            runtime_env={"env_vars": {variable("home"): settings.home}},
        )
        try:
            asyncio.run(_follow(client, job_id))
        except KeyboardInterrupt:
            client.stop_job(job_id)
            sys.stderr.write(f"stopped {job_id}\n")
            return 1
        status = _settled(client, job_id)
    except (OSError, RuntimeError) as error:
        raise ComponentUnavailable(f"the cluster's job API failed: {error}") from error
    if status is not JobStatus.SUCCEEDED:
        sys.stderr.write(f"{job_id} ended as {status}\n")
        return 1
    return 0


def _client(settings: Settings) -> JobSubmissionClient:
    path = running_path(settings)
    if not path.exists():
        raise ComponentUnavailable(
            f"nothing is running in {settings.home}; start it with `make run`, or submit to "
            "another cluster with `ray job submit -- python -m jobs.backtest`"
        )
    running = msgspec.json.decode(path.read_bytes(), type=Running)
    try:
        return JobSubmissionClient(running.dashboard)
    except (OSError, RuntimeError) as error:
        raise ComponentUnavailable(
            f"the job API at {running.dashboard} does not answer: {error}"
        ) from error


async def _follow(client: JobSubmissionClient, job_id: str) -> None:
    async for text in client.tail_job_logs(job_id):
        sys.stdout.write(text)
        sys.stdout.flush()


def _settled(client: JobSubmissionClient, job_id: str) -> JobStatus:
    # The output can end a moment before the status is written.
    until = time.monotonic() + _SETTLED_S
    status = client.get_job_status(job_id)
    while not status.is_terminal() and time.monotonic() < until:
        time.sleep(_POLL_S)
        status = client.get_job_status(job_id)
    return status
