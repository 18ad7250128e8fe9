"""The measuring loop: sides in turn, rounds, and the check that what was acknowledged exists."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.failure import BenchmarkFailed
from harness.figures import Cell, summarise
from harness.side import Side
from harness.work import GET_POSITION, POST_ORDER, Work
from harness.wrk import Measurement, finish_load, start_load

Load = Callable[[Side, Work, int, int], Measurement]
"""Loads a side with a kind of work over so many connections for so many seconds."""

WARM_UP_CONNECTIONS = 32
_WARM_UP_S = 2


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        works: kinds of work, in order.
        connections: numbers of connections, in order.
        rounds: how often each cell is measured.
        seconds: duration of one measurement.
    """

    works: Sequence[Work] = (GET_POSITION, POST_ORDER)
    connections: Sequence[int] = (1, 32, 64)
    rounds: int = 3
    seconds: int = 6


def load(side: Side, work: Work, connections: int, seconds: int) -> Measurement:
    """Load *side* by wrk."""
    return finish_load(start_load(work, side.url, side.callers_file, connections, seconds))


class Comparison:
    """One run of a plan over the sides.

    Args:
        sides: the sides, in the order in which each cell measures them.
        plan: what is measured.
        load: how a side is loaded.
        report: takes a line for each measurement.
    """

    def __init__(
        self,
        sides: Sequence[Side],
        plan: Plan,
        load: Load = load,
        report: Callable[[str], None] = print,
    ) -> None:
        self._sides = sides
        self._plan = plan
        self._load = load
        self._report = report
        self._cells: dict[tuple[str, str, int], list[Measurement]] = defaultdict(list)
        self._acknowledged: dict[str, int] = defaultdict(int)
        self._unanswered_max: dict[str, int] = defaultdict(int)
        self.problems: list[str] = []

    def run(self) -> None:
        """Measure everything; what makes the figures invalid is added to ``problems``.

        Raises:
            BenchmarkFailed: a side or wrk stopped working.
        """
        before = {side.name: side.orders_held() for side in self._sides}
        for work in self._plan.works:
            for side in self._sides:
                self._measure(side, work, WARM_UP_CONNECTIONS, _WARM_UP_S)
        for round_number in range(1, self._plan.rounds + 1):
            for work in self._plan.works:
                for connections in self._plan.connections:
                    for side in self._sides:
                        seen = self._measure(side, work, connections, self._plan.seconds)
                        self._cells[side.name, work.name, connections].append(seen)
                        self._report(_line(round_number, side, work, connections, seen))
        for side in self._sides:
            self._check_orders(side, before[side.name])

    def cells(self, side: str) -> dict[tuple[str, int], Cell]:
        """Return the medians of *side*, by work and connections.

        Raises:
            BenchmarkFailed: nothing was measured yet.
        """
        found = {
            (work, connections): summarise(measurements)
            for (name, work, connections), measurements in self._cells.items()
            if name == side
        }
        if not found:
            raise BenchmarkFailed(f"nothing was measured on the {side}")
        return found

    def _measure(self, side: Side, work: Work, connections: int, seconds: int) -> Measurement:
        seen = self._load(side, work, connections, seconds)
        if seen.failures or not seen.requests:
            self.problems.append(
                f"{side.name} {work.name} at {connections} connections: of {seen.requests} "
                f"answers {seen.non_2xx} were not 2xx, and {seen.socket_errors} connections failed"
            )
        if work == POST_ORDER:
            self._acknowledged[side.name] += seen.requests - seen.non_2xx
            # When time is up wrk leaves, and each connection may have one order under way.
            self._unanswered_max[side.name] += connections + seen.socket_errors
            # What a side still does for accepted orders must not burden the next measurement.
            side.settle()
        return seen

    def _check_orders(self, side: Side, before: int) -> None:
        held = side.orders_held() - before
        least = self._acknowledged[side.name]
        most = least + self._unanswered_max[side.name]
        if not least <= held <= most:
            self.problems.append(
                f"{side.name}: {least} orders were acknowledged and it holds {held}; "
                f"right would be {least} to {most}"
            )
        elif least:
            self._report(
                f"{side.name}: {least:,} orders acknowledged, {held:,} held "
                f"(up to {most - least:,} were under way when wrk left)"
            )


def _line(round_number: int, side: Side, work: Work, connections: int, seen: Measurement) -> str:
    return (
        f"round {round_number}  {work.name:<12}  {connections:>3} connections  {side.name:<7}"
        f"  {seen.per_s:>10,.0f}/s  p50 {seen.p50_ms:.2f} ms  p99 {seen.p99_ms:.2f} ms"
    )
