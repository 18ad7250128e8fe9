"""Which texts a database can hold."""

from __future__ import annotations


def storable(value: str) -> bool:
    """Return whether every supported database can hold *value*; what it cannot is not there.

    PostgreSQL has no NUL in texts, and neither database has halves of surrogate pairs.
    """
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
