"""Canonical JSON (RFC 8785): one value has one encoding, so a hash of it means something.

Numbers are integers that a double holds exactly; this project writes no others into a log.
"""

from __future__ import annotations

import json
from typing import Any

from tradeplane.errors import InvalidRequest

INTEGER_MAX = 2**53 - 1


def canonical_json(value: Any) -> bytes:
    """Return the one encoding of *value*.

    Raises:
        InvalidRequest: it holds what has no canonical form: a float, an integer beyond 2**53, half
            of a surrogate pair, or a key that is no text.
    """
    try:
        return _encoded(value).encode()
    except UnicodeEncodeError:
        raise InvalidRequest("half of a surrogate pair has no canonical JSON") from None


def _encoded(value: Any) -> str:
    match value:
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return _text(value)
        case int() if -INTEGER_MAX <= value <= INTEGER_MAX:
            return str(value)
        case list() | tuple():
            return "[" + ",".join(_encoded(item) for item in value) + "]"
        case dict() if all(isinstance(key, str) for key in value):
            members = sorted(value.items(), key=lambda member: _utf16(member[0]))
            return "{" + ",".join(f"{_text(key)}:{_encoded(item)}" for key, item in members) + "}"
        case _:
            raise InvalidRequest(f"a {type(value).__name__} has no canonical JSON here")


def _text(value: str) -> str:
    # The standard encoder escapes exactly what RFC 8785, section 3.2.2.2, asks for.
    return json.dumps(value, ensure_ascii=False)


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be")
