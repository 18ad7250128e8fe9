"""Structs that carry a secret and do not show it."""

from __future__ import annotations

import msgspec


class Secretive(msgspec.Struct, frozen=True):
    """A struct whose repr, and so whose every trace in a log, is its name alone."""

    def __repr__(self) -> str:
        """Name the kind, nothing else."""
        return f"{type(self).__name__}(...)"
