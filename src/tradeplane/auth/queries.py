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


class PageUsers(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Ask for some users of a tenant, in the order of their ids.

    Attributes:
        after: only ids that follow this one.
        limit: how many at most.
        username: only the user of this name, whatever its case; empty for all.
    """

    tenant_id: str
    after: str
    limit: int
    username: str = ""


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


IdentityQuery = GetDirectory | GetSequence | ListUsers | PageUsers | ListSessions
"""What may be asked from outside the process."""

PrivateQuery = FindPassword | FindSigningSecret
"""What only the process of the actor itself may ask: no such query is decoded from a message."""
