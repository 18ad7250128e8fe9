"""What can be permitted: the actions of the policies, which are also the scopes of credentials."""

from __future__ import annotations

from collections.abc import Iterable

from tradeplane.errors import InvalidRequest

ACTIONS = (
    "market:read",
    "account:read",
    "account:trade",
    "self:manage",
    "tenant:manage",
    "platform:manage",
    "encryption:use",
    "encryption:manage",
    "audit:prove",
    "audit:read",
    "audit:verify",
)
"""Every action that a route can have."""

_KNOWN = frozenset(ACTIONS)


def scopes_of(scope: str) -> tuple[str, ...]:
    """Return the scopes in *scope*, separated by blanks (RFC 6749, section 3.3), each once.

    Raises:
        InvalidRequest: one of them is unknown.
    """
    return checked_scopes(scope.split())


def checked_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return *scopes* in the order of :data:`ACTIONS`, each once.

    Raises:
        InvalidRequest: one of them is unknown.
    """
    asked = set(scopes)
    unknown = sorted(asked - _KNOWN)
    if unknown:
        raise InvalidRequest(
            f"unknown scope {unknown[0][:40]!r}; known are {', '.join(ACTIONS)}",
        )
    return tuple(action for action in ACTIONS if action in asked)
