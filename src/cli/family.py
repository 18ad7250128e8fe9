"""All descendants that a process ever had, to end those that outlive it.

A process that renames itself may write its title over its environment, and with it over the mark
of its run; and one whose parent has died has another parent. So the family is written down while
it is whole. A process id may be used again: the start time tells the new process from the old.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

_PPID, _START = 1, 19  # the places of ppid and starttime after the name, proc_pid_stat(5)


class Family:
    """The descendants of one process.

    Args:
        ancestor: its process id; it is no member itself, and neither is this process.
    """

    def __init__(self, ancestor: int) -> None:
        self._ancestor = ancestor
        self._members: dict[int, int] = {}

    def look(self) -> None:
        """Write down who has been born since the last look."""
        parents: dict[int, int] = {}
        starts: dict[int, int] = {}
        for process_id in _all():
            found = _stat(process_id)
            if found is not None:
                parents[process_id], starts[process_id] = found
        known = {self._ancestor, *self._living()}
        grown = True
        while grown:
            born = {each for each, parent in parents.items() if parent in known} - known
            known |= born
            grown = bool(born)
        for process_id in known - {self._ancestor, os.getpid()}:
            if process_id in starts:
                self._members[process_id] = starts[process_id]

    def end(self) -> int:
        """Kill who still lives, by process id; return how many there were."""
        living = self._living()
        for process_id in living:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGKILL)
        return len(living)

    def _living(self) -> list[int]:
        living = []
        for process_id, start in self._members.items():
            found = _stat(process_id)
            if found is not None and found[1] == start:
                living.append(process_id)
        return living


def _all() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(process_id: int) -> tuple[int, int] | None:
    """Return parent and start time of a process, None when it is gone or a zombie."""
    with contextlib.suppress(OSError):
        after_name = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
        if after_name[0] not in "ZX":
            return int(after_name[_PPID]), int(after_name[_START])
    return None
