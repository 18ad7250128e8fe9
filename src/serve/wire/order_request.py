"""The body of POST /v2/orders: parsed, checked and turned into a command."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec

from serve.asset_directory import AssetDirectory
from tradeplane.errors import InvalidOrder, InvalidRequest, MalformedBody, UnknownAsset
from tradeplane.money import QUANTITY_DECIMALS, parse_amount
from tradeplane.trading.commands import PlaceOrder
from tradeplane.trading.market import Asset
from tradeplane.trading.orders import OrderType, Side, TimeInForce

CLIENT_ORDER_ID_MAX = 128
_SYMBOL_MAX = 36
_DIGITS_MAX = 40

_SIDES: dict[str, Side] = {"buy": "buy", "sell": "sell"}
_TYPES: dict[str, OrderType] = {"market": "market", "limit": "limit"}
_OTHER_TYPES = frozenset({"stop", "stop_limit", "trailing_stop"})
_TIMES_IN_FORCE: dict[str, TimeInForce] = {"day": "day", "gtc": "gtc", "ioc": "ioc", "fok": "fok"}
_OTHER_TIMES_IN_FORCE = frozenset({"opg", "cls"})
_INTENTS = {"buy": "buy_to_open", "sell": "sell_to_close"}
_ALL_INTENTS = frozenset({"buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"})
_PRICE_TICKS = ((Decimal(1), 2), (Decimal(0), 4))
V = TypeVar("V")


class _NumberText(str):
    """The digits of a JSON number with a point or an exponent, as the client wrote them."""

    __slots__ = ()


def _field(description: str, **schema: Any) -> Any:
    return Annotated[Any, msgspec.Meta(description=description, extra_json_schema=schema)]


_AMOUNT = {"type": ["string", "number"]}
_UNSUPPORTED = "Not supported by this venue: it must be absent or null."


class OrderRequest(msgspec.Struct):
    """A new order. Amounts may be strings or numbers; unknown fields are ignored, as Alpaca does.

    Fields are taken as they come and checked one by one, so that each refusal names its field.
    """

    symbol: _field("Symbol or asset id.", type="string", examples=["AAPL"])
    qty: _field("Shares, at most 9 decimals; fractions with day only.", **_AMOUNT)
    side: _field("What to do.", type="string", enum=list(_SIDES))
    type: _field("Kind of order.", type="string", enum=list(_TYPES))
    time_in_force: _field("How long it lives.", type="string", enum=list(_TIMES_IN_FORCE))
    limit_price: _field("US dollars; for limit orders, and only for them.", **_AMOUNT) = None
    client_order_id: _field(
        "The caller's own id, unique in the account for ever; made up when absent.",
        type=["string", "null"],
        maxLength=CLIENT_ORDER_ID_MAX,
    ) = None
    extended_hours: _field("Must be false.", type=["boolean", "null"], const=False) = None
    order_class: _field("Must be simple.", type=["string", "null"]) = None
    position_intent: _field(
        "What the order does to the position.",
        type=["string", "null"],
        enum=[*_INTENTS.values(), None],
    ) = None
    notional: _field(_UNSUPPORTED) = None
    stop_price: _field(_UNSUPPORTED) = None
    trail_price: _field(_UNSUPPORTED) = None
    trail_percent: _field(_UNSUPPORTED) = None
    take_profit: _field(_UNSUPPORTED) = None
    stop_loss: _field(_UNSUPPORTED) = None
    legs: _field(_UNSUPPORTED) = None


