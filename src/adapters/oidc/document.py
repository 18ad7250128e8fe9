"""How the documents of a provider are read: typed, and one error for all that does not fit."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from adapters.oidc.bounded_http import HttpAnswer
from tradeplane.errors import ComponentUnavailable

T = TypeVar("T")


def read_document(answer: HttpAnswer, kind: type[T], name: str) -> T:
    """Return the JSON of *answer* as *kind*.

    Raises:
        ComponentUnavailable: its status is not 200, or it is no such document.
    """
    if answer.status != 200:
        raise ComponentUnavailable(
            f"the OpenID provider answered a request for its {name} with status {answer.status}"
        )
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ComponentUnavailable(f"the OpenID provider's {name} is malformed") from error
