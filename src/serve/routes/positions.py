"""``/v2/positions``: see and close positions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal

from serve.asset_directory import AssetDirectory
from serve.error_table import error_document, row_of
from serve.exchange import Exchange, Reply
from serve.operation import Answer, Operation, Parameter, flag_parameter, text_parameter
from serve.position_bodies import PositionBodies
from serve.query import Query
from serve.submissions import Submissions
from serve.wire.decimals import encode
from serve.wire.order_body import OrderBody, order_body
from serve.wire.position_body import ClosedPosition, PositionBody
from tradeplane.errors import InvalidRequest, NotFound, TradeplaneError
from tradeplane.money import EXACT, QUANTITY_DECIMALS, ROUNDING, ZERO, plain
from tradeplane.ports import Trading
from tradeplane.trading.account import Position
from tradeplane.trading.commands import CancelAllOrders, PlaceOrder

_TAG = "positions"
_QTY_STEP = Decimal(1).scaleb(-QUANTITY_DECIMALS)
_HUNDRED = Decimal(100)
_PERCENTAGE_DECIMALS = 9


class PositionRoutes:
    """The operations on positions.

    Args:
        trading: the ledger.
        assets: all assets.
        bodies: renders positions.
        submissions: the writes under way.
        new_id: makes the ids of orders and commands.
    """

    def __init__(
        self,
        trading: Trading,
        assets: AssetDirectory,
        bodies: PositionBodies,
        submissions: Submissions,
        new_id: Callable[[], str],
    ) -> None:
        self._trading = trading
        self._assets = assets
        self._bodies = bodies
        self._submissions = submissions
        self._new_id = new_id

    async def get(self, exchange: Exchange) -> Reply:
        """Return one position."""
        symbol = self._symbol(exchange)
        account = await self._trading.account(exchange.account_id)
        position = account.positions.get(symbol)
        if position is None:
            raise _no_position()
        return Reply(200, self._bodies.encoded(account, symbol, position))

    async def list_all(self, exchange: Exchange) -> Reply:
        """Return all positions, by symbol."""
        account = await self._trading.account(exchange.account_id)
        encoded = [
            self._bodies.encoded(account, symbol, position)
            for symbol, position in sorted(account.positions.items())
        ]
        return Reply(200, b"[%s]" % b",".join(encoded))

    async def close(self, exchange: Exchange) -> Reply:
        """Sell a position, or a part of it, with a market order."""
        symbol = self._symbol(exchange)
        query = Query(exchange.query)
        qty = query.amount("qty", QUANTITY_DECIMALS)
        percentage = query.amount("percentage", _PERCENTAGE_DECIMALS)
        if qty is not None and percentage is not None:
            raise InvalidRequest("only one of qty or percentage is accepted")
        account = await self._trading.account(exchange.account_id)
        position = account.positions.get(symbol)
        if position is None:
            raise _no_position()
        if percentage is not None:
            qty = _part(position, percentage)
        return Reply(200, encode(await self._sell(exchange, symbol, qty or _free(position))))

    async def close_all(self, exchange: Exchange) -> Reply:
        """Sell every position, after canceling every open order when that is asked for."""
        if Query(exchange.query).flag("cancel_orders"):
            command = CancelAllOrders(exchange.account_id, self._new_id(), exchange.by)
            await self._submissions.submit(
                exchange, self._trading.cancel_all_orders(command), {"status": "open"}
            )
        account = await self._trading.account(exchange.account_id)
        wanted = {symbol: _free(position) for symbol, position in sorted(account.positions.items())}
        closed = await asyncio.gather(
            *(self._try_to_sell(exchange, symbol, qty) for symbol, qty in wanted.items())
        )
        return Reply(207, encode(closed))

    async def _try_to_sell(self, exchange: Exchange, symbol: str, qty: Decimal) -> ClosedPosition:
        try:
            return ClosedPosition(symbol, 200, await self._sell(exchange, symbol, qty))
        except TradeplaneError as error:
            return ClosedPosition(symbol, row_of(error).status, error_document(error))

    async def _sell(self, exchange: Exchange, symbol: str, qty: Decimal) -> OrderBody:
        client_order_id = self._new_id()
        command = PlaceOrder(
            account_id=exchange.account_id,
            order_id=self._new_id(),
            client_order_id=client_order_id,
            symbol=symbol,
            side="sell",
            type="market",
            time_in_force="day",
            qty=qty,
            by=exchange.by,
        )
        order = await self._submissions.submit(
            exchange,
            self._trading.place_order(command, fresh=True),
            {"client_order_id": client_order_id},
        )
        return order_body(order, self._assets.of_symbol(order.symbol))

    def _symbol(self, exchange: Exchange) -> str:
        asset = self._assets.find(exchange.params["symbol_or_asset_id"])
        if asset is None:
            raise _no_position()
        return asset.symbol

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        which = text_parameter("symbol_or_asset_id", "Symbol or asset id.", place="path")
        one = "/v2/positions/{symbol_or_asset_id}"
        number = {"type": "string", "examples": ["10", "0.5"]}
        return (
            Operation(
                "GET",
                one,
                self.get,
                "getPosition",
                "Get a position",
                _TAG,
                (Answer(200, "The position.", PositionBody),),
                errors=(404,),
                parameters=(which,),
                action="account:read",
            ),
            Operation(
                "DELETE",
                one,
                self.close,
                "closePosition",
                "Sell a position at the market: all free shares, or a part",
                _TAG,
                (Answer(200, "The closing order.", OrderBody),),
                errors=(403, 404, 422),
                parameters=(
                    which,
                    Parameter("qty", number, "Shares to sell."),
                    Parameter("percentage", number, "Percent of the position, above 0 to 100."),
                ),
                action="account:trade",
            ),
            Operation(
                "GET",
                "/v2/positions",
                self.list_all,
                "listPositions",
                "List all positions",
                _TAG,
                (Answer(200, "The positions.", list[PositionBody]),),
                action="account:read",
            ),
            Operation(
                "DELETE",
                "/v2/positions",
                self.close_all,
                "closeAllPositions",
                "Sell all positions at the market",
                _TAG,
                (Answer(207, "What became of each position.", list[ClosedPosition]),),
                errors=(422,),
                parameters=(flag_parameter("cancel_orders", "Cancel all open orders first."),),
                action="account:trade",
            ),
        )


def _no_position() -> NotFound:
    return NotFound("position does not exist")


def _free(position: Position) -> Decimal:
    """Return the free shares; all of them where none is free, which the ledger then refuses."""
    free = EXACT.subtract(position.qty, position.held_qty)
    return free if free > ZERO else position.qty


def _part(position: Position, percentage: Decimal) -> Decimal:
    if percentage > _HUNDRED:
        raise InvalidRequest("percentage must be above 0 and at most 100")
    share = EXACT.divide(EXACT.multiply(position.qty, percentage), _HUNDRED)
    qty = share.quantize(_QTY_STEP, rounding=ROUND_DOWN, context=ROUNDING)
    if qty <= ZERO:
        raise InvalidRequest(f"percentage {plain(percentage)} is less than the smallest quantity")
    return Decimal(plain(qty))
