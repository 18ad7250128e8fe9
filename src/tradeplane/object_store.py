"""The port of object stores: whole objects under names, written once, and durable on return."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from tradeplane.errors import InvalidRequest

OBJECT_BYTES_MAX = 64 * 1024 * 1024
"""The largest object that a store takes."""

NAME_BYTES_MAX = 512
_SEGMENT = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}")


class ObjectStore(Protocol):
    """Objects by name. Synchronous; one instance may be used from several threads.

    Every implementation MUST pass ``tests/contract/test_object_store.py``. A name is segments of
    letters, digits, ``.``, ``_`` and ``-`` with slashes between; see :func:`check_name`. Every
    method may raise InvalidRequest for another name, and ObjectStoreUnavailable.
    """

    def create(self, objects: Mapping[str, bytes]) -> tuple[str, ...]:
        """Write each of *objects* unless one of its name exists; all are durable on return.

        An object appears whole or not at all. When this raises, some may have been written; to
        write the same ones again is harmless.

        Returns:
            The names that existed already. Their content was not touched, and may be another.
        """

    def replace(self, name: str, content: bytes) -> None:
        """Write *content* under *name*, whatever was there; durable on return.

        A reader sees the old object or the new one, never a mixture and never none.
        """

    def swap(self, name: str, old: bytes | None, new: bytes) -> bool:
        """Write *new* under *name* if its content is *old*, None for no object; durable on return.

        Of writers at the same time that expect the same, one succeeds. So a writer that was taken
        over while it slept cannot set back what its successor wrote.

        Returns:
            Whether it was written. After ObjectStoreUnavailable it may have been.
        """

    def remove(self, names: Collection[str]) -> None:
        """Remove the objects *names*, those that exist."""

    def read(self, name: str) -> bytes | None:
        """Return the content of *name*, or None when there is no such object."""

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with *prefix*, which ends with a slash, in any order."""

    def close(self) -> None:
        """Release what is held open. Idempotent."""


def check_name(name: str) -> str:
    """Return *name* when it may name an object.

    Raises:
        InvalidRequest: it may not: so no name leaves the place that a store keeps its objects in.
    """
    if len(name) > NAME_BYTES_MAX or not all(
        _SEGMENT.fullmatch(segment) for segment in name.split("/")
    ):
        raise InvalidRequest(
            f"{name[:64]!r} cannot name an object: it must be segments of letters, digits, "
            "'.', '_' and '-' with '/' between, and no segment may begin with '.'"
        )
    return name


def check_size(name: str, content: bytes) -> None:
    """Refuse a *content* that is larger than any store takes.

    Raises:
        InvalidRequest: it is.
    """
    if len(content) > OBJECT_BYTES_MAX:
        raise InvalidRequest(f"{name} has {len(content)} bytes; the most is {OBJECT_BYTES_MAX}")
