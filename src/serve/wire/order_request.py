"""The body of POST /v2/orders as it comes in; :mod:`serve.order_form` checks it."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from tradeplane.errors import MalformedBody

CLIENT_ORDER_ID_MAX = 128

_Amount = Annotated[
    Any,
    Meta(
        description="US dollars, at most 2 decimals from 1.00, else 4; for limit orders only.",
        extra_json_schema={"type": ["string", "number", "null"]},
    ),
]
_Quantity = Annotated[
    Any,
    Meta(
        description="Shares, at most 9 decimals; fractions with time_in_force day only.",
        extra_json_schema={"type": ["string", "number"]},
    ),
]
_Symbol = Annotated[
    Any,
    Meta(description="Symbol or asset id.", extra_json_schema={"type": "string"}),
]
_Side = Annotated[Any, Meta(extra_json_schema={"type": "string", "enum": ["buy", "sell"]})]
_Type = Annotated[Any, Meta(extra_json_schema={"type": "string", "enum": ["market", "limit"]})]
_TimeInForce = Annotated[
    Any, Meta(extra_json_schema={"type": "string", "enum": ["day", "gtc", "ioc", "fok"]})
]
_ClientOrderId = Annotated[
    Any,
    Meta(
        description="The caller's own id, unique in the account for ever; made when absent.",
        extra_json_schema={"type": ["string", "null"], "maxLength": CLIENT_ORDER_ID_MAX},
    ),
]
_ExtendedHours = Annotated[Any, Meta(extra_json_schema={"enum": [False, None]})]
_OrderClass = Annotated[Any, Meta(extra_json_schema={"enum": ["", "simple", None]})]
_Intent = Annotated[Any, Meta(extra_json_schema={"enum": ["buy_to_open", "sell_to_close", None]})]
_Unsupported = Annotated[
    Any,
    Meta(
        description="Not supported by this venue: absent or null.",
        extra_json_schema={"type": "null"},
    ),
]


class NumberText(str):
    """The text of a JSON number with a point or an exponent, as the client wrote it."""

    __slots__ = ()


class OrderRequest(msgspec.Struct):
    """A new order. Unknown fields are ignored, as Alpaca does.

    Fields are taken as they come, so that each refusal can name its field.
    """

    REQUIRED: ClassVar[tuple[str, ...]] = ("symbol", "qty", "side", "type", "time_in_force")

    symbol: _Symbol = None
    qty: _Quantity = None
    side: _Side = None
    type: _Type = None
    time_in_force: _TimeInForce = None
    limit_price: _Amount = None
    client_order_id: _ClientOrderId = None
    extended_hours: _ExtendedHours = None
    order_class: _OrderClass = None
    position_intent: _Intent = None
    notional: _Unsupported = None
    stop_price: _Unsupported = None
    trail_price: _Unsupported = None
    trail_percent: _Unsupported = None
    take_profit: _Unsupported = None
    stop_loss: _Unsupported = None
    legs: _Unsupported = None


# Numbers stay text until they become Decimals: a float would change what the client wrote.
_decoder = msgspec.json.Decoder(OrderRequest, float_hook=NumberText)


def parse_order(body: bytes) -> OrderRequest:
    """Return the fields of *body*.

    Raises:
        MalformedBody: it is not JSON, or not an object, or nested too deeply.
    """
    try:
        return _decoder.decode(body)
    except RecursionError:
        raise MalformedBody("request body is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise MalformedBody(f"request body must be a JSON object: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedBody(f"request body format is invalid: {error}") from None
