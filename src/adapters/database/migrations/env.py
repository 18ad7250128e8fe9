"""Runs the steps on the connection, and inside the transaction, that the caller has opened."""

from __future__ import annotations

from alembic import context

from adapters.database.schema import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    # SQLite can roll a DDL statement back as well; Alembic believes it only when told.
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
