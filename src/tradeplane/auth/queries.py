"""What identity can be asked."""

from __future__ import annotations

import msgspec


class GetDirectory(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Ask for what a replica mirrors."""


class GetSequence(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Ask for nothing but the sequence that the answer bears, to wait for it at the mirror."""


class ListUsers(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Ask for the users of a tenant, or for one of them."""

    tenant_id: str
    user_id: str = ""


class ListSessions(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Ask for the open sessions of a user of the tenant."""

    tenant_id: str
    user_id: str


class FindPassword(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Ask what a password is checked against, by name or by id.

    Raises TooManyAttempts where nothing is to be checked now.
    """

    username: str = ""
    user_id: str = ""


class FindSigningSecret(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Ask for the key that signs."""


IdentityQuery = GetDirectory | GetSequence | ListUsers | ListSessions
"""What may be asked from outside the process."""

PrivateQuery = FindPassword | FindSigningSecret
"""What only the process of the actor itself may ask: no such query is decoded from a message."""
