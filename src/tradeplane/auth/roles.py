"""How roles contain each other, for credentials that act for somebody else."""

from __future__ import annotations

_LEAST = "researcher"
_WITHIN = {
    "admin": ("admin", "trader", "operator", "auditor", _LEAST),
    "trader": ("trader", _LEAST),
    "operator": ("operator", _LEAST),
    "auditor": ("auditor", _LEAST),
    _LEAST: (_LEAST,),
}
"""The roles whose powers lie within each role's."""


def is_within(role: str, owner_role: str) -> bool:
    """Return whether a user of *owner_role* may hand out *role*."""
    return role in _WITHIN[owner_role]


def narrowed(role: str, owner_role: str) -> str:
    """Return what a credential of *role* may act as while its owner is *owner_role*.

    It is the credential's role where the owner has all of that, the owner's where the owner has
    less, and what every role has where neither contains the other.
    """
    if is_within(role, owner_role):
        return role
    return owner_role if is_within(owner_role, role) else _LEAST
