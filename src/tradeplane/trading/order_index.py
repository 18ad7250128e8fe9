"""Ways to find orders without a scan. All of it is derived from the accounts."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from decimal import Decimal

from tradeplane.trading.commands import PlaceOrder
from tradeplane.trading.orders import Order, OrderType, Side

_FIRST = Decimal("-Infinity")
_OTHER_SIDE: dict[Side, Side] = {"buy": "sell", "sell": "buy"}

_Rank = tuple[Decimal, int, str]


def _rank(side: Side, order_type: OrderType, limit_price: Decimal | None) -> Decimal:
    """Return a number that is the smaller, the further an order reaches to the other side."""
    if order_type == "market":
        return _FIRST
    assert limit_price is not None, "a limit order has a limit price"
    return limit_price.copy_negate() if side == "buy" else limit_price


class OrderIndex:
    """Orders by symbol, by client_order_id, and by price for each account's symbol and side."""

    def __init__(self) -> None:
        self._by_symbol: dict[str, dict[int, Order]] = {}
        self._ranks: dict[tuple[str, str, Side], list[_Rank]] = {}
        self._order_ids: dict[str, dict[str, str]] = {}

    def add(self, order: Order) -> None:
        """Take in an open *order*, later in priority than every other of its symbol."""
        self._by_symbol.setdefault(order.symbol, {})[order.priority] = order
        insort(self._ranks.setdefault(_side_key(order), []), _entry(order))
        self.remember(order)

    def remember(self, order: Order) -> None:
        """Take in the client_order_id of *order*, open or closed."""
        self._order_ids.setdefault(order.account_id, {})[order.client_order_id] = order.order_id

    def close(self, order: Order) -> None:
        """Drop *order* from the open ones; its client_order_id stays known."""
        symbol_orders = self._by_symbol[order.symbol]
        del symbol_orders[order.priority]
        if not symbol_orders:
            del self._by_symbol[order.symbol]
        key = _side_key(order)
        ranks = self._ranks[key]
        del ranks[bisect_left(ranks, _entry(order))]
        if not ranks:
            del self._ranks[key]

    def forget(self, order: Order) -> None:
        """Drop the client_order_id of *order*, which the account no longer remembers."""
        order_ids = self._order_ids[order.account_id]
        del order_ids[order.client_order_id]
        if not order_ids:
            del self._order_ids[order.account_id]

    def order_id(self, account_id: str, client_order_id: str) -> str | None:
        """Return the remembered order of the account with this client_order_id."""
        order_ids = self._order_ids.get(account_id)
        return None if order_ids is None else order_ids.get(client_order_id)

    def of_symbol(self, symbol: str) -> list[Order]:
        """Return the open orders of *symbol* in time priority; the list is the caller's."""
        return list(self._by_symbol.get(symbol, {}).values())

    def all_open(self) -> list[Order]:
        """Return every open order in time priority. A full scan: once a session, no oftener."""
        return sorted(self._every(), key=lambda order: order.priority)

    def crossing(self, command: PlaceOrder) -> str | None:
        """Return the account's open order that *command* could trade against, or None.

        The orders can trade when either is a market order, or the buy's limit reaches the sell's.
        Of several, it is the one that reaches furthest, then the oldest.
        """
        ranks = self._ranks.get((command.account_id, command.symbol, _OTHER_SIDE[command.side]))
        if not ranks:
            return None
        furthest, _, order_id = ranks[0]
        reach = _rank(command.side, command.type, command.limit_price).copy_negate()
        return order_id if furthest <= reach else None

    def open_sells(self, account_id: str, symbol: str, count_max: int) -> list[str]:
        """Return the ids of at most *count_max* open sells, cheapest first."""
        ranks = self._ranks.get((account_id, symbol, "sell"), [])
        return [order_id for _, _, order_id in ranks[:count_max]]

    def _every(self) -> Iterator[Order]:
        for symbol_orders in self._by_symbol.values():
            yield from symbol_orders.values()


def index_of(open_orders: Iterable[Order], closed_orders: Iterable[Order]) -> OrderIndex:
    """Return the index of these orders, in whatever order they come."""
    index = OrderIndex()
    for order in sorted(open_orders, key=lambda order: order.priority):
        index.add(order)
    for order in closed_orders:
        index.remember(order)
    return index


def _side_key(order: Order) -> tuple[str, str, Side]:
    return order.account_id, order.symbol, order.side


def _entry(order: Order) -> _Rank:
    rank = _rank(order.side, order.type, order.limit_price)
    return rank, order.priority, order.order_id
