"""The port that seals bytes for storage."""

from __future__ import annotations

from typing import Protocol


class Sealer(Protocol):
    """Encrypts and authenticates bytes, bound to a context: where they are stored.

    Safe to use from several threads.
    """

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Return *plaintext*, sealed; only :meth:`open` with the same *context* gives it back.

        Raises:
            JournalUnavailable: the key cannot be fetched now.
        """

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            SealBroken: *sealed* was changed, or belongs to another context or key; not said which.
            JournalUnavailable: the key cannot be fetched now.
        """
