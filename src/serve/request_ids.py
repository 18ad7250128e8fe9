"""The id that every answer carries, so that a report can be matched with the logs."""

from __future__ import annotations

import itertools
import re
import uuid

_SANE = re.compile(rb"[!-~]{1,128}")


class RequestIds:
    """Keeps the client's id when it is at most 128 visible ASCII characters, else makes one.

    Made ids are a random part for this process and a count, which is cheaper than a UUID each.
    """

    def __init__(self) -> None:
        self._process = uuid.uuid4().hex.encode()
        self._count = itertools.count(1)

    def of(self, given: bytes | None) -> bytes:
        """Return the id of a request whose X-Request-ID header is *given*."""
        if given is not None and _SANE.fullmatch(given):
            return given
        return b"%s-%x" % (self._process, next(self._count))
