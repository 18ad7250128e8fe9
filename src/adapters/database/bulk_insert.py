"""Many rows into one table in one statement of the driver, past SQLAlchemy's work a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Dialect, Table


class BulkInsert:
    """The insertion of whole rows into a table.

    SQLite prepares the statement once and runs it for each row. PostgreSQL gets one array a
    column, so any number of rows is one statement and one round trip.

    Args:
        table: the table.
        dialect: the dialect of the connections that will be used.
    """

    def __init__(self, table: Table, dialect: Dialect) -> None:
        names = ", ".join(f'"{column.name}"' for column in table.columns)
        self._transposes = dialect.name == "postgresql"
        if self._transposes:
            arrays = ", ".join(f"%s::{column.type.compile(dialect)}[]" for column in table.columns)
            source = f"SELECT * FROM unnest({arrays})"  # noqa: S608  # types of our own schema
        else:
            source = f"VALUES ({', '.join('?' for _ in table.columns)})"
        self._statement = f'INSERT INTO "{table.name}" ({names}) {source}'

    def run(self, connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert *rows*, each with a value for every column in the table's order."""
        if not rows:
            return
        if self._transposes:
            columns = tuple(list(column) for column in zip(*rows, strict=True))
            connection.exec_driver_sql(self._statement, columns)
        else:
            connection.exec_driver_sql(self._statement, list(rows))
