import signal
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from harness.failure import BenchmarkFailed
from harness.processes import Program, running, wait_until

FOREVER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN_CODE = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('up', flush=True)
time.sleep(600)
"""
STUBBORN = [sys.executable, "-c", STUBBORN_CODE]


def until_up(process: subprocess.Popen, log: Path):
    wait_until(lambda: "up" in log.read_text(), "the child", 30, process, log)


def interrupt(process: subprocess.Popen, log: Path):
    until_up(process, log)
    raise KeyboardInterrupt


def test_a_child_is_stopped_by_the_asked_signal_when_the_block_fails(tmp_path):
    log = tmp_path / "log"
    program = Program(FOREVER, log, stop_signal=signal.SIGUSR1)
    with pytest.raises(KeyboardInterrupt), running(program) as process:
        interrupt(process, log)
    assert process.returncode == -signal.SIGUSR1


def test_a_child_that_does_not_stop_is_killed_and_reported(tmp_path):
    log = tmp_path / "log"
    with (
        pytest.raises(BenchmarkFailed, match=r"did not stop within 0\.2 s"),
        running(Program(STUBBORN, log, stop_s=0.2)) as process,
    ):
        until_up(process, log)
    assert process.returncode == -signal.SIGKILL


def test_a_child_that_ends_while_it_is_waited_for_is_reported_with_its_log(tmp_path):
    log = tmp_path / "log"
    command = [sys.executable, "-c", "import sys; sys.exit('no such database')"]
    with (
        running(Program(command, log)) as process,
        pytest.raises(BenchmarkFailed, match="ended with 1\nno such database"),
    ):
        wait_until(lambda: False, "the child", 30, process, log)


def test_a_child_that_is_never_ready_is_reported(tmp_path):
    log = tmp_path / "log"
    with (
        running(Program(FOREVER, log)) as process,
        pytest.raises(BenchmarkFailed, match="the child: not within 0 s"),
    ):
        wait_until(lambda: False, "the child", 0, process, log)
