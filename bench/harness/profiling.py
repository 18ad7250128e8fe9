"""Attaches py-spy to the product's processes while they are loaded."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from harness.comparison import WARM_UP_CONNECTIONS, load
from harness.failure import BenchmarkFailed
from harness.profile_report import parse_folded, profile_report
from harness.side import Side
from harness.work import Work
from harness.wrk import finish_load, start_load

OUTPUT_FOLDER = Path(__file__).parents[1] / "profiles"

_TITLES = {
    "api": re.compile(r"ray::ServeReplica:.*Api"),
    "ledger": re.compile(r"ray::LedgerShard"),
}
_SAMPLES_PER_S = 200
_WARM_UP_S = 2
_MARGIN_S = 3  # py-spy needs a moment to find its symbols before it counts the time


def title_kind(title: str) -> str | None:
    """Return ``api`` or ``ledger`` for the *title* of a process to profile, else None."""
    return next((kind for kind, pattern in _TITLES.items() if pattern.match(title)), None)


def profiled_processes() -> dict[int, str]:
    """Return id and kind of each process on this machine that a profile could be taken of."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                title = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                kind = title_kind(title.decode("utf-8", errors="replace"))
                if kind is not None:
                    found[int(folder.name)] = kind
    return found


def profile(side: Side, works: Iterable[Work], seconds: int, excluded: set[int]) -> None:
    """Profile *side* under each of *works* and print where the time goes.

    Args:
        side: the running product.
        works: kinds of work.
        seconds: duration of each recording.
        excluded: ids of processes that are not the side's own.

    Raises:
        BenchmarkFailed: there is nothing to attach to, or py-spy may not.
    """
    processes = {pid: kind for pid, kind in profiled_processes().items() if pid not in excluded}
    if not processes:
        raise BenchmarkFailed("no process has the title of an Api replica or a LedgerShard")
    OUTPUT_FOLDER.mkdir(exist_ok=True)
    for work in works:
        load(side, work, WARM_UP_CONNECTIONS, _WARM_UP_S)
        running = start_load(
            work, side.url, side.callers_file, WARM_UP_CONNECTIONS, seconds + _MARGIN_S
        )
        try:
            files = _record(processes, work, seconds)
        finally:
            measurement = finish_load(running)
        print(
            f"\n{work.name}: {measurement.per_s:,.0f}/s while profiled, "
            f"{measurement.failures} failures"
        )
        for file in files:
            report = profile_report(parse_folded(file.read_text(encoding="utf-8")))
            file.with_suffix(".txt").write_text(report + "\n", encoding="utf-8")
            print(f"\n{file.stem}: {report}")
        side.settle()
    print(f"\nThe stacks are in {OUTPUT_FOLDER}; speedscope and flamegraph.pl read them.")


def _record(processes: dict[int, str], work: Work, seconds: int) -> list[Path]:
    py_spy = Path(sys.executable).with_name("py-spy")
    recordings: list[tuple[Path, subprocess.Popen[str]]] = []
    try:
        for pid, kind in processes.items():
            file = OUTPUT_FOLDER / f"{work.name}-{kind}-{pid}.folded"
            command: list[str | Path] = [
                py_spy,
                "record",
                "--pid",
                str(pid),
                "--duration",
                str(seconds),
            ]
            command += ["--rate", str(_SAMPLES_PER_S), "--format", "raw", "--full-filenames"]
            process = subprocess.Popen(
                [*command, "--output", file],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            recordings.append((file, process))
        for file, process in recordings:
            output, _ = process.communicate(timeout=seconds + 60)
            if process.returncode != 0 or not file.exists():
                raise BenchmarkFailed(
                    f"py-spy could not attach (it needs root, or ptrace_scope 0): {output}"
                )
    finally:
        for _, process in recordings:
            if process.poll() is None:
                process.kill()
                process.wait()
    return [file for file, _ in recordings]
