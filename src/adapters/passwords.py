"""Password hashes: Argon2id (RFC 9106) in PHC form, a few at a time.

A hash takes 46 MiB and about 100 ms, so how many are made at once is the difference between a login
and a way to bring the process down.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from tradeplane.errors import Overloaded

T = TypeVar("T")
_SALT_BYTES = 16
_HASH_BYTES = 32


class Argon2Settings(msgspec.Struct, frozen=True):
    """What a hash costs; the default is OWASP ASVS 5.0, V11.4: 46 MiB, one pass, one lane."""

    memory_kib: int = 47_104
    passes: int = 1
    lanes: int = 1

    @property
    def prefix(self) -> str:
        """How a PHC string under these parameters begins."""
        return f"$argon2id$v=19$m={self.memory_kib},t={self.passes},p={self.lanes}$"


class Verdict(msgspec.Struct, frozen=True):
    """Whether a password was right, and whether its hash should be made anew."""

    correct: bool
    outdated: bool = False


def hash_password(password: str, settings: Argon2Settings | None = None) -> str:
    """Return the PHC string of *password* under a new random salt."""
    cost = settings or Argon2Settings()
    kdf = Argon2id(
        salt=os.urandom(_SALT_BYTES),
        length=_HASH_BYTES,
        iterations=cost.passes,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    )
    return kdf.derive_phc_encoded(_bytes(password))


def verify_password(password: str, phc: str) -> bool:
    """Return whether *password* is the one behind *phc*."""
    try:
        Argon2id.verify_phc_encoded(_bytes(password), phc)
    except InvalidKey:
        return False
    return True


def _bytes(password: str) -> bytes:
    # A lone surrogate cannot be in a password that was accepted; here it is merely wrong.
    return password.encode("utf-8", "surrogatepass")


class PasswordHasher:
    """Hashes and checks passwords in threads, a few at a time; the rest wait, but not too many.

    Args:
        settings: what a hash costs.
        at_once_max: hashes at the same time.
        waiting_max: callers that may wait for their turn.
    """

    def __init__(
        self,
        settings: Argon2Settings | None = None,
        *,
        at_once_max: int = 2,
        waiting_max: int = 32,
    ) -> None:
        self._settings = settings or Argon2Settings()
        self._threads = ThreadPoolExecutor(at_once_max, thread_name_prefix="password")
        self._places = threading.BoundedSemaphore(at_once_max + waiting_max)
        self._nobody = hash_password(os.urandom(16).hex(), self._settings)

    async def hash(self, password: str) -> str:
        """Return the PHC string of *password*.

        Raises:
            Overloaded: too many wait already.
        """
        return await self._run(hash_password, password, self._settings)

    async def verify(self, password: str, phc: str) -> Verdict:
        """Check *password*; an empty *phc* is nobody's, and takes as long as somebody's.

        Raises:
            Overloaded: too many wait already.
        """
        right = await self._run(verify_password, password, phc or self._nobody)
        return Verdict(
            correct=right and bool(phc), outdated=not phc.startswith(self._settings.prefix)
        )

    async def _run(self, work: Callable[..., T], *arguments: Any) -> T:
        if not self._places.acquire(blocking=False):
            raise Overloaded("too many passwords are being checked; nothing was done, try again")
        # A caller that goes away does not stop the thread, so the place is free when that is done.
        running = self._threads.submit(work, *arguments)
        running.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(running)

    def close(self) -> None:
        """Let go of the threads; what runs is finished."""
        self._threads.shutdown(wait=True)
