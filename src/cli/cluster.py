"""A Ray cluster of one node for ``tradeplane run``, and the way of other commands into it."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import ray

from tradeplane.errors import ComponentUnavailable, Misconfigured
from tradeplane.settings import Settings, variable

_OBJECT_STORE_BYTES = 512 * 1024 * 1024
_LOOPBACK = "127.0.0.1"


class Running(msgspec.Struct, frozen=True):
    """What ``run.json`` in the home says of a running system.

    Attributes:
        ray_address: address of the cluster's head.
        dashboard: URL of the Ray dashboard and its job API.
        api: URL of the trading API.
        token_path: file of the cluster's token.
    """

    ray_address: str
    dashboard: str
    api: str
    token_path: str


def running_path(settings: Settings) -> Path:
    """Return where a running system describes itself."""
    return Path(settings.home) / "run.json"


def use_token(path: Path | None = None) -> Path | None:
    """Turn token authentication on for every Ray process from here on.

    The token is looked up where Ray looks: ``RAY_AUTH_TOKEN``, ``RAY_AUTH_TOKEN_PATH``,
    ``~/.ray/auth_token``; the last one is made when there is none.

    Returns:
        The token's file, or None when it is in ``RAY_AUTH_TOKEN``.
    """
    os.environ["RAY_AUTH_MODE"] = "token"
    if os.environ.get("RAY_AUTH_TOKEN"):
        return None
    if path is None:
        given = os.environ.get("RAY_AUTH_TOKEN_PATH")
        path = Path(given) if given else Path.home() / ".ray" / "auth_token"
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)
    return path


def refuse_busy_ports(settings: Settings) -> None:
    """Refuse to start when a port is taken.

    Raises:
        Misconfigured: names every taken port and the setting that changes it.
    """
    busy = []
    for name in ("http_port", "serve_port", "dashboard_port"):
        port = getattr(settings, name)
        host = settings.http_host if name == "http_port" else _LOOPBACK
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
        address, token = running.ray_address, Path(running.token_path)
    elif os.environ.get("RAY_ADDRESS"):
        address, token = os.environ["RAY_ADDRESS"], None
    else:
        raise ComponentUnavailable(
            f"nothing is running in {settings.home}; start it with `make run`, or name a cluster "
            "in RAY_ADDRESS"
        )
    use_token(token if token and token.name else None)
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
