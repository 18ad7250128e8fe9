"""``/v2/orders``: place, find, list and cancel orders."""

from __future__ import annotations

import copy
from collections.abc import Callable

from serve.asset_directory import AssetDirectory
from serve.exchange import Exchange, Reply
from serve.operation import (
    Answer,
    Operation,
    choice_parameter,
    flag_parameter,
    instant_parameter,
    integer_parameter,
    text_parameter,
)
from serve.order_form import place_order
from serve.order_search import (
    DIRECTIONS,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    STATUSES,
    OrderSearch,
    order_search,
)
from serve.query import Query, uuid_of
from serve.submissions import Submissions
from serve.wire.decimals import encode
from serve.wire.order_body import CanceledOrder, OrderBody, order_body
from serve.wire.order_request import OrderRequest, parse_order
from tradeplane.errors import InvalidRequest, NotFound, OrderNotCancelable
from tradeplane.ports import Trading
from tradeplane.trading.account import RECENT_ORDERS_MAX, Account
from tradeplane.trading.commands import CancelAllOrders, CancelOrder
from tradeplane.trading.orders import Order, OrderStatus

_TAG = "orders"
_ORDER = (Answer(200, "The order.", OrderBody),)


class OrderRoutes:
    """The operations on orders.

    Args:
        trading: the ledger.
        assets: all assets.
        submissions: the writes under way.
        new_id: makes the ids of orders and commands.
    """

    def __init__(
        self,
        trading: Trading,
        assets: AssetDirectory,
        submissions: Submissions,
        new_id: Callable[[], str],
    ) -> None:
        self._trading = trading
        self._assets = assets
        self._submissions = submissions
        self._new_id = new_id

    async def place(self, exchange: Exchange) -> Reply:
        """Place an order and answer with it as it was accepted."""
        request = parse_order(await exchange.body())
        command, fresh = place_order(
            request, exchange.account_id, self._assets, self._new_id, exchange.by
        )
        order = await self._submissions.submit(
            exchange,
            self._trading.place_order(command, fresh=fresh),
            {"client_order_id": command.client_order_id},
        )
        return self._reply(order)

    async def list_all(self, exchange: Exchange) -> Reply:
        """List orders: the account's own, and those the database keeps where more are needed."""
        search = order_search(Query(exchange.query))
        account = await self._trading.account(exchange.account_id)
        orders = self._remembered(account, search)
        forgets = len(account.recent_orders) >= RECENT_ORDERS_MAX
        if search.status != "open" and forgets:
            # The account is shared and lives on while the database is asked.
            orders = [copy.copy(order) for order in orders]
            older = await self._trading.closed_orders(search.closed_orders(exchange.account_id))
            by_id = {order.order_id: order for order in older}
            by_id |= {order.order_id: order for order in orders}
            orders = search.first(by_id.values())
        return Reply(200, encode([self._body(order) for order in orders]))

    def _remembered(self, account: Account, search: OrderSearch) -> list[Order]:
        orders: list[Order] = []
        if search.status != "closed":
            orders += account.open_orders.values()
        if search.status != "open":
            orders += account.recent_orders.values()
        return search.first(orders)

    async def get(self, exchange: Exchange) -> Reply:
        """Return one order by its id."""
        order_id = uuid_of("order_id", exchange.params["order_id"])
        Query(exchange.query).flag("nested")
        account = await self._trading.account(exchange.account_id)
        order = account.open_orders.get(order_id) or account.recent_orders.get(order_id)
        if order is None:
            order = await self._trading.closed_order(exchange.account_id, order_id=order_id)
        if order is None:
            raise NotFound(f"order not found for {order_id}")
        return self._reply(order)

    async def get_by_client_id(self, exchange: Exchange) -> Reply:
        """Return one order by the caller's own id."""
        client_order_id = exchange.query.get("client_order_id")
        if not client_order_id:
            raise InvalidRequest("client_order_id is required")
        account = await self._trading.account(exchange.account_id)
        for orders in (account.open_orders, account.recent_orders):
            for order in orders.values():
                if order.client_order_id == client_order_id:
                    return self._reply(order)
        closed = await self._trading.closed_order(
            exchange.account_id, client_order_id=client_order_id
        )
        if closed is None:
            raise NotFound(f"order not found for {client_order_id}")
        return self._reply(closed)

    async def cancel(self, exchange: Exchange) -> Reply:
        """Cancel one order; canceling a canceled one succeeds."""
        order_id = uuid_of("order_id", exchange.params["order_id"])
        account = await self._trading.account(exchange.account_id)
        if order_id in account.open_orders:
            command = CancelOrder(exchange.account_id, order_id, self._new_id(), exchange.by)
            await self._submissions.submit(
                exchange, self._trading.cancel_order(command), {"order_id": order_id}
            )
            return Reply(204)
        order = account.recent_orders.get(order_id)
        if order is None:
            order = await self._trading.closed_order(exchange.account_id, order_id=order_id)
        if order is None:
            raise NotFound(f"order not found for {order_id}")
        if order.status is not OrderStatus.CANCELED:
            raise OrderNotCancelable(f'order is already in "{order.status}" state')
        return Reply(204)

    async def cancel_all(self, exchange: Exchange) -> Reply:
        """Cancel every open order."""
        command = CancelAllOrders(exchange.account_id, self._new_id(), exchange.by)
        order_ids = await self._submissions.submit(
            exchange, self._trading.cancel_all_orders(command), {"status": "open"}
        )
        return Reply(207, encode([CanceledOrder(order_id) for order_id in order_ids]))

    def _body(self, order: Order) -> OrderBody:
        return order_body(order, self._assets.of_symbol(order.symbol))

    def _reply(self, order: Order) -> Reply:
        return Reply(200, encode(self._body(order)))

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        order_id = text_parameter("order_id", "The order's UUID.", place="path")
        nested = flag_parameter("nested", "Accepted and ignored: orders have no legs.")
        one = "/v2/orders/{order_id}"
        return (
            Operation(
                "POST",
                "/v2/orders",
                self.place,
                "placeOrder",
                "Place an order",
                _TAG,
                (Answer(200, "The order as it was accepted.", OrderBody),),
                errors=(400, 403, 413, 422),
                body=OrderRequest,
                action="account:trade",
            ),
            Operation(
                "GET",
                "/v2/orders",
                self.list_all,
                "listOrders",
                "List orders, by default the open ones, newest first",
                _TAG,
                (Answer(200, "The orders.", list[OrderBody]),),
                errors=(422,),
                parameters=(
                    choice_parameter("status", STATUSES, "Which orders.", "open"),
                    integer_parameter("limit", 1, LIMIT_MAX, LIMIT_DEFAULT, "How many at most."),
                    instant_parameter("after", "Only those submitted later than this"),
                    instant_parameter("until", "Only those submitted earlier than this"),
                    choice_parameter("direction", DIRECTIONS, "By submission time.", "desc"),
                    text_parameter("symbols", "Only these symbols, with commas between."),
                    choice_parameter("side", ("buy", "sell"), "Only this side."),
                    nested,
                ),
                action="account:read",
            ),
            Operation(
                "DELETE",
                "/v2/orders",
                self.cancel_all,
                "cancelAllOrders",
                "Cancel all open orders",
                _TAG,
                (Answer(207, "Each canceled order.", list[CanceledOrder]),),
                action="account:trade",
            ),
            Operation(
                "GET",
                one,
                self.get,
                "getOrder",
                "Get an order by its id",
                _TAG,
                _ORDER,
                errors=(404, 422),
                parameters=(order_id, nested),
                action="account:read",
            ),
            Operation(
                "DELETE",
                one,
                self.cancel,
                "cancelOrder",
                "Cancel an order",
                _TAG,
                (Answer(204, "It is canceled."),),
                errors=(404, 422),
                parameters=(order_id,),
                action="account:trade",
            ),
            Operation(
                "GET",
                "/v2/orders:by_client_order_id",
                self.get_by_client_id,
                "getOrderByClientOrderId",
                "Get an order by the caller's own id",
                _TAG,
                _ORDER,
                errors=(404, 422),
                parameters=(text_parameter("client_order_id", "The caller's id.", required=True),),
                action="account:read",
            ),
        )
