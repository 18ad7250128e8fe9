"""`tradeplane doctor` on a system as it comes, and on one that was opened on purpose."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_system import RunningSystem

pytestmark = pytest.mark.cluster

OPENED = """
import os, sys
import cli.main

def without_token(settings):
    os.environ["RAY_AUTH_MODE"] = "disabled"

cli.main.use_token = without_token
sys.exit(cli.main.main(["run"]))
"""


def doctor(system: RunningSystem) -> tuple[int, dict[str, dict[str, str]], str]:
    """Return the exit status, the findings and the table."""
    command = [str(Path(sys.executable).parent / "tradeplane"), "doctor"]
    asked = [
        subprocess.run(
            [*command, *more],
            env=system.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        for more in (["--json"], [])
    ]
    assert asked[0].returncode == asked[1].returncode, asked[0].stderr + asked[1].stderr
    findings = {row["check"]: row for row in json.loads(asked[0].stdout)}
    return asked[0].returncode, findings, asked[1].stdout


@pytest.fixture(scope="module")
def as_it_comes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    running = RunningSystem(tmp_path_factory.mktemp("closed") / "home")
    del running.environment["TRADEPLANE_RATE_LIMIT_PER_MINUTE"]
    yield running.start()
    running.stop()


def test_everything_passes_on_a_system_as_it_comes(as_it_comes: RunningSystem) -> None:
    status, findings, table = doctor(as_it_comes)

    assert {name: row["found"] for name, row in findings.items() if row["outcome"] != "pass"} == {}
    assert status == 0
    assert table.endswith("9 of 9 checks passed\n")


def test_a_secret_that_others_can_read_is_named(as_it_comes: RunningSystem) -> None:
    path = as_it_comes.home / "credentials.json"
    path.chmod(0o644)
    try:
        status, findings, table = doctor(as_it_comes)
    finally:
        path.chmod(0o600)

    assert status == 1
    assert [name for name, row in findings.items() if row["outcome"] == "fail"] == ["files"]
    assert "credentials.json has mode 0644" in findings["files"]["found"]
    assert "8 of 9 checks passed" in table


def test_every_open_door_of_an_opened_system_is_named(tmp_path: Path) -> None:
    opened = RunningSystem(tmp_path / "home", TRADEPLANE_HTTP_HOST="0.0.0.0")
    opened.command = [sys.executable, "-c", OPENED]
    opened.start()
    try:
        status, findings, table = doctor(opened)
    finally:
        opened.stop()

    failed = {name for name, row in findings.items() if row["outcome"] == "fail"}
    assert status == 1
    assert failed == {"ray-token", "ray-jobs", "ray-dashboard", "ports", "rate-limits"}
    assert "0.0.0.0:" in findings["ports"]["found"]
    assert "TRADEPLANE_RATE_LIMIT_PER_MINUTE" in findings["rate-limits"]["found"]
    assert "without RAY_AUTH_MODE=token" in findings["ray-token"]["found"]
    assert table.count("FAIL") == len(failed)
