"""SQLite as a durable journal: write-ahead log, and a sync of the disk at every commit."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from adapters.database.transaction import BEGIN_OPTION
from tradeplane.errors import Misconfigured

BUSY_TIMEOUT_MS = 5_000
"""How long a writer waits for another one."""

_SYNCHRONOUS_FULL = 2
_POOL_SIZE = 4
_POOL_WAIT_S = 5
_WAL_BYTES_MAX = 64 * 1024 * 1024
_CHECKPOINT_PAGES = 8_000
_CACHE_KIB = 32_768


def sqlite_engine(url: URL) -> Engine:
    """Return an engine for the file that *url* names; nothing is opened yet.

    Raises:
        Misconfigured: it names no file, or one in a folder that does not exist.
    """
    if not url.database or url.database == ":memory:":
        raise Misconfigured(
            "a journal in memory would be lost with its process; name a file: sqlite:///PATH"
        )
    folder = Path(url.database).parent
    if not url.database.startswith("file:") and not folder.is_dir():
        raise Misconfigured(f"the folder {folder} of the database does not exist; create it first")
    engine = create_engine(
        url,
        hide_parameters=True,
        poolclass=QueuePool,
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_SIZE,
        pool_timeout=_POOL_WAIT_S,
        connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False},
    )
    event.listen(engine, "connect", _configure)
    event.listen(engine, "begin", _begin)
    return engine


def check_sqlite(engine: Engine) -> None:
    """Switch the file to its write-ahead log and check that a commit will be durable.

    Raises:
        Misconfigured: the file is no database, or it cannot be written durably.
    """
    try:
        journal_mode = _switch_to_wal(engine)
        with engine.connect() as connection:
            synchronous = connection.exec_driver_sql("PRAGMA synchronous").scalar_one()
    except OperationalError:
        raise
    except DatabaseError as error:
        raise Misconfigured(
            f"{engine.url.database} is no SQLite database; move it away or name another file"
        ) from error
    if journal_mode != "wal":
        raise Misconfigured(
            f"SQLite has no write-ahead log here: journal_mode is {journal_mode}, it must be wal; "
            "use a file on a local disk"
        )
    if synchronous != _SYNCHRONOUS_FULL:
        raise Misconfigured(
            f"SQLite would lose commits: synchronous is {synchronous}, it must be "
            f"{_SYNCHRONOUS_FULL} (FULL)"
        )


def _switch_to_wal(engine: Engine) -> str:
    """Return the journal mode. It is a property of the file, so only its first opener sets it."""
    deadline_s = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            with engine.connect().execution_options(**{BEGIN_OPTION: ""}) as connection:
                mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
                if mode != "wal":
                    mode = connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar_one()
                return str(mode)
        except OperationalError as error:
            # SQLite does not wait for the lock that this switch needs, whatever its busy timeout.
            locked = getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
            if not locked or time.monotonic() >= deadline_s:
                raise
            time.sleep(0.02)


def _configure(driver_connection: Any, _entry: ConnectionPoolEntry) -> None:
    # The driver would begin a transaction at moments of its own choice; _begin does it instead.
    driver_connection.isolation_level = None
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"journal_size_limit={_WAL_BYTES_MAX}",
        # Keys are random, so a batch touches as many pages of their index as it has keys. With the
        # defaults it would outgrow the cache, and the log would be copied back every other batch.
        f"wal_autocheckpoint={_CHECKPOINT_PAGES}",
        f"cache_size=-{_CACHE_KIB}",
    ):
        driver_connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    mode = connection.get_execution_options().get(BEGIN_OPTION, "DEFERRED")
    if mode:
        connection.exec_driver_sql(f"BEGIN {mode}")
