"""What is known of a running system without Ray: where it is, and the token that opens it.

Ray reads its authentication mode when it is imported, so this module must not import it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

import msgspec

from tradeplane.settings import Settings


class Running(msgspec.Struct, frozen=True):
    """What ``run.json`` in the home says of a running system.

    Attributes:
        ray_address: address of the cluster's head.
        dashboard: URL of the Ray dashboard and its job API.
        api: URL of the trading API.
        token_path: file of the cluster's token.
        process_id: the process of ``tradeplane run``.
        run_id: the mark in the environment of all its processes.
    """

    ray_address: str
    dashboard: str
    api: str
    token_path: str
    process_id: int = 0
    run_id: str = ""


def running_path(settings: Settings) -> Path:
    """Return where a running system describes itself."""
    return Path(settings.home) / "run.json"


def keep_to_loopback() -> None:
    """Make every Ray process from here on listen on loopback alone; call before ``import ray``.

    Asked for 127.0.0.1, Ray looks for an address that other machines can reach and listens on all
    of them. It leaves that only where it was told that this machine takes part in no cluster; the
    variable speaks of two other systems and is heeded on each.
    """
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"


def use_token(settings: Settings) -> Path | None:
    """Turn token authentication on for every Ray process from here on; call before ``import ray``.

    The token is looked up where Ray looks: ``RAY_AUTH_TOKEN``, ``RAY_AUTH_TOKEN_PATH``,
    ``~/.ray/auth_token``; the last one is made when there is none.

    Returns:
        The token's file, or None when it is in ``RAY_AUTH_TOKEN``.
    """
    os.environ["RAY_AUTH_MODE"] = "token"
    running = _described(settings)
    if running is not None and running.ray_address.startswith("127."):
        # Else Ray would look for the cluster at this machine's outer address.
        keep_to_loopback()
    if os.environ.get("RAY_AUTH_TOKEN"):
        return None
    path = _token_path(settings)
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
    os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)
    return path


def _token_path(settings: Settings) -> Path:
    given = os.environ.get("RAY_AUTH_TOKEN_PATH")
    if given:
        return Path(given)
    running = _described(settings)
    if running is not None and running.token_path:
        return Path(running.token_path)
    return Path.home() / ".ray" / "auth_token"


def _described(settings: Settings) -> Running | None:
    path = running_path(settings)
    return msgspec.json.decode(path.read_bytes(), type=Running) if path.exists() else None
