"""Which table the rows of a component go to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Table

from adapters.database.schema import AUDIT_INDEX, CLOSED_ORDERS
from tradeplane.audit.document import AuditRecord
from tradeplane.errors import Misconfigured
from tradeplane.trading.closed_orders import ClosedOrder


class RowTable(msgspec.Struct, frozen=True):
    """Where rows of one class are stored.

    Attributes:
        table: the table; its columns are in the order of the values.
        values: returns a row's values.
    """

    table: Table
    values: Callable[[Any], tuple[Any, ...]]


def _closed_order_values(row: ClosedOrder) -> tuple[Any, ...]:
    return (
        row.order_id,
        row.account_id,
        row.client_order_id,
        row.symbol,
        row.side,
        row.status.value,
        row.submitted_ns,
        row.closed_ns,
        row.priority,
        row.document.decode(),
    )


def _audit_values(row: AuditRecord) -> tuple[Any, ...]:
    return (
        row.log_index,
        row.tenant_id,
        row.account_id,
        row.action,
        row.outcome,
        row.target_kind,
        row.target_id,
        row.at_ns,
        row.logged_ms,
    )


ROW_TABLES: dict[type, RowTable] = {
    ClosedOrder: RowTable(CLOSED_ORDERS, _closed_order_values),
    AuditRecord: RowTable(AUDIT_INDEX, _audit_values),
}
"""By the row's class. A component with rows of its own adds its line here."""


def row_table(row: object) -> RowTable:
    """Return where *row* is stored.

    Raises:
        Misconfigured: no table is known for its class.
    """
    found = ROW_TABLES.get(type(row))
    if found is None:
        raise Misconfigured(
            f"no table is known for rows of class {type(row).__name__}; add it to ROW_TABLES"
        )
    return found
