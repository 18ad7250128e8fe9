"""The processes of one run, so that not one of them is left behind.

They are marked by an environment variable that children inherit, whoever their parent becomes.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

MARK = "RUN_OF_TRADEPLANE"
_POLL_S = 0.1


def marked(run_id: str) -> list[int]:
    """Return the ids of all processes of *run_id* but this one."""
    wanted = f"{MARK}={run_id}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def end(run_id: str, patience_s: float) -> int:
    """Wait for the processes of *run_id* to end; kill by process id those that do not.

    Args:
        run_id: the run.
        patience_s: how long each of the two stages, none and SIGTERM, may take.

    Returns:
        How many had to be signalled.
    """
    left = _wait(run_id, patience_s)
    signalled = len(left)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process_id in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, number)
        left = _wait(run_id, patience_s)
        if not left:
            break
    return signalled


def _wait(run_id: str, patience_s: float) -> list[int]:
    deadline = time.monotonic() + patience_s
    while left := marked(run_id):
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    return left


def parent_was_interrupted(parent: int, first_caught: int) -> bool:
    """Return whether *parent* has died, or is a ``make`` that took a SIGINT for itself.

    GNU make does not pass SIGINT on; it stops catching it and waits for its recipe. The change in
    what it catches is all that shows.

    Args:
        parent: the process id of the parent at the start.
        first_caught: :func:`caught_signals` of it at the start.
    """
    if os.getppid() != parent:
        return True
    bit = 1 << (signal.SIGINT - 1)
    return bool(first_caught & bit) and not caught_signals(parent) & bit


def caught_signals(process_id: int) -> int:
    """Return the mask of signals that a process catches, 0 when it cannot be told."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
            if line.startswith("SigCgt:"):
                return int(line.split()[1], 16)
    return 0


def is_make(process_id: int) -> bool:
    """Return whether a process is ``make``."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process_id}/comm").read_text().strip() in {"make", "gmake"}
    return False
