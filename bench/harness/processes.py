"""Child processes that are stopped by their id, whatever happens."""

import contextlib
import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.failure import BenchmarkFailed

_POLL_S = 0.1
_LOG_LINES = 30


@dataclass(frozen=True)
class Program:
    """A program to run.

    Attributes:
        command: program and arguments.
        log: file that takes all its output.
        environment: the whole environment; the benchmark's own when None.
        user: who runs it; the benchmark's own user when None.
        stop_signal: what asks it to stop.
        stop_s: seconds it may take to stop before it and its process group are killed.
    """

    command: Sequence[str | Path]
    log: Path
    environment: Mapping[str, str] | None = None
    user: pwd.struct_passwd | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_s: float = 30


@contextlib.contextmanager
def running(program: Program) -> Iterator[subprocess.Popen[bytes]]:
    """Run *program* for the time of the ``with`` block.

    The child has a session of its own, so Ctrl-C reaches only the benchmark, which then stops its
    children in order.

    Raises:
        BenchmarkFailed: it did not stop when asked.
    """
    user = program.user
    with program.log.open("ab") as output:
        process = subprocess.Popen(
            [str(part) for part in program.command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=program.environment,
            start_new_session=True,
            user=None if user is None else user.pw_uid,
            group=None if user is None else user.pw_gid,
            extra_groups=None if user is None else [],
        )
    try:
        yield process
    finally:
        _stop(process, program)


def _stop(process: subprocess.Popen[bytes], program: Program) -> None:
    if process.poll() is not None:
        return
    process.send_signal(program.stop_signal)
    try:
        process.wait(program.stop_s)
    except subprocess.TimeoutExpired as error:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise BenchmarkFailed(
            f"{program.command[0]} did not stop within {program.stop_s:g} s and was killed\n"
            f"{tail(program.log)}"
        ) from error


def wait_until(
    ready: Callable[[], bool],
    what: str,
    timeout_s: float,
    process: subprocess.Popen[bytes],
    log: Path,
) -> None:
    """Wait until *ready* returns true.

    Raises:
        BenchmarkFailed: *process* ended, or *timeout_s* seconds passed; with the end of its *log*.
    """
    deadline = time.monotonic() + timeout_s
    while not ready():
        if process.poll() is not None:
            raise BenchmarkFailed(
                f"{what}: the process ended with {process.returncode}\n{tail(log)}"
            )
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"{what}: not within {timeout_s:g} s\n{tail(log)}")
        time.sleep(_POLL_S)


def tail(log: Path) -> str:
    """Return the last lines of *log*."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-_LOG_LINES:])
