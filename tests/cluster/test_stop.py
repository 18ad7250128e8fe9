"""A run leaves nothing behind, however it is asked to end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running_system import RunningSystem

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def marked(home: Path) -> list[str]:
    """Return the processes that carry this home in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            if f"TRADEPLANE_HOME={home}".encode() in (entry / "environ").read_bytes().split(b"\0"):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_stops_everything_and_the_status_is_zero(
    tmp_path: Path, number: signal.Signals
) -> None:
    system = RunningSystem(tmp_path / "home").start()
    assert len(marked(system.home)) > 5

    assert system.stop(number) == 0

    assert marked(system.home) == []


def test_a_run_that_is_killed_leaves_nothing_either(tmp_path: Path) -> None:
    system = RunningSystem(tmp_path / "home").start()

    system.process.kill()
    system.process.wait()
    system._reader.join(5)

    deadline = time.monotonic() + 30
    while left := marked(system.home):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)


def test_make_passes_its_interrupt_on(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    system = RunningSystem(tmp_path / "home")
    (tmp_path / "Makefile").write_text(
        f"run:\n\t@true\n\t@exec {Path(sys.executable).parent}/tradeplane run\n"
    )
    system.process = subprocess.Popen(
        # A shell that runs the tests in the background has SIGINT ignored, and make inherits that.
        ["env", "--default-signal=INT", "make", "-C", str(tmp_path), "run"],
        env=system.environment,
        cwd=root,
    )
    deadline = time.monotonic() + 120
    while not (system.home / "run.json").exists():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    system.process.send_signal(signal.SIGINT)

    try:
        system.process.wait(90)
    finally:
        system.process.kill()
        system.process.wait()

    assert marked(system.home) == []
