"""What an order must look like before the ledger is asked: types, ranges, prices, a known asset."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

from serve.asset_directory import AssetDirectory
from serve.wire.order_request import CLIENT_ORDER_ID_MAX, NumberText, OrderRequest
from tradeplane.errors import InvalidOrder, InvalidRequest, UnknownAsset
from tradeplane.money import QUANTITY_DECIMALS, parse_amount, plain
from tradeplane.trading.commands import PlaceOrder
from tradeplane.trading.market import Asset
from tradeplane.trading.orders import OrderType, Side, TimeInForce

V = TypeVar("V")

_SYMBOL_MAX = 36
_DECIMALS_MAX = 40
_SIDES: dict[str, Side] = {"buy": "buy", "sell": "sell"}
_TYPES: dict[str, OrderType] = {"market": "market", "limit": "limit"}
_TIMES_IN_FORCE: dict[str, TimeInForce] = {"day": "day", "gtc": "gtc", "ioc": "ioc", "fok": "fok"}
_UNSUPPORTED_VALUES = {
    "type": {"stop", "stop_limit", "trailing_stop"},
    "time_in_force": {"opg", "cls"},
    "order_class": {"bracket", "oco", "oto", "mleg"},
}
_UNSUPPORTED_FIELDS = ("trail_price", "trail_percent", "take_profit", "stop_loss", "legs")
_INTENTS = {"buy": "buy_to_open", "sell": "sell_to_close"}
_FOREIGN_INTENTS = {"buy_to_close", "sell_to_open"}


def place_order(
    request: OrderRequest,
    account_id: str,
    assets: AssetDirectory,
    new_id: Callable[[], str],
    by: str = "",
) -> tuple[PlaceOrder, bool]:
    """Return the command that *request* asks for, and whether its client_order_id is a fresh one.

    Raises:
        UnknownAsset: there is no such symbol.
        InvalidOrder: the order breaks a rule of the venue.
        InvalidRequest: a field is missing, malformed or not supported.
    """
    asset = _tradable(request, assets)
    qty = _quantity(request)
    side = _one_of("side", request.side, _SIDES)
    kind = _one_of("type", request.type, _TYPES)
    time_in_force = _one_of("time_in_force", request.time_in_force, _TIMES_IN_FORCE)
    _check_unsupported(request, kind)
    limit_price = _limit_price(request.limit_price, kind)
    if time_in_force != "day" and qty != qty.to_integral_value():
        raise InvalidOrder("fractional orders must be DAY orders")
    _check_class_and_intent(request, side)
    client_order_id = _client_order_id(request.client_order_id)
    command = PlaceOrder(
        account_id=account_id,
        order_id=new_id(),
        client_order_id=client_order_id or new_id(),
        symbol=asset.symbol,
        side=side,
        type=kind,
        time_in_force=time_in_force,
        qty=qty,
        limit_price=limit_price,
        by=by,
    )
    return command, client_order_id is None


def _tradable(request: OrderRequest, assets: AssetDirectory) -> Asset:
    symbol = _text("symbol", request.symbol)
    if not symbol:
        raise InvalidRequest("symbol is required")
    if len(symbol) > _SYMBOL_MAX:
        raise InvalidRequest(f"symbol must be no more than {_SYMBOL_MAX} characters")
    asset = assets.find(symbol)
    if asset is None:
        raise UnknownAsset(f'asset "{symbol}" not found')
    if not asset.tradable:
        raise InvalidOrder(f'asset "{asset.symbol}" is not tradable')
    return asset


def _quantity(request: OrderRequest) -> Decimal:
    if request.notional is not None:
        if request.qty is not None:
            raise InvalidRequest("only one of qty or notional is accepted")
        raise InvalidRequest("notional orders are not supported by this venue; give qty")
    return _amount("qty", request.qty, QUANTITY_DECIMALS)


def _limit_price(value: Any, kind: OrderType) -> Decimal | None:
    if kind == "market":
        if value is not None:
            raise InvalidRequest("market orders require no limit price")
        return None
    price = _amount("limit_price", value, _DECIMALS_MAX)
    decimals_max = 2 if price >= 1 else 4
    if price != round(price, decimals_max):
        raise InvalidOrder(
            f"invalid limit_price {price}. "
            "sub-penny increment does not fulfill minimum pricing criteria"
        )
    return price


def _check_unsupported(request: OrderRequest, kind: OrderType) -> None:
    if request.stop_price is not None:
        raise InvalidRequest(f"{kind} orders require no stop price")
    for name in _UNSUPPORTED_FIELDS:
        if getattr(request, name) is not None:
            raise InvalidRequest(f"{name} is not supported by this venue; leave it out")
    if request.extended_hours is not None and type(request.extended_hours) is not bool:
        raise InvalidRequest("extended_hours must be true or false")
    if request.extended_hours:
        raise InvalidRequest("extended_hours must be false: this venue has no extended hours")


def _check_class_and_intent(request: OrderRequest, side: Side) -> None:
    order_class = _text("order_class", request.order_class)
    if order_class:
        _one_of("order_class", order_class, {"simple": None})
    intent = _text("position_intent", request.position_intent)
    if not intent or intent == _INTENTS[side]:
        return
    if intent in _FOREIGN_INTENTS or intent in _INTENTS.values():
        raise InvalidOrder(
            f"position intent mismatch, inferred: {_INTENTS[side]}, specified: {intent}"
        )
    raise InvalidRequest(f"position_intent must be {_INTENTS[side]} for a {side}")


def _client_order_id(value: Any) -> str | None:
    text = _text("client_order_id", value)
    if not text:
        return None
    if len(text) > CLIENT_ORDER_ID_MAX:
        raise InvalidRequest(
            f"client_order_id must be no more than {CLIENT_ORDER_ID_MAX} characters"
        )
    if not text.isprintable():
        raise InvalidRequest("client_order_id must consist of printable characters")
    return text


def _text(name: str, value: Any) -> str | None:
    if value is None or type(value) is str:
        return value
    raise InvalidRequest(f"{name} must be a string")


def _amount(name: str, value: Any, decimals_max: int) -> Decimal:
    if value is not None and type(value) not in {str, int, NumberText}:
        raise InvalidRequest(f"{name} must be a number, or a string that holds one")
    amount = parse_amount(name, value, decimals_max)
    # 1.0 and 1 are one number, and are kept as one.
    return Decimal(plain(amount))


def _one_of(name: str, value: Any, known: Mapping[str, V]) -> V:
    text = _text(name, value)
    if not text:
        raise InvalidRequest(f"{name} is required")
    if text in known:
        return known[text]
    reason = (
        f"{text} is not supported by this venue"
        if text in _UNSUPPORTED_VALUES.get(name, ())
        else f"{text[:32]!r} is unknown"
    )
    raise InvalidRequest(f"{name} must be one of {', '.join(known)}; {reason}")
