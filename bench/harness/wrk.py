"""One run of wrk: its command, its output, and what makes it count."""

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.failure import BenchmarkFailed
from harness.work import Work

LOAD_SCRIPT = Path(__file__).parents[1] / "load.lua"
Headers = dict[str, str]

_REQUEST_TIMEOUT_S = 10
_MS_PER_UNIT = {"us": 0.001, "ms": 1.0, "s": 1_000.0, "m": 60_000.0, "h": 3_600_000.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)")
_REQUESTS = re.compile(r"^\s*(\d+) requests in ", re.MULTILINE)
_PER_S = re.compile(r"^Requests/sec:\s+(\d+(?:\.\d+)?)", re.MULTILINE)
_NON_2XX = re.compile(r"^\s*Non-2xx or 3xx responses: (\d+)", re.MULTILINE)
_SOCKET_ERRORS = re.compile(
    r"^\s*Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", re.MULTILINE
)


@dataclass(frozen=True)
class Measurement:
    """What one run of wrk saw.

    Attributes:
        requests: answers that arrived, whatever their status.
        per_s: answers a second.
        p50_ms: median time from request to answer, in milliseconds.
        p99_ms: 99th percentile of the same.
        non_2xx: answers with a status of 400 or above.
        socket_errors: connections refused or broken, and requests without an answer in time.
    """

    requests: int
    per_s: float
    p50_ms: float
    p99_ms: float
    non_2xx: int
    socket_errors: int

    @property
    def failures(self) -> int:
        """Answers and connections that make the run invalid."""
        return self.non_2xx + self.socket_errors


def parse_duration_ms(text: str) -> float:
    """Return the milliseconds of a duration as wrk prints it, such as ``1.85ms`` or ``950.00us``.

    Raises:
        BenchmarkFailed: it is no duration.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise BenchmarkFailed(f"wrk printed the time {text!r}; expected such as 1.85ms")
    return float(match[1]) * _MS_PER_UNIT[match[2]]


def parse_output(text: str) -> Measurement:
    """Return the figures in what ``wrk --latency`` printed.

    Raises:
        BenchmarkFailed: a figure that every run has is missing.
    """
    non_2xx = _NON_2XX.search(text)
    socket_errors = _SOCKET_ERRORS.search(text)
    return Measurement(
        requests=int(_required(_REQUESTS, text)),
        per_s=float(_required(_PER_S, text)),
        p50_ms=parse_duration_ms(_required(_percentile(50), text)),
        p99_ms=parse_duration_ms(_required(_percentile(99), text)),
        non_2xx=int(non_2xx[1]) if non_2xx else 0,
        socket_errors=sum(map(int, socket_errors.groups())) if socket_errors else 0,
    )


def _percentile(percent: int) -> re.Pattern[str]:
    return re.compile(rf"^\s*{percent}%\s+(\S+)", re.MULTILINE)


def _required(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    if match is None:
        raise BenchmarkFailed(f"wrk's output has no {pattern.pattern!r}; it was:\n{text}")
    return match[1]


def callers_text(callers: Sequence[Headers]) -> str:
    """Return the file that ``load.lua`` reads: a line of tab-separated headers for each caller."""
    lines = ("\t".join(f"{name}: {value}" for name, value in each.items()) for each in callers)
    return "".join(f"{line}\n" for line in lines)


def start_load(
    work: Work, url: str, callers_file: Path, connections: int, seconds: int
) -> subprocess.Popen[str]:
    """Start wrk on *url* and return the process; its standard output is for :func:`finish_load`."""
    environment = os.environ | {
        "BENCH_METHOD": work.method,
        "BENCH_PATH": work.path,
        "BENCH_BODY": work.body,
        "BENCH_CALLERS": str(callers_file),
    }
    command = [
        "wrk",
        "--threads=1",
        f"--connections={connections}",
        f"--duration={seconds}s",
        f"--timeout={_REQUEST_TIMEOUT_S}s",
        "--latency",
        f"--script={LOAD_SCRIPT}",
        url,
    ]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish_load(process: subprocess.Popen[str]) -> Measurement:
    """Wait for a run that :func:`start_load` began and return its figures.

    Raises:
        BenchmarkFailed: wrk itself failed, or printed no figures.
    """
    try:
        output, _ = process.communicate()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise BenchmarkFailed(f"wrk ended with {process.returncode}: {output}")
    return parse_output(output)
