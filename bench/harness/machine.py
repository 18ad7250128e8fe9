"""What the benchmark needs of the machine: programs, free ports, and how busy it is."""

import contextlib
import os
import shutil
import socket
import time
from pathlib import Path

from harness.failure import BenchmarkFailed

_PORTS = range(20_000, 32_000)
_PACKAGES = {"wrk": "wrk", "redis-server": "redis-server", "postgres": "postgresql"}


def find_programs() -> dict[str, Path]:
    """Return where ``wrk``, ``redis-server``, ``postgres`` and ``initdb`` are.

    Raises:
        BenchmarkFailed: some are missing; the message names their Debian packages.
    """
    found: dict[str, Path] = {}
    for name in ("wrk", "redis-server", "postgres", "initdb"):
        path = shutil.which(name)
        # Debian keeps the server's programs off PATH, a folder for each major version.
        installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
        if path is not None:
            found[name] = Path(path)
        elif installed:
            found[name] = installed[-1]
    packages = [package for name, package in _PACKAGES.items() if name not in found]
    if "initdb" not in found and "postgresql" not in packages:
        packages.append("postgresql")
    if packages:
        raise BenchmarkFailed(
            "programs are missing; install them, on Debian with "
            f"`apt-get install {' '.join(packages)}`"
        )
    return found


def free_ports(count: int) -> list[int]:
    """Return *count* different loopback ports that were free a moment ago.

    They lie below the range from which the system, and so Ray, takes ports for itself: a program
    that listens only after some seconds still finds its port free.

    Raises:
        BenchmarkFailed: the range has not that many.
    """
    found: list[int] = []
    span = _PORTS.stop - _PORTS.start
    for step in range(span):
        # Two runs at the same time start at different places.
        port = _PORTS.start + (os.getpid() * 16 + step) % span
        with socket.socket() as probe:
            # As servers do: a connection of an earlier run that still winds down is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                found.append(port)
        if len(found) == count:
            return found
    raise BenchmarkFailed(f"only {len(found)} of {count} ports are free in {_PORTS}")


def busy_share(seconds: float) -> float:
    """Return which share of all cores is busy over the next *seconds*, from 0 to 1."""
    busy, total = _processor_ticks()
    time.sleep(seconds)
    busy_after, total_after = _processor_ticks()
    return (busy_after - busy) / max(1, total_after - total)


def _processor_ticks() -> tuple[int, int]:
    first_line = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
    ticks = [int(text) for text in first_line.split()[1:9]]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))
