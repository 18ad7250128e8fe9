"""One transaction, with the errors of the driver turned into those of the journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from adapters.database.database_error import described, translated
from tradeplane.errors import OutcomeUnknown, ServiceFailed

BEGIN_OPTION = "sqlite_begin"
"""Execution option of a connection: the mode of SQLite's BEGIN, empty for no transaction."""


@contextmanager
def writing(
    engine: Engine, commit_error: type[ServiceFailed] = OutcomeUnknown
) -> Iterator[Connection]:
    """Yield a connection in a transaction that commits at the end and rolls back on any error.

    On SQLite the transaction holds the write lock from its beginning: one that reads first and
    asks for the lock later would fail when another has written in between.

    Args:
        engine: the database.
        commit_error: what is raised when the commit itself fails, so that nobody knows whether it
            took place.

    Raises:
        JournalUnavailable, CorruptJournal: nothing was written.
    """
    committing = False
    connection: Connection | None = None
    try:
        connection = engine.connect().execution_options(**{BEGIN_OPTION: "IMMEDIATE"})
        yield connection
        committing = True
        connection.commit()
    except SQLAlchemyError as error:
        _drop(connection)
        if committing:
            raise commit_error(
                f"the commit failed, and may have taken place ({described(error)}); "
                "read the journal to find out"
            ) from error
        raise translated(error) from error
    finally:
        _release(connection)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection whose statements only read.

    Raises:
        JournalUnavailable, CorruptJournal: the database could not be read.
    """
    connection: Connection | None = None
    try:
        connection = engine.connect()
        yield connection
    except SQLAlchemyError as error:
        _drop(connection)
        raise translated(error) from error
    finally:
        _release(connection)


def _drop(connection: Connection | None) -> None:
    """Close the connection for good, whatever state it is in; the pool opens a new one."""
    if connection is not None and not connection.closed:
        with suppress(SQLAlchemyError):  # it may be gone already, which is what is wanted
            connection.invalidate()


def _release(connection: Connection | None) -> None:
    """Roll back what is open and give the connection back to the pool."""
    if connection is None:
        return
    try:
        connection.close()
    except SQLAlchemyError:  # the rollback failed: the server has forgotten the transaction
        _drop(connection)
