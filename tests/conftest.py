"""What tests of every kind share: a private PostgreSQL server, started when a test first asks."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy import URL, make_url

# A busy machine is no defect: neither a slow example nor slow generation fails a property.
settings.register_profile(
    "untimed", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

_START_S = 60
_STOP_S = 30
_USER = "tradeplane"
_PASSWORD = "fixture-password"


def _binaries() -> Path:
    """Return the folder of PostgreSQL's server programs."""
    candidates = [Path(found).parent] if (found := shutil.which("initdb")) else []
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    candidates += sorted((path.parent for path in versions), key=lambda path: path.parent.name)
    for folder in reversed(candidates):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    pytest.fail(
        "these tests need PostgreSQL's server programs (initdb, postgres) in PATH or in "
        "/usr/lib/postgresql/*/bin; install them: apt-get install postgresql "
        "(Debian, Ubuntu) or brew install postgresql (macOS)"
    )


def _unprivileged(folder: Path) -> list[str]:
    """Return the command prefix that drops root's rights, which PostgreSQL refuses to have."""
    if os.geteuid() != 0:
        return []
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.fail("as root these tests need setpriv; install it: apt-get install util-linux")
    # The signal ends the server even when the test run itself is killed.
    return [
        setpriv,
        f"--reuid={user.pw_uid}",
        f"--regid={user.pw_gid}",
        "--clear-groups",
        "--pdeathsig=INT",
        "--",
    ]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start:\n{log.read_text()[-4_000:]}")
            time.sleep(0.05)
        else:
            return


def _initialise(binaries: Path, prefix: list[str], folder: Path) -> None:
    secret = folder / "password"
    secret.write_text(_PASSWORD)
    secret.chmod(0o644)
    command = [*prefix, str(binaries / "initdb"), "--pgdata", str(folder / "data"), "--no-sync"]
    command += ["--username", _USER, "--pwfile", str(secret), "--auth=scram-sha-256"]
    command += ["--encoding=UTF8", "--locale=C"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.fail(f"initdb failed:\n{done.stdout}{done.stderr}")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a private server's maintenance database; the server ends with the session."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="tp-pg-"))
    port = _free_port()
    url = URL.create("postgresql", _USER, _PASSWORD, "127.0.0.1", port, "postgres")
    address = url.render_as_string(hide_password=False)
    log = folder / "log"
    try:
        prefix = _unprivileged(folder)
        _initialise(binaries, prefix, folder)
        settings = {
            "port": str(port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
            "fsync": "on",
            "shared_buffers": "32MB",
            "max_connections": "60",
        }
        command = [*prefix, str(binaries / "postgres"), "-D", str(folder / "data")]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with log.open("wb") as output:
            server = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        try:
            _wait_until_ready(server, address, log)
            yield address
        finally:
            server.send_signal(2)  # fast shutdown: open sessions are ended
            try:
                server.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def new_postgres_database(postgres_url: str) -> Callable[[], str]:
    """Makes an empty database and returns its URL."""

    def make() -> str:
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return make_url(postgres_url).set(database=name).render_as_string(hide_password=False)

    return make
