"""From a database URL to an engine whose commits are durable."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from sqlalchemy import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from adapters.database.database_error import translated
from adapters.database.postgresql import check_postgresql, postgresql_engine
from adapters.database.sqlite import check_sqlite, sqlite_engine
from tradeplane.errors import Misconfigured


class _Backend(msgspec.Struct, frozen=True):
    make: Callable[[URL], Engine]
    check: Callable[[Engine], None]


_SQLITE = _Backend(sqlite_engine, check_sqlite)
_POSTGRESQL = _Backend(postgresql_engine, check_postgresql)
_BACKENDS = {
    "sqlite": _SQLITE,
    "postgresql": _POSTGRESQL,
    "postgresql+psycopg": _POSTGRESQL,
}


def open_database(url: str) -> Engine:
    """Return an engine for *url*, after one connection has shown that its commits are durable.

    ``sqlite:///PATH`` (a fourth slash for an absolute path) or
    ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``. The engine may be used from every thread;
    ``dispose()`` it at the end.

    Raises:
        Misconfigured: the URL is malformed or of another kind, or the database would lose commits.
        JournalUnavailable: the database cannot be reached now.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # The cause is dropped on purpose: it may quote the URL with its password.
        raise Misconfigured(
            "the database URL is malformed; it must be like sqlite:///PATH or "
            "postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        ) from None
    backend = _BACKENDS.get(parsed.drivername)
    if backend is None:
        raise Misconfigured(
            f"a database of kind {parsed.drivername} is not supported; "
            f"supported are {', '.join(_BACKENDS)}"
        )
    engine = backend.make(parsed)
    try:
        backend.check(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise translated(error) from error
    except BaseException:
        engine.dispose()
        raise
    return engine
