"""What an error of a database driver means for the journal, as tables of the drivers' codes."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from tradeplane.errors import CorruptJournal, JournalUnavailable, ServiceFailed

_SQLITE: dict[int, tuple[type[ServiceFailed], str]] = {
    sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: (CorruptJournal, "a sequence or an id exists already"),
    sqlite3.SQLITE_CONSTRAINT_UNIQUE: (CorruptJournal, "a key or an id exists already"),
    sqlite3.SQLITE_CORRUPT: (CorruptJournal, "the file is damaged; restore a backup"),
    sqlite3.SQLITE_NOTADB: (CorruptJournal, "the file is no SQLite database; restore a backup"),
    sqlite3.SQLITE_BUSY: (JournalUnavailable, "another process keeps the database locked"),
    sqlite3.SQLITE_LOCKED: (JournalUnavailable, "another connection keeps a table locked"),
    sqlite3.SQLITE_FULL: (JournalUnavailable, "the disk is full; free some space"),
    sqlite3.SQLITE_IOERR: (JournalUnavailable, "the disk failed to read or write"),
    sqlite3.SQLITE_CANTOPEN: (JournalUnavailable, "the database file cannot be opened"),
    sqlite3.SQLITE_READONLY: (JournalUnavailable, "the database file cannot be written"),
}
"""By extended result code, else by primary result code (https://sqlite.org/rescode.html)."""

_POSTGRESQL: dict[str, tuple[type[ServiceFailed], str]] = {
    "23505": (CorruptJournal, "a sequence, a key or an id exists already"),
    "XX001": (CorruptJournal, "the server found damaged data; restore a backup"),
    "XX002": (CorruptJournal, "the server found a damaged index; rebuild it"),
    "25006": (JournalUnavailable, "the server is a read-only replica, not the primary"),
    "55P03": (JournalUnavailable, "another session keeps the stream locked"),
    "57014": (JournalUnavailable, "the statement took longer than it may"),
    "53100": (JournalUnavailable, "the server's disk is full; free some space"),
    "08": (JournalUnavailable, "the connection broke"),
    "28": (JournalUnavailable, "the server refuses this user or password"),
    "40": (JournalUnavailable, "the server rolled the transaction back"),
    "53": (JournalUnavailable, "the server is out of connections, memory or disk"),
    "57": (JournalUnavailable, "the server is stopping, starting or ended the connection"),
}
"""By SQLSTATE, else by its class, the first two characters."""

_OTHER = (JournalUnavailable, "the database failed")


def translated(error: SQLAlchemyError) -> ServiceFailed:
    """Return what *error*, raised before a commit began, means: nothing was written.

    The message carries the error's class and code, never its data, address or password.
    """
    kind, meaning = _meaning(error)
    return kind(f"{meaning} ({described(error)})")


def described(error: SQLAlchemyError) -> str:
    """Return the class of *error*, with the driver's code where it has one."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    name = type(cause if cause is not None else error).__name__
    return f"{name} {code}" if code else name


def _meaning(error: SQLAlchemyError) -> tuple[type[ServiceFailed], str]:
    if not isinstance(error, DBAPIError):
        return _OTHER
    sqlite_code = getattr(error.orig, "sqlite_errorcode", None)
    if sqlite_code is not None:
        return _SQLITE.get(sqlite_code) or _SQLITE.get(sqlite_code & 0xFF) or _OTHER
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is not None:
        return _POSTGRESQL.get(sqlstate) or _POSTGRESQL.get(sqlstate[:2]) or _OTHER
    if error.connection_invalidated:
        return _POSTGRESQL["08"]
    return _OTHER
