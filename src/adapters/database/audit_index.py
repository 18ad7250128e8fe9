"""The index of the audit log: which entries are whose, and where the record of an order is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, Engine, delete, func, select

from adapters.database.bulk_insert import BulkInsert
from adapters.database.rows import row_table
from adapters.database.schema import AUDIT_INDEX
from adapters.database.stored_text import storable
from adapters.database.transaction import reading, writing
from tradeplane.audit.document import AuditRecord
from tradeplane.audit.search import AuditPage, AuditSearch
from tradeplane.errors import JournalUnavailable

ENTRIES_MAX = 500
"""Entries that one search returns at most, whatever its limit says."""

SCAN_MAX = 50_000
"""Entries of the whole log that one search looks through; the next page goes on behind them."""

_COLUMNS = AUDIT_INDEX.c
_RECORD_COLUMNS = tuple(_COLUMNS[name] for name in AuditRecord.__struct_fields__)


class AuditIndex:
    """Reads and repairs the table ``audit_index``; the journal's transactions fill it.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, search: AuditSearch) -> AuditPage:
        """Return one page of what *search* describes.

        A page may be short, even empty, and have a next one: how far one search looks is bounded.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        floor = max(0, search.before - SCAN_MAX)
        limit = max(1, min(search.limit, ENTRIES_MAX))
        records: tuple[AuditRecord, ...] = ()
        wanted = (search.tenant_id, search.action, search.target_id, search.account_id)
        if all(storable(text) for text in wanted):
            statement = (
                select(*_RECORD_COLUMNS)
                .where(*_conditions(search, floor))
                .order_by(_COLUMNS.log_index.desc())
                .limit(limit)
            )
            with reading(self._engine) as connection:
                records = tuple(AuditRecord(*row) for row in connection.execute(statement))
        if len(records) == limit:
            return AuditPage(records, records[-1].log_index or None)
        return AuditPage(records, floor or None)

    def of_target(self, target_kind: str, target_id: str, action: str) -> AuditRecord | None:
        """Return the first entry of *action* on this target, or None.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        if not storable(target_id):
            return None
        statement = (
            select(*_RECORD_COLUMNS)
            .where(
                _COLUMNS.target_id == target_id,
                _COLUMNS.target_kind == target_kind,
                _COLUMNS.action == action,
            )
            .order_by(_COLUMNS.log_index)
            .limit(1)
        )
        with reading(self._engine) as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else AuditRecord(*row)

    def tenants_of_accounts(self) -> dict[str, str]:
        """Return the firm of each account whose opening is in the log.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        statement = select(_COLUMNS.account_id, _COLUMNS.tenant_id).where(
            _COLUMNS.action == "account.opened"
        )
        with reading(self._engine) as connection:
            return {row.account_id: row.tenant_id for row in connection.execute(statement)}

    def complete_up_to(self, size: int) -> bool:
        """Return whether the index holds the first *size* entries of the log and no others.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        statement = select(func.count(), func.coalesce(func.max(_COLUMNS.log_index), -1))
        with reading(self._engine) as connection:
            count, last = connection.execute(statement).one()
        return bool(count == size and last == size - 1)

    def clear(self) -> None:
        """Drop every row, to make the index again.

        Raises:
            JournalUnavailable: the database cannot be written.
        """
        with writing(self._engine, commit_error=JournalUnavailable) as connection:
            connection.execute(delete(AUDIT_INDEX))

    def add(self, records: Iterable[AuditRecord]) -> None:
        """Add rows that are not there.

        Raises:
            JournalUnavailable: the database cannot be written.
            CorruptJournal: one of them is there already.
        """
        rows = [row_table(record).values(record) for record in records]
        with writing(self._engine, commit_error=JournalUnavailable) as connection:
            BulkInsert(AUDIT_INDEX, self._engine.dialect).run(connection, rows)


def _conditions(search: AuditSearch, floor: int) -> Sequence[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        _COLUMNS.tenant_id == search.tenant_id,
        _COLUMNS.log_index < min(search.before, sys.maxsize),
        _COLUMNS.log_index >= floor,
    ]
    for column, value in (
        (_COLUMNS.action, search.action),
        (_COLUMNS.outcome, search.outcome),
        (_COLUMNS.target_id, search.target_id),
        (_COLUMNS.account_id, search.account_id),
    ):
        if value:
            conditions.append(column == value)
    if search.since_ns is not None:
        conditions.append(_COLUMNS.at_ns >= search.since_ns)
    if search.until_ns is not None:
        conditions.append(_COLUMNS.at_ns < search.until_ns)
    return conditions
