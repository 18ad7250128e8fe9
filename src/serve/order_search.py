"""GET /v2/orders: which orders are asked for, and how open and closed ones merge."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from serve.query import Query
from tradeplane.errors import InvalidRequest
from tradeplane.trading.closed_orders import ClosedOrderQuery
from tradeplane.trading.orders import Order, Side

LIMIT_MAX = 500
LIMIT_DEFAULT = 50
STATUSES = ("open", "closed", "all")
DIRECTIONS = ("asc", "desc")
_SIDES: dict[str, Side] = {"buy": "buy", "sell": "sell"}


class OrderSearch(msgspec.Struct, frozen=True):
    """What one request asks for.

    Attributes:
        after_ns: only those submitted later than this.
        until_ns: only those submitted earlier than this.
        symbols: only these symbols; empty for all.
    """

    status: str
    limit: int
    after_ns: int | None
    until_ns: int | None
    ascending: bool
    symbols: frozenset[str]
    side: Side | None

    def takes(self, order: Order) -> bool:
        """Return whether *order* is asked for, its status aside."""
        return (
            (self.after_ns is None or order.submitted_ns > self.after_ns)
            and (self.until_ns is None or order.submitted_ns < self.until_ns)
            and (not self.symbols or order.symbol in self.symbols)
            and (self.side is None or order.side == self.side)
        )

    def first(self, orders: Iterable[Order]) -> list[Order]:
        """Return the orders that are asked for, in the direction asked for, up to the limit."""
        taken = [order for order in orders if self.takes(order)]
        taken.sort(key=_submission, reverse=not self.ascending)
        return taken[: self.limit]

    def closed_orders(self, account_id: str) -> ClosedOrderQuery:
        """Return the question to the database."""
        return ClosedOrderQuery(
            account_id=account_id,
            after_ns=self.after_ns,
            until_ns=self.until_ns,
            symbols=tuple(sorted(self.symbols)),
            side=self.side,
            ascending=self.ascending,
            limit=self.limit,
        )


def order_search(query: Query) -> OrderSearch:
    """Return what *query* asks for.

    Raises:
        InvalidRequest: a parameter is malformed or not supported.
    """
    query.flag("nested")
    for name in ("before_order_id", "after_order_id"):
        query.refuse(name, "page by after and until")
    asset_class = query.text("asset_class")
    if asset_class not in {None, "us_equity", "all"}:
        raise InvalidRequest("asset_class must be us_equity: this venue has no other")
    side = query.text("side")
    if side is not None and side not in _SIDES:
        raise InvalidRequest("side must be one of buy, sell")
    return OrderSearch(
        status=query.choice("status", STATUSES, "open"),
        limit=query.integer("limit", 1, LIMIT_MAX, LIMIT_DEFAULT),
        after_ns=query.instant("after"),
        until_ns=query.instant("until"),
        ascending=query.choice("direction", DIRECTIONS, "desc") == "asc",
        symbols=frozenset(query.symbols("symbols")),
        side=None if side is None else _SIDES[side],
    )


def _submission(order: Order) -> tuple[int, int]:
    return order.submitted_ns, order.priority
