"""A Ray cluster of one node for ``tradeplane run``, and the way of other commands into it."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import ray

from cli.running import Running, running_path
from tradeplane.errors import ComponentUnavailable, Misconfigured
from tradeplane.settings import Settings, variable

_OBJECT_STORE_BYTES = 512 * 1024 * 1024
_LOOPBACK = "127.0.0.1"


def refuse_busy_ports(settings: Settings) -> None:
    """Refuse to start when a port is taken.

    Raises:
        Misconfigured: names every taken port and the setting that changes it.
    """
    busy = []
    for name in ("http_port", "stream_port", "serve_port", "dashboard_port"):
        port = getattr(settings, name)
        host = settings.http_host if name in {"http_port", "stream_port"} else _LOOPBACK
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                busy.append(f"{port} ({error.strerror}; {variable(name)} chooses another)")
    if busy:
        raise Misconfigured(f"cannot start: port {', port '.join(busy)}")


def start_cluster(settings: Settings) -> str:
    """Start a cluster of one node, closed by token, on loopback; return its address."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Ray runs its workers at nice 15, behind every other program of the machine. Ours serve.
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112  # its name is in small letters
    context = ray.init(
        address="local",
        namespace="tradeplane",
        include_dashboard=True,
        dashboard_host=_LOOPBACK,
        dashboard_port=settings.dashboard_port,
        object_store_memory=_OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level="warning",
        _node_ip_address=_LOOPBACK,
    )
    return str(context.address_info["gcs_address"])


@contextlib.contextmanager
def connected(settings: Settings) -> Iterator[None]:
    """Connect this process to the running system, for a command.

    Raises:
        ComponentUnavailable: nothing is running in this home.
    """
    path = running_path(settings)
    if path.exists():
        running = msgspec.json.decode(path.read_bytes(), type=Running)
        address = running.ray_address
    elif os.environ.get("RAY_ADDRESS"):
        address = os.environ["RAY_ADDRESS"]
    else:
        raise ComponentUnavailable(
            f"nothing is running in {settings.home}; start it with `make run`, or name a cluster "
            "in RAY_ADDRESS"
        )
    try:
        ray.init(
            address=address, namespace="tradeplane", log_to_driver=False, logging_level="error"
        )
    except ConnectionError as error:
        raise ComponentUnavailable(f"the cluster at {address} does not answer") from error
    try:
        yield
    finally:
        ray.shutdown()
