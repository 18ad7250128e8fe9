"""Opening a database: what is refused, and what every connection is set to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event, make_url

from adapters.database.engine import open_database
from adapters.database.postgresql import check_durability
from adapters.database.sqlite import check_sqlite
from tradeplane.errors import JournalUnavailable, Misconfigured


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://u:hunter2@host/db", "mysql is not supported; supported are sqlite, postgresql"),
        ("postgresql+asyncpg://u:hunter2@host/db", "asyncpg is not supported"),
        ("sqlite+aiosqlite:///x.db", "aiosqlite is not supported"),
        ("hunter2", "malformed"),
        ("postgresql://u:hunter2@host:port/db", "malformed"),
        ("", "malformed"),
        ("sqlite://", "in memory would be lost"),
        ("sqlite:///:memory:", "in memory would be lost"),
        ("sqlite:///file:x?mode=memory&uri=true", "journal_mode is memory, it must be wal"),
        ("sqlite:////no/such/folder/x.db", "/no/such/folder of the database does not exist"),
        ("postgresql://u@host/db?password=hunter2", "must stand before the host"),
        ("postgresql://u:pass@hunter2@host/db", "write it as %40"),
        ("postgresql://u:hunter2@127.0.0.1:1/db?colour=red", "option that PostgreSQL does not"),
    ],
)
def test_a_url_that_cannot_work_is_refused_without_its_password(url: str, says: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        open_database(url)

    assert says in str(caught.value)
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in f"{error!r} {error}"
        error = error.__cause__


def test_every_connection_to_sqlite_is_durable(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'x.db'}")
    with ExitStack() as stack:
        connections = [stack.enter_context(engine.connect()) for _ in range(3)]
        for connection in connections:
            found = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
            assert found == {
                "journal_mode": "wal",
                "synchronous": 2,
                "foreign_keys": 1,
                "busy_timeout": 5_000,
            }
    engine.dispose()


def test_sqlite_that_would_lose_commits_is_refused(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'x.db'}")

    def weaken(connection: object, *_: object) -> None:
        connection.execute("PRAGMA synchronous=NORMAL")  # type: ignore[attr-defined]

    event.listen(engine, "checkout", weaken)
    with pytest.raises(Misconfigured, match="synchronous is 1, it must be 2"):
        check_sqlite(engine)
    engine.dispose()


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_text("Dear reader, " * 1_000)

    with pytest.raises(Misconfigured, match="is no SQLite database"):
        open_database(f"sqlite:///{path}")

    assert path.read_text() == "Dear reader, " * 1_000


def test_a_path_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(JournalUnavailable, match="SQLITE_CANTOPEN"):
        open_database(f"sqlite:///{tmp_path}")


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_every_session_of_postgresql_has_limits(
    new_postgres_database: Callable[[], str], scheme: str
) -> None:
    url = make_url(new_postgres_database()).set(drivername=scheme)
    engine = open_database(url.render_as_string(hide_password=False))

    with engine.connect() as connection:
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        found = [connection.exec_driver_sql(f"SHOW {name}").scalar_one() for name in names]
        isolation = connection.exec_driver_sql("SHOW transaction_isolation").scalar_one()

    assert found == ["10s", "5s", "15s"]
    assert isolation == "read committed"
    assert str(url.password) not in repr(engine)
    engine.dispose()


def test_postgresql_that_would_lose_commits_is_refused(
    new_postgres_database: Callable[[], str],
) -> None:
    url = new_postgres_database()
    name = make_url(url).database
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')

    with pytest.raises(Misconfigured, match="synchronous_commit is off"):
        open_database(url)


@pytest.mark.parametrize("value", ["on", "local", "remote_write", "remote_apply"])
def test_any_synchronous_commit_that_waits_for_a_disk_will_do(value: str) -> None:
    check_durability({"fsync": "on", "synchronous_commit": value})


def test_postgresql_that_never_syncs_is_refused() -> None:
    with pytest.raises(Misconfigured, match="fsync is off"):
        check_durability({"fsync": "off", "synchronous_commit": "on"})


def test_a_read_only_server_is_never_used(new_postgres_database: Callable[[], str]) -> None:
    url = new_postgres_database()
    name = make_url(url).database
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')

    with pytest.raises(JournalUnavailable):
        open_database(url)
