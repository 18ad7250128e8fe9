"""``Idempotency-Key``: a creation that is sent again makes nothing twice.

What is made gets an id that follows from the caller, the operation and the key. So any replica
finds what the first request made, and there is no table of keys to keep or to lose.
"""

from __future__ import annotations

import hashlib
import os
import re
import uuid
from collections.abc import Callable

from serve.exchange import Exchange, Header
from serve.operation import Parameter
from tradeplane.errors import InvalidRequest

_HEADER = "Idempotency-Key"
_KEY = re.compile(rb"[!-~]{1,128}")
KEY_PARAMETER = Parameter(
    _HEADER,
    {"type": "string", "minLength": 1, "maxLength": 128},
    "The same again with the same key makes nothing twice; secrets are shown once all the same.",
    "header",
)
REPLAYED: tuple[Header, ...] = ((b"idempotent-replayed", b"true"),)
"""What an answer bears that made nothing new."""


class RequestKey:
    """The ids that one request makes.

    Attributes:
        given: whether the caller can send the request again under the same key.

    Args:
        exchange: the request; it is authenticated.
        operation: what is made.
        random: makes random bytes where no key is given.

    Raises:
        InvalidRequest: the key is malformed.
    """

    def __init__(
        self, exchange: Exchange, operation: str, random: Callable[[int], bytes] = os.urandom
    ) -> None:
        key = exchange.headers.get(b"idempotency-key")
        self.given = key is not None
        self._random = random
        self._seed = b""
        if key is None:
            return
        if _KEY.fullmatch(key) is None:
            raise InvalidRequest(f"{_HEADER} must have 1 to 128 visible ASCII characters")
        principal = exchange.principal
        assert principal is not None, "only operations that need a credential make things"
        # The caller's id, so that nobody reaches what another's key has made.
        owner = f"{principal.tenant_id}\0{principal.user_id or principal.subject_id}\0{operation}\0"
        self._seed = hashlib.sha256(b"tradeplane request key\0" + owner.encode() + key).digest()

    def id_bytes(self, count: int) -> bytes:
        """Return *count* bytes, at most 32, of an id: no secret."""
        return self._seed[:count] if self._seed else self._random(count)

    def uuid(self) -> str:
        """Return a UUID: of version 8 (RFC 9562) where it follows from the key, else at random."""
        made = uuid.UUID(bytes=self.id_bytes(16), version=4)
        if self._seed:
            # The version is in the upper half of byte 6; the standard library stops at 5.
            made = uuid.UUID(int=made.int & ~(0xF << 76) | (8 << 76))
        return str(made)


def require_same(what: str, *, same: bool) -> None:
    """Refuse a key that was used for something else.

    Raises:
        InvalidRequest: it was.
    """
    if not same:
        raise InvalidRequest(f"this {_HEADER} has made another {what}; use a new one")
