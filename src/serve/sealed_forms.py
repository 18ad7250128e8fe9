"""What a page or a cookie carries from one request to the next: sealed, and good for minutes.

Nothing is kept in the replica, so the next request may come to any other.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from typing import Any, TypeVar

import msgspec

from tradeplane.clock import NS_PER_S, Clock
from tradeplane.encryption.sealer import Sealer
from tradeplane.errors import InvalidRequest, SealBroken

LIFE_S = 600
_TEXT_MAX = 8_192
T = TypeVar("T")


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    expires_ns: int
    state: msgspec.Raw


class SealedForms:
    """Seals state and opens it again.

    Args:
        sealer: encrypts and authenticates.
        clock: wall time.
    """

    def __init__(self, sealer: Sealer, clock: Clock) -> None:
        self._sealer = sealer
        self._clock = clock

    async def seal(self, purpose: str, state: Any) -> str:
        """Return *state* as text for a hidden field or a cookie, good for :data:`LIFE_S`."""
        raw = msgspec.Raw(msgspec.msgpack.encode(state))
        sealed = _Sealed(self._clock.wall_ns() + LIFE_S * NS_PER_S, raw)
        plaintext = msgspec.msgpack.encode(sealed)
        # A key may have to be fetched from the database.
        found = await asyncio.to_thread(self._sealer.seal, plaintext, _context(purpose))
        return base64.urlsafe_b64encode(found).rstrip(b"=").decode()

    async def open(self, purpose: str, text: str, kind: type[T]) -> T:
        """Return the state in *text*.

        Raises:
            InvalidRequest: it is not what was sealed for this purpose, or it is too old; not said
                which.
        """
        try:
            if len(text) > _TEXT_MAX:
                raise ValueError("too long")  # noqa: TRY301  # one refusal for all of them
            padded = text.encode("ascii") + b"=" * (-len(text) % 4)
            raw = base64.b64decode(padded, altchars=b"-_", validate=True)
            plaintext = await asyncio.to_thread(self._sealer.open, raw, _context(purpose))
            sealed = msgspec.msgpack.decode(plaintext, type=_Sealed)
            if self._clock.wall_ns() < sealed.expires_ns:
                return msgspec.msgpack.decode(sealed.state, type=kind)
        except (SealBroken, ValueError, binascii.Error):
            # Errors of decoding are ValueErrors too.
            pass
        raise InvalidRequest("this page is out of date; start again")


def same_secret(one: str, other: str) -> bool:
    """Compare two texts in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))


def _context(purpose: str) -> bytes:
    return f"form:{purpose}".encode()
