"""What the edge can be asked: the rows of the route table, with all that OpenAPI needs of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal

import msgspec

from serve.exchange import Exchange, Reply

Budget = Literal["none", "address", "login"]
Handler = Callable[[Exchange], Awaitable[Reply]]


class Parameter(msgspec.Struct, frozen=True):
    """One parameter of the path, the query or the headers.

    Attributes:
        schema: its JSON schema.
        place: ``path``, ``query`` or ``header``.
    """

    name: str
    schema: dict[str, Any]
    description: str
    place: Literal["path", "query", "header"] = "query"
    required: bool = False


class Answer(msgspec.Struct, frozen=True):
    """One successful answer.

    Attributes:
        type: what the body holds, or None for no body.
        media_type: its content type.
    """

    status: int
    description: str
    type: Any = None
    media_type: str = "application/json"


class Operation(msgspec.Struct, frozen=True):
    """One method on one path.

    Attributes:
        path: the template, such as ``/v2/orders/{order_id}``.
        operation_id: its name in the OpenAPI document.
        errors: the statuses of its own refusals, beside those that every operation has.
        body: the type of the request body, or None.
        body_media_type: its content type.
        error_body: what refusals hold where another protocol says so, or None for the usual.
        public: True when it needs no key and is answered under any load.
        budget: what a public operation is counted to: the address, its logins as well, or nobody.
        action: what the policies call it, such as ``account:trade``; empty when public.
    """

    method: str
    path: str
    handler: Handler
    operation_id: str
    summary: str
    tag: str
    answers: tuple[Answer, ...]
    errors: tuple[int, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: Any = None
    body_media_type: str = "application/json"
    error_body: Any = None
    public: bool = False
    action: str = ""
    budget: Budget = "address"


def text_parameter(
    name: str,
    description: str,
    *,
    place: Literal["path", "query"] = "query",
    required: bool = False,
) -> Parameter:
    """Return a parameter that is any text."""
    required = required or place == "path"
    return Parameter(name, {"type": "string"}, description, place, required)


def choice_parameter(
    name: str, choices: tuple[str, ...], description: str, default: str | None = None
) -> Parameter:
    """Return a query parameter that is one of *choices*."""
    schema: dict[str, Any] = {"type": "string", "enum": list(choices)}
    if default is not None:
        schema["default"] = default
    return Parameter(name, schema, description)


def integer_parameter(
    name: str, lowest: int, highest: int, default: int, description: str
) -> Parameter:
    """Return a query parameter that is a whole number in a range."""
    schema = {"type": "integer", "minimum": lowest, "maximum": highest, "default": default}
    return Parameter(name, schema, description)


def flag_parameter(name: str, description: str) -> Parameter:
    """Return a query parameter that is true or false, in Python's spelling too."""
    schema = {"type": "string", "enum": ["true", "false", "True", "False"], "default": "false"}
    return Parameter(name, schema, description)


def instant_parameter(name: str, description: str) -> Parameter:
    """Return a query parameter that is an instant or a date."""
    schema = {
        "type": "string",
        "examples": ["2012-05-18", "2012-05-18T14:30:00Z"],
    }
    text = f"{description}. RFC 3339, or a date, which means midnight in New York."
    return Parameter(name, schema, text)
