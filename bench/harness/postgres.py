"""A private PostgreSQL server, with the settings that ``initdb`` gives: every commit is durable."""

import asyncio
import contextlib
import os
import pwd
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it ships no types

from harness.failure import BenchmarkFailed
from harness.processes import Program, running, wait_until

_START_S = 30


class PostgreSQL:
    """Address of a running server.

    Args:
        port: its port on loopback.
    """

    def __init__(self, port: int) -> None:
        self._port = port

    def url(self, database: str) -> str:
        """Return the URL of *database*."""
        return f"postgresql://bench@127.0.0.1:{self._port}/{database}"

    def execute(
        self, database: str, statement: str, parameters: Sequence[Sequence[Any]] = ()
    ) -> None:
        """Run *statement* in *database*, once for each of *parameters* when there are any."""

        async def work() -> None:
            connection = await asyncpg.connect(self.url(database))
            try:
                if parameters:
                    await connection.executemany(statement, parameters)
                else:
                    await connection.execute(statement)
            finally:
                await connection.close()

        asyncio.run(work())

    def scalar(self, database: str, query: str) -> Any:
        """Return the only value of the only row of *query*."""

        async def work() -> Any:
            connection = await asyncpg.connect(self.url(database))
            try:
                return await connection.fetchval(query)
            finally:
                await connection.close()

        return asyncio.run(work())

    def answers(self) -> bool:
        """Return whether the server accepts connections."""
        try:
            self.scalar("postgres", "select 1")
        except (OSError, asyncpg.PostgresError):
            return False
        return True


@contextlib.contextmanager
def postgresql(postgres: Path, initdb: Path, folder: Path, port: int) -> Iterator[PostgreSQL]:
    """Run a new server below *folder* for the time of the ``with`` block.

    Raises:
        BenchmarkFailed: it does not start.
    """
    user = _unprivileged_user()
    # The server keeps data and socket in one folder that belongs to its user alone.
    home = folder / "postgresql"
    home.mkdir(mode=0o700)
    if user is not None:
        os.chown(home, user.pw_uid, user.pw_gid)
    data = home / "data"
    prepared = subprocess.run(
        [initdb, "-D", data, "--auth=trust", "--username=bench"],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
    )
    if prepared.returncode != 0:
        raise BenchmarkFailed(f"initdb failed: {prepared.stderr}")
    log = folder / "postgresql.log"
    command: list[str | Path] = [
        postgres,
        "-D",
        data,
        "-p",
        str(port),
        "-k",
        home,
        "-h",
        "127.0.0.1",
    ]
    # SIGINT is the server's fast shutdown: it does not wait for clients to leave.
    with running(Program(command, log, user=user, stop_signal=signal.SIGINT)) as process:
        server = PostgreSQL(port)
        wait_until(server.answers, "PostgreSQL", _START_S, process, log)
        yield server


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Return who runs the server: it refuses root, and any other user runs it as himself."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise BenchmarkFailed(
        "PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`; "
        "run the benchmark as an ordinary user"
    )
