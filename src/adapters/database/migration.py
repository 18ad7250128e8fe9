"""The schema's way forward and back, safe when several processes start at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine

from adapters.database.transaction import writing
from tradeplane.errors import JournalUnavailable, Misconfigured

_LOCK_NUMBER = 0x7261_6465
"""The advisory lock that all processes of this product agree on."""

_one_thread = threading.Lock()  # Alembic keeps the running migration in module globals


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest revision that this version knows; does nothing when it is.

    Raises:
        Misconfigured: a newer version has written the database.
        JournalUnavailable: the database cannot be reached or written.
    """
    with _locked(engine) as (connection, config):
        _check_known(connection, config)
        command.upgrade(config, "head")


def downgrade(engine: Engine, revision: str) -> None:
    """Take the schema back to *revision*, ``base`` for an empty one; later tables are dropped.

    Raises:
        Misconfigured: there is no such revision, or a newer version has written the database.
        JournalUnavailable: the database cannot be reached or written.
    """
    with _locked(engine) as (connection, config):
        _check_known(connection, config)
        try:
            command.downgrade(config, revision)
        except CommandError as error:
            known = [step.revision for step in ScriptDirectory.from_config(config).walk_revisions()]
            raise Misconfigured(
                f"{revision} is no earlier revision of the schema; known are base, "
                f"{', '.join(reversed(known))}"
            ) from error


@contextmanager
def _locked(engine: Engine) -> Iterator[tuple[Connection, Config]]:
    """Yield a connection in the one transaction that may change the schema now."""
    with _one_thread, writing(engine, commit_error=JournalUnavailable) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(
                "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0"
            )
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_NUMBER})")
        else:
            connection.begin()  # BEGIN IMMEDIATE: SQLite has one writer
        config = Config()
        config.set_main_option("script_location", "adapters.database:migrations")
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        yield connection, config


def _check_known(connection: Connection, config: Config) -> None:
    script = ScriptDirectory.from_config(config)
    known = {step.revision for step in script.walk_revisions()}
    for revision in MigrationContext.configure(connection).get_current_heads():
        if revision not in known:
            raise Misconfigured(
                f"the database is at revision {revision}, this version knows only up to "
                f"{script.get_current_head()}; install the version that wrote it, or a newer one"
            )
