"""Long lists, in pages by key: the next page begins after an id, whatever came or went since."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import TypeVar

from serve.operation import Parameter, integer_parameter, text_parameter
from serve.query import Query
from tradeplane.errors import InvalidRequest

LIMIT_MAX = 200
LIMIT_DEFAULT = 100
_AFTER_MAX = 100
PAGE_PARAMETERS: tuple[Parameter, ...] = (
    integer_parameter("limit", 1, LIMIT_MAX, LIMIT_DEFAULT, "How many at most."),
    text_parameter("after", "Only what follows this id: *next* of the page before."),
)
T = TypeVar("T")


def page(query: Query, items: Iterable[T], id_of: Callable[[T], str]) -> tuple[list[T], str | None]:
    """Return one page of *items* in the order of their ids, and where the next one begins.

    Returns:
        The items, and the last one's id, or None when nothing follows.

    Raises:
        InvalidRequest: ``limit`` or ``after`` is out of range.
    """
    limit = query.integer("limit", 1, LIMIT_MAX, LIMIT_DEFAULT)
    after = query.text("after") or ""
    if len(after) > _AFTER_MAX:
        raise InvalidRequest(f"after must have at most {_AFTER_MAX} characters")
    following = (item for item in items if id_of(item) > after)
    found = heapq.nsmallest(limit + 1, following, key=id_of)
    if len(found) <= limit:
        return found, None
    return found[:limit], id_of(found[limit - 1])
