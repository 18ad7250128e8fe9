"""The port of the root key, which wraps every data key and never leaves its keeper."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

Context = Mapping[str, str]
"""What a wrapped secret is bound to; not secret, and shown in the logs of a key service."""


class RootKey(Protocol):
    """Wraps small secrets. Every implementation MUST pass ``tests/contract/test_root_key.py``.

    Safe to use from several threads.
    """

    @property
    def key_id(self) -> str:
        """The id of the key that :meth:`wrap` uses now; stored beside what it wrapped."""

    def wrap(self, secret: bytes, context: Context) -> tuple[str, bytes]:
        """Return the id of the key that was used, and *secret* wrapped.

        Raises:
            RootKeyUnavailable: the key cannot be used now.
        """

    def unwrap(self, key_id: str, wrapped: bytes, context: Context) -> bytes:
        """Return the secret.

        Raises:
            SealBroken: *wrapped* was changed, or belongs to another context or key.
            RootKeyUnavailable: the key cannot be used now.
            Misconfigured: this is not the root key that wrapped it.
        """
