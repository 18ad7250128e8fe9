"""What the nodes of a cluster tell each other about the requests that they let pass."""

from __future__ import annotations

from collections.abc import Mapping

_WINDOWS_MAX = 2
_PROCESSES_MAX = 1_024
KEYS_MAX = 4_096
"""Keys that one process may report in a window."""


class RateExchange:
    """Knows the counts of every process, and tells each what the other nodes have.

    Reports carry totals, not differences: one that is lost, repeated or late does no harm. The
    processes of a node see each other's counts in memory that they share, so they are told of
    other nodes only. Counts leave with their window, those of a dead process too; nothing has to
    notice its death.
    """

    def __init__(self) -> None:
        self._windows: dict[int, dict[str, tuple[str, dict[int, int]]]] = {}

    def report(
        self, node: str, process: str, window: int, totals: Mapping[int, int]
    ) -> dict[int, int]:
        """Take what *process* let pass in *window*; return what other nodes did, of its keys.

        Args:
            node: where it runs.
            process: its name, never used twice.
            window: which minute.
            totals: by key, what the process let pass since the window began.
        """
        processes = self._processes(window)
        if processes is None:
            return {}
        known = processes.get(process)
        if known is None:
            if len(processes) >= _PROCESSES_MAX:
                return {}
            known = processes[process] = (node, {})
        own = known[1]
        for key, total in totals.items():
            if key in own or len(own) < KEYS_MAX:
                own[key] = max(total, own.get(key, 0))
        others: dict[int, int] = {}
        for elsewhere, counts in processes.values():
            if elsewhere != node:
                for key in own.keys() & counts.keys():
                    others[key] = others.get(key, 0) + counts[key]
        return others

    def nodes(self, window: int) -> int:
        """Return how many nodes have reported in *window*."""
        return len({node for node, _ in self._windows.get(window, {}).values()})

    def _processes(self, window: int) -> dict[str, tuple[str, dict[int, int]]] | None:
        """Return the processes of *window*; None when it is long past."""
        known = self._windows.get(window)
        if known is not None:
            return known
        if len(self._windows) >= _WINDOWS_MAX:
            oldest = min(self._windows)
            if window < oldest:
                return None
            del self._windows[oldest]
        return self._windows.setdefault(window, {})
