"""Bodies in JSON, decoded strictly: what is unknown is refused, so nothing is assigned unasked."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from serve.exchange import Exchange
from tradeplane.errors import InvalidRequest, MalformedBody

T = TypeVar("T")


async def json_body(exchange: Exchange, kind: type[T]) -> T:
    """Read the body of *exchange* as a *kind*, a struct that forbids unknown fields.

    Raises:
        MalformedBody: it is not JSON, or nested too deeply.
        InvalidRequest: a field is unknown, missing or of another type; the message names it.
        BodyTooLarge: it is larger than the limit.
    """
    body = await exchange.body()
    try:
        return msgspec.json.decode(body, type=kind)
    except RecursionError:
        raise MalformedBody("request body is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"request body: {_harmless(error)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedBody("request body must be a JSON object") from None


def _harmless(error: msgspec.ValidationError) -> str:
    """Return what *error* says; it names fields and types, and values of enumerations alone."""
    text: Any = str(error)
    return text if len(text) <= 300 else f"{text[:300]}..."
