"""What happened in identity, as everyone may know it: the replicas mirror these.

Every event says when and by whom. None holds a secret of a person; see
:mod:`tradeplane.auth.private_events` for what only the journal keeps, sealed.
"""

from __future__ import annotations

import msgspec

from tradeplane.auth.answers import GrantType
from tradeplane.auth.principal import Origin


class Event(msgspec.Struct, frozen=True, tag_field="kind", tag=True, kw_only=True):
    """What every event has.

    Attributes:
        at_ns: wall time, nanoseconds since the Unix epoch.
        by: who, and from where.
    """

    at_ns: int
    by: Origin


class TenantCreated(Event, frozen=True):
    """A firm exists."""

    tenant_id: str
    name: str


class UserCreated(Event, frozen=True):
    """A login exists; what it is called is private."""

    user_id: str
    tenant_id: str
    role: str


class UserRoleSet(Event, frozen=True):
    """A user may do something else from now on."""

    user_id: str
    tenant_id: str
    role: str


class UserDisabled(Event, frozen=True):
    """A user is locked out."""

    user_id: str
    tenant_id: str


class UserEnabled(Event, frozen=True):
    """A user is let in again."""

    user_id: str
    tenant_id: str


class AccountRegistered(Event, frozen=True):
    """A trading account exists in a tenant, on a shard, and belongs to a user."""

    account_id: str
    tenant_id: str
    user_id: str
    shard: int


class KeyCreated(Event, frozen=True):
    """A key opens an account. Its secret is 256 random bits, so its SHA-256 tells nothing."""

    key_id: str
    secret_sha256: str
    tenant_id: str
    account_id: str
    user_id: str
    role: str
    scopes: tuple[str, ...]
    expires_ns: int


class KeyRevoked(Event, frozen=True):
    """A key opens nothing any more."""

    key_id: str
    tenant_id: str
    account_id: str


class ClientCreated(Event, frozen=True):
    """An OAuth client exists; *secret_sha256* is empty for a public one."""

    client_id: str
    tenant_id: str
    secret_sha256: str
    name: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[GrantType, ...]
    scopes: tuple[str, ...]
    role: str
    account_id: str


class ClientDeleted(Event, frozen=True):
    """An OAuth client is gone."""

    client_id: str
    tenant_id: str


class SessionEnded(Event, frozen=True):
    """A login is over.

    Attributes:
        reason: one of ``tradeplane.auth.life_cycles.SESSION_ENDS``.
        until_ns: when the last of its access tokens has expired by itself.
    """

    session_id: str
    user_id: str
    tenant_id: str
    reason: str
    until_ns: int


class TokenRevoked(Event, frozen=True):
    """One access token is good for nothing; it would have been until *until_ns*."""

    token_id: str
    tenant_id: str
    until_ns: int


class SigningKeyPublished(Event, frozen=True):
    """Tokens may be signed with this Ed25519 key soon; *public_key* is 32 bytes in hex."""

    kid: str
    public_key: str


class SigningKeyMoved(Event, frozen=True):
    """A signing key is in another state of its life."""

    kid: str
    state: str


class PoliciesReplaced(Event, frozen=True):
    """Other authorization policies are in force."""

    version: int
    documents: dict[str, str]


DirectoryEvent = (
    TenantCreated
    | UserCreated
    | UserRoleSet
    | UserDisabled
    | UserEnabled
    | AccountRegistered
    | KeyCreated
    | KeyRevoked
    | ClientCreated
    | ClientDeleted
    | SessionEnded
    | TokenRevoked
    | SigningKeyPublished
    | SigningKeyMoved
    | PoliciesReplaced
)
"""What the replicas mirror."""
