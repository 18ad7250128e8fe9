"""The conventional stack: two uvicorn workers, Redis, and its database."""

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import jwt
import redis

from harness.http_json import get_json
from harness.postgres import PostgreSQL
from harness.processes import Program, running, wait_until
from harness.work import GET_POSITION
from harness.wrk import Headers, callers_text

APP_FOLDER = Path(__file__).parents[1] / "peer"
ACCOUNTS = 64

_DATABASE = "peer"
_WORKERS = 2
_START_S = 30
_TOKEN_S = 24 * 3600
_SCHEMA = """
create table accounts(id text primary key, cash numeric);
create table positions(
    account text, symbol text, qty numeric, avg numeric, primary key(account, symbol));
create table orders(
    id uuid primary key, account text, client_order_id text, symbol text, qty numeric, side text,
    status text, at timestamptz default now(), unique(account, client_order_id));
create table audit(
    id bigserial primary key, account text, action text, ref text, at timestamptz default now());
"""


class Peer:
    """The running peer.

    Args:
        url: its address.
        callers: headers of its callers.
        callers_file: where those are written for wrk.
        database: the server that holds its rows.
    """

    name = "peer"

    def __init__(
        self, url: str, callers: list[Headers], callers_file: Path, database: PostgreSQL
    ) -> None:
        self.url = url
        self.callers_file = callers_file
        self._callers = callers
        self._database = database
        callers_file.write_text(callers_text(callers), encoding="ascii")

    def is_ready(self) -> bool:
        """Return whether the first caller can read its position."""
        status, _ = get_json(self.url, GET_POSITION.path, self._callers[0])
        return status == 200

    def settle(self) -> None:
        """Return at once: the peer accepts orders and works on nothing afterwards."""

    def orders_held(self) -> int:
        """Return how many orders are committed."""
        return int(self._database.scalar(_DATABASE, "select count(*) from orders"))


@contextlib.contextmanager
def redis_server(program: Path, folder: Path, port: int) -> Iterator[None]:
    """Run a Redis that writes nothing to disk for the time of the ``with`` block."""
    log = folder / "redis.log"
    command: list[str | Path] = [
        program,
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
        folder,
    ]
    with running(Program(command, log)) as process, redis.Redis(port=port) as client:

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

        wait_until(answers, "Redis", _START_S, process, log)
        yield


@contextlib.contextmanager
def peer(
    database: PostgreSQL, folder: Path, port: int, redis_port: int, app_folder: Path = APP_FOLDER
) -> Iterator[Peer]:
    """Run the peer for the time of the ``with`` block; *app_folder* holds its ``app.py``.

    Raises:
        BenchmarkFailed: it does not start.
    """
    key = secrets.token_hex(16)
    names = [f"u{number}" for number in range(ACCOUNTS)]
    database.execute("postgres", f"create database {_DATABASE}")
    database.execute(_DATABASE, _SCHEMA)
    database.execute(
        _DATABASE, "insert into accounts values ($1, 1e12)", [(name,) for name in names]
    )
    database.execute(
        _DATABASE,
        "insert into positions values ($1, 'AAPL', 10, 100)",
        [(name,) for name in names],
    )
    environment = os.environ | {
        "PEER_DSN": database.url(_DATABASE),
        "PEER_REDIS": str(redis_port),
        "PEER_JWT_KEY": key,
    }
    command: list[str | Path] = [sys.executable, "-m", "uvicorn", "--app-dir", app_folder]
    command += ["app:app", "--port", str(port), "--workers", str(_WORKERS)]
    command += ["--no-access-log", "--log-level", "warning"]
    log = folder / "peer.log"
    callers = [{"Authorization": f"Bearer {_token(key, name)}"} for name in names]
    with running(Program(command, log, environment=environment)) as process:
        side = Peer(f"http://127.0.0.1:{port}", callers, folder / "peer.callers", database)
        wait_until(side.is_ready, "the peer", _START_S, process, log)
        yield side


def _token(key: str, name: str) -> str:
    claims = {"sub": name, "aud": "api", "jti": name, "exp": int(time.time()) + _TOKEN_S}
    return jwt.encode(claims, key, algorithm="HS256")
