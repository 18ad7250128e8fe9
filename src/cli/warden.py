"""A run's last witness: ends what the run started, when the run itself was killed.

A process that gets SIGKILL cannot clean up, and Ray's own processes notice the death of their
driver late or not at all. So each run has a second process that does nothing but wait for the end
of a pipe, which the kernel closes whatever happens to the run.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys

from cli import processes
from cli.family import Family

_PATIENCE_S = 3.0
_LOOK_S = 1.0
_WAIT_S = 3 * _PATIENCE_S + 1


class Warden:
    """The run's side: holds the pipe.

    Args:
        run_id: the mark of the run's processes; the warden's own carries none.
    """

    def __init__(self, run_id: str) -> None:
        environment = {key: value for key, value in os.environ.items() if key != processes.MARK}
        self._process = subprocess.Popen(  # noqa: S603  # our own module, by our own interpreter
            [sys.executable, "-m", "cli.warden", run_id, str(os.getpid())],
            stdin=subprocess.PIPE,
            env=environment,
            # A Ctrl-C in the terminal reaches the run's whole process group; this one outlives it.
            start_new_session=True,
        )

    def dismiss(self) -> None:
        """Close the pipe and wait until the warden has gone. Idempotent."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main(run_id: str, process_id: int) -> None:
    """Wait until the run *process_id* is over, then end what is left of it."""
    family = Family(process_id)
    while not select.select([sys.stdin], [], [], _LOOK_S)[0]:
        family.look()
    processes.end(run_id, _PATIENCE_S)
    family.end()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
