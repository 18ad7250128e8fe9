"""Every kind of driver error has one meaning, told without data."""

from __future__ import annotations

import sqlite3

import psycopg
import pytest
from psycopg import errors as postgresql
from sqlalchemy import exc

from adapters.database.database_error import translated
from tradeplane.errors import CorruptJournal, JournalUnavailable

SECRET = "postgresql://user:hunter2@host Key (key)=(order:17)"


def wrapped(driver: Exception, *, lost: bool = False) -> exc.DBAPIError:
    return exc.DBAPIError(
        "INSERT hunter2", {"key": "order:17"}, driver, connection_invalidated=lost
    )


def sqlite(name: str, kind: type[sqlite3.Error] = sqlite3.OperationalError) -> exc.DBAPIError:
    error = kind(SECRET)
    error.sqlite_errorname = name
    error.sqlite_errorcode = getattr(sqlite3, name)
    return wrapped(error)


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (sqlite("SQLITE_CONSTRAINT_PRIMARYKEY"), CorruptJournal, "exists already"),
        (sqlite("SQLITE_CONSTRAINT_UNIQUE"), CorruptJournal, "exists already"),
        (sqlite("SQLITE_CORRUPT"), CorruptJournal, "damaged"),
        (sqlite("SQLITE_CORRUPT_INDEX"), CorruptJournal, "damaged"),
        (sqlite("SQLITE_NOTADB"), CorruptJournal, "no SQLite database"),
        (sqlite("SQLITE_BUSY"), JournalUnavailable, "locked"),
        (sqlite("SQLITE_BUSY_SNAPSHOT"), JournalUnavailable, "locked"),
        (sqlite("SQLITE_LOCKED"), JournalUnavailable, "locked"),
        (sqlite("SQLITE_FULL"), JournalUnavailable, "disk is full"),
        (sqlite("SQLITE_IOERR_FSYNC"), JournalUnavailable, "disk failed"),
        (sqlite("SQLITE_IOERR_WRITE"), JournalUnavailable, "disk failed"),
        (sqlite("SQLITE_CANTOPEN"), JournalUnavailable, "cannot be opened"),
        (sqlite("SQLITE_READONLY"), JournalUnavailable, "cannot be written"),
        (sqlite("SQLITE_CONSTRAINT_NOTNULL"), JournalUnavailable, "the database failed"),
        (sqlite("SQLITE_ERROR"), JournalUnavailable, "the database failed"),
        (wrapped(sqlite3.ProgrammingError(SECRET)), JournalUnavailable, "the database failed"),
        (wrapped(postgresql.UniqueViolation(SECRET)), CorruptJournal, "exists already"),
        (wrapped(postgresql.DataCorrupted(SECRET)), CorruptJournal, "damaged data"),
        (wrapped(postgresql.IndexCorrupted(SECRET)), CorruptJournal, "damaged index"),
        (wrapped(postgresql.ReadOnlySqlTransaction(SECRET)), JournalUnavailable, "read-only"),
        (wrapped(postgresql.LockNotAvailable(SECRET)), JournalUnavailable, "locked"),
        (wrapped(postgresql.QueryCanceled(SECRET)), JournalUnavailable, "took longer"),
        (wrapped(postgresql.DiskFull(SECRET)), JournalUnavailable, "disk is full"),
        (wrapped(postgresql.TooManyConnections(SECRET)), JournalUnavailable, "out of connections"),
        (wrapped(postgresql.AdminShutdown(SECRET)), JournalUnavailable, "stopping"),
        (wrapped(postgresql.CannotConnectNow(SECRET)), JournalUnavailable, "starting"),
        (wrapped(postgresql.DeadlockDetected(SECRET)), JournalUnavailable, "rolled the"),
        (wrapped(postgresql.InvalidPassword(SECRET)), JournalUnavailable, "refuses this user"),
        (wrapped(postgresql.ConnectionFailure(SECRET)), JournalUnavailable, "connection broke"),
        (wrapped(postgresql.UndefinedTable(SECRET)), JournalUnavailable, "the database failed"),
        (wrapped(psycopg.OperationalError(SECRET), lost=True), JournalUnavailable, "broke"),
        (wrapped(psycopg.OperationalError(SECRET)), JournalUnavailable, "the database failed"),
        (wrapped(psycopg.DataError(SECRET)), JournalUnavailable, "the database failed"),
        (exc.TimeoutError("QueuePool limit"), JournalUnavailable, "the database failed"),
    ],
    ids=lambda value: type(value.orig).__name__ if isinstance(value, exc.DBAPIError) else None,
)
def test_a_driver_error_has_one_meaning(error, kind, says):
    meaning = translated(error)

    assert type(meaning) is kind
    assert says in str(meaning)
    cause = error.orig if isinstance(error, exc.DBAPIError) else error
    assert type(cause).__name__ in str(meaning)
    for secret in ("hunter2", "order:17", "host"):
        assert secret not in repr(meaning)
