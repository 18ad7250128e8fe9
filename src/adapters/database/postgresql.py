"""PostgreSQL as a durable journal: bounded waits, and commits that wait for the disk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import ConnectionPoolEntry

from tradeplane.errors import Misconfigured

_POOL_SIZE = 4
_POOL_WAIT_S = 5
_CONNECTION_LIFE_S = 1_800

_CONNECT = {
    "application_name": "tradeplane",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    # A read replica must never become the base of a decision, as right after a failover.
    "target_session_attrs": "read-write",
}

_SESSION = {
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "15s",
}
"""The server's own limits: it ends what a client that hangs or is cut off has left behind."""


def postgresql_engine(url: URL) -> Engine:
    """Return an engine for the server of *url*; nothing is opened yet.

    Raises:
        Misconfigured: the password stands where it would be shown, or is not escaped.
    """
    if "password" in url.query:
        raise Misconfigured("the password must stand before the host: postgresql://USER:PASSWORD@…")
    if "@" in (url.host or ""):
        raise Misconfigured("the password of the database URL has a bare @; write it as %40")
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        pool_size=_POOL_SIZE,
        max_overflow=_POOL_SIZE,
        pool_timeout=_POOL_WAIT_S,
        pool_recycle=_CONNECTION_LIFE_S,
        pool_pre_ping=True,
        use_native_hstore=False,
        connect_args={name: value for name, value in _CONNECT.items() if name not in url.query},
    )
    event.listen(engine, "connect", _configure)
    return engine


def check_postgresql(engine: Engine) -> None:
    """Check that a commit will be durable.

    Raises:
        Misconfigured: the server or this user's settings would lose commits.
    """
    try:
        with engine.connect() as connection:
            durability = {
                name: str(connection.exec_driver_sql(f"SHOW {name}").scalar_one())
                for name in ("fsync", "synchronous_commit")
            }
    except ProgrammingError as error:
        raise Misconfigured(
            "the database URL has an option that PostgreSQL does not know"
        ) from error
    check_durability(durability)


def check_durability(durability: Mapping[str, str]) -> None:
    """Check the server's settings ``fsync`` and ``synchronous_commit``.

    Raises:
        Misconfigured: one of them is off.
    """
    for name, value in durability.items():
        if value == "off":
            raise Misconfigured(f"PostgreSQL would lose commits: {name} is off, it must be on")


def _configure(driver_connection: Any, _entry: ConnectionPoolEntry) -> None:
    # By SET, not in the connection's options, which poolers such as PgBouncer refuse.
    driver_connection.execute(
        "; ".join(f"SET SESSION {name} = '{value}'" for name, value in _SESSION.items())
    )
    driver_connection.commit()
