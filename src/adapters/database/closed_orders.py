"""The reader of the closed orders, for requests that look past what an account remembers."""

from __future__ import annotations

import msgspec
from sqlalchemy import ColumnElement, Engine, Select, select

from adapters.database.schema import CLOSED_ORDERS
from adapters.database.stored_text import storable
from adapters.database.transaction import reading
from tradeplane.trading.closed_orders import ClosedOrderQuery
from tradeplane.trading.orders import Order

ORDERS_MAX = 500
"""Orders that one query returns at most, whatever its limit says."""

_COLUMNS = CLOSED_ORDERS.c
_decode = msgspec.json.Decoder(Order).decode


class ClosedOrders:
    """Reads the table ``closed_orders``. Synchronous; may be called from several threads.

    Args:
        engine: a migrated database.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def find(self, query: ClosedOrderQuery) -> list[Order]:
        """Return the closed orders that *query* describes, by submission.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        with reading(self._engine) as connection:
            return [_decode(document) for document in connection.scalars(_selection(query))]

    def one(
        self, account_id: str, order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """Return the account's closed order with this id, by either kind of id, or None.

        Raises:
            JournalUnavailable: the database cannot be read.
        """
        assert order_id is not None or client_order_id is not None, "one of the ids is needed"
        conditions: list[ColumnElement[bool]] = [_COLUMNS.account_id == account_id]
        if order_id is not None:
            conditions.append(_COLUMNS.order_id == order_id)
        if client_order_id is not None:
            conditions.append(_COLUMNS.client_order_id == client_order_id)
        if not all(
            storable(given) for given in (account_id, order_id or "", client_order_id or "")
        ):
            return None
        with reading(self._engine) as connection:
            document = connection.scalar(select(_COLUMNS.document).where(*conditions))
        return None if document is None else _decode(document)


def _selection(query: ClosedOrderQuery) -> Select[tuple[str]]:
    conditions: list[ColumnElement[bool]] = [_COLUMNS.account_id == query.account_id]
    if query.after_ns is not None:
        conditions.append(_COLUMNS.submitted_ns > query.after_ns)
    if query.until_ns is not None:
        conditions.append(_COLUMNS.submitted_ns < query.until_ns)
    if query.symbols:
        conditions.append(_COLUMNS.symbol.in_([name for name in query.symbols if storable(name)]))
    if query.side is not None:
        conditions.append(_COLUMNS.side == query.side)
    keys = (_COLUMNS.submitted_ns, _COLUMNS.priority)
    return (
        select(_COLUMNS.document)
        .where(*conditions)
        .order_by(*(keys if query.ascending else [key.desc() for key in keys]))
        .limit(max(0, min(query.limit, ORDERS_MAX)))
    )
