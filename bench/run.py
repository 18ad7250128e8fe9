"""Measures the product against the conventional stack, on this machine, in one run.

Prints a table of ratios and writes ``results.json`` beside this file. Exit status: 0 when every
figure is valid, 1 when an answer failed or an order is missing, 130 when interrupted.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType

from harness.comparison import Comparison, Plan
from harness.failure import BenchmarkFailed
from harness.figures import Row, compare, comparison_table, one_sided_table, results
from harness.machine import busy_share, cores, find_programs, free_ports
from harness.peer import peer, redis_server
from harness.postgres import PostgreSQL, postgresql
from harness.product import product
from harness.profiling import profile, profiled_processes
from harness.side import Side
from harness.work import WORKS

RESULTS = Path(__file__).with_name("results.json")

_IDLE_S = 3
_BUSY_SHARE_MAX = 0.2
_OWN_DATABASE = "own"
_CAVEAT = (
    "Latencies are those of a closed loop: a connection sends its next request only after the\n"
    "last answer, so a slow answer delays the load instead of queueing behind it. They compare\n"
    "the two sides under equal pressure; they promise nothing to clients that arrive on their own."
)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """Return the options; ``--quick`` is already applied."""
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__)
    parser.add_argument("--rounds", type=_positive, default=3, help="measurements of each cell")
    parser.add_argument("--seconds", type=_positive, default=6, help="duration of one measurement")
    parser.add_argument("--quick", action="store_true", help="one round of two seconds")
    parser.add_argument("--only", choices=sorted(WORKS), help="measure one kind of work")
    parser.add_argument(
        "--database-url",
        help="database of the product; `own` is one on the PostgreSQL server that is started here",
    )
    one_side = parser.add_mutually_exclusive_group()
    one_side.add_argument("--peer-only", action="store_true", help="measure the peer alone")
    one_side.add_argument(
        "--profile", type=_positive, metavar="SECONDS", help="profile the product instead"
    )
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.seconds = 1, 2
    return options


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def plan_of(options: argparse.Namespace) -> Plan:
    """Return what *options* ask to measure."""
    works = [WORKS[options.only]] if options.only else list(WORKS.values())
    return Plan(works=works, rounds=options.rounds, seconds=options.seconds)


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is removed afterwards, and that PostgreSQL's user may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def start_sides(options: argparse.Namespace, stack: contextlib.ExitStack) -> list[Side]:
    """Start what *options* need; *stack* stops it."""
    programs = find_programs()
    ports = free_ports(7)
    folder = stack.enter_context(temporary_folder())
    database: PostgreSQL | None = None
    sides: list[Side] = []
    if not options.profile or options.database_url == _OWN_DATABASE:
        database = stack.enter_context(
            postgresql(programs["postgres"], programs["initdb"], folder, ports[0])
        )
    if database is not None and not options.profile:
        stack.enter_context(redis_server(programs["redis-server"], folder, ports[1]))
        sides.append(stack.enter_context(peer(database, folder, ports[2], ports[1])))
    if not options.peer_only:
        url = options.database_url
        if database is not None and url == _OWN_DATABASE:
            database.execute("postgres", "create database tradeplane")
            url = database.url("tradeplane")
        # Product before peer: each cell measures them in this order.
        sides.insert(0, stack.enter_context(product(folder, ports[3:], url)))
    return sides


def report(comparison: Comparison, *, peer_only: bool) -> None:
    """Print the table, and write the results when both sides were measured without a problem."""
    peer_cells = comparison.cells("peer")
    if peer_only:
        print(f"\n{one_sided_table('peer', peer_cells)}\n\n{_CAVEAT}")
    else:
        rows: list[Row] = [
            compare(name, connections, cell, peer_cells[name, connections])
            for (name, connections), cell in comparison.cells("product").items()
        ]
        print(f"\n{comparison_table(rows)}\n\n{_CAVEAT}")
        if not comparison.problems:
            RESULTS.write_text(json.dumps(results(rows), indent=2) + "\n", encoding="utf-8")
            print(f"\nwritten: {RESULTS}")
    for problem in comparison.problems:
        print(f"FAILED: {problem}", file=sys.stderr)


def benchmark(options: argparse.Namespace) -> int:
    """Run what *options* ask for and return the exit status."""
    own = {name: os.environ[name] for name in sorted(os.environ) if name.startswith("TRADEPLANE_")}
    if own and not options.peer_only:
        print(f"taken from the environment: {', '.join(own)}")
    plan = plan_of(options)
    with contextlib.ExitStack() as stack:
        others = set(profiled_processes())
        sides = start_sides(options, stack)
        if options.profile:
            profile(sides[0], plan.works, options.profile, others)
            return 0
        _report_machine()
        if not options.peer_only:
            # Figures of an earlier run must not outlive a failure of this one.
            RESULTS.unlink(missing_ok=True)
        comparison = Comparison(sides, plan)
        comparison.run()
        report(comparison, peer_only=options.peer_only)
        return 1 if comparison.problems else 0


def _report_machine() -> None:
    busy = busy_share(_IDLE_S)
    print(f"{cores()} cores, {100 * busy:.0f}% busy while no side is loaded")
    if busy > _BUSY_SHARE_MAX:
        print("the machine does something else too: expect figures that scatter")


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    # Once is enough: a second signal would break off the stopping of what was started.
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    """Run the command line."""
    options = parse_arguments(sys.argv[1:])
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)
    try:
        return benchmark(options)
    except BenchmarkFailed as error:
        print(f"FAILED: {error}", file=sys.stderr)
        if isinstance(error.__context__, BenchmarkFailed):  # stopping failed after a failure
            print(f"FAILED before that: {error.__context__}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been stopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
