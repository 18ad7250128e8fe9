"""What a request must look like before anyone asks what it means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from starlette.types import Scope

from serve.exchange import Header
from tradeplane.errors import InvalidRequest

_ONCE = frozenset(
    {
        b"apca-api-key-id",
        b"apca-api-secret-key",
        b"authorization",
        b"content-length",
        b"content-type",
        b"cookie",
        b"host",
        b"idempotency-key",
        b"transfer-encoding",
        b"x-tradeplane-account",
        b"x-tradeplane-reason",
        b"x-vault-token",
    }
)
_TRICKS = re.compile(r"[\x00-\x1f\x7f\\\ufffd]|(?:^|/)\.{1,2}(?:/|$)")


def requested_path(scope: Scope) -> str | None:
    """Return the path to look for, or None for one that two readers could take for two.

    Such are encoded slashes, backslashes, control characters, bytes that are no UTF-8, and dot
    segments; no endpoint has any of them.
    """
    path: str = scope["path"]
    raw: bytes = scope.get("raw_path") or b""
    if b"%2f" in raw or b"%2F" in raw:
        return None
    if ("/." in path or b"%" in raw or not path.isprintable()) and _TRICKS.search(path):
        return None
    prefix: str = scope.get("root_path", "")
    if prefix and path.startswith(prefix + "/"):
        return path[len(prefix) :]
    return path


def check_repeated(headers: Sequence[Header], by_name: Mapping[bytes, bytes]) -> None:
    """Refuse a header that decides something and is there twice.

    Raises:
        InvalidRequest: names it.
    """
    if len(headers) == len(by_name):
        return
    seen = set()
    for name, _ in headers:
        if name in seen and name in _ONCE:
            raise InvalidRequest(f"the header {name.decode()} must be there once")
        seen.add(name)
