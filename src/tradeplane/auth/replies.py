"""What identity answers to commands and queries."""

from __future__ import annotations

import msgspec

from tradeplane.auth.answers import SessionFound, UserFound
from tradeplane.auth.directory import Directory
from tradeplane.auth.secretive import Secretive
from tradeplane.errors import Details, TradeplaneError, to_wire


class Done(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The command took effect, now or before."""


class Counted(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """It took effect on so many."""

    count: int


class Named(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """It made something of this name; empty when there was nothing to make."""

    name: str


class Refused(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """A refusal that is an event itself, such as a wrong password: it is counted and journaled."""

    error: tuple[str, str, Details]


class SessionGranted(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """A session is open; tokens may be made for it until *expires_ns*."""

    session_id: str
    user_id: str
    tenant_id: str
    client_id: str
    scope: str
    expires_ns: int


class SessionRefreshed(Secretive, frozen=True, tag_field="kind", tag=True):
    """The session goes on, with this refresh secret."""

    granted: SessionGranted
    secret: str


class ClientGranted(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """A client may have a token for itself."""

    client_id: str
    tenant_id: str
    scope: str
    token_id: str


class MfaEnrolling(Secretive, frozen=True, tag_field="kind", tag=True):
    """A second factor waits for its first code; the name is for the authenticator's list."""

    secret: str
    username: str


class DirectoryFound(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """What replicas mirror."""

    directory: Directory


class UsersFound(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Users, oldest first."""

    users: tuple[UserFound, ...]


class SessionsFound(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Open sessions of a user."""

    sessions: tuple[SessionFound, ...]


class PasswordFound(Secretive, frozen=True, tag_field="kind", tag=True):
    """What a password is checked against, and the generation of that.

    Attributes:
        user_id: empty where nobody has the name; then the check is for the time that it takes.
    """

    user_id: str
    username: str
    email: str
    password_phc: str
    generation: int


class SigningSecretFound(Secretive, frozen=True, tag_field="kind", tag=True):
    """The key that signs, 32 bytes in hex."""

    kid: str
    seed: str


IdentityReply = (
    Done
    | Counted
    | Named
    | Refused
    | SessionGranted
    | SessionRefreshed
    | ClientGranted
    | MfaEnrolling
    | DirectoryFound
    | UsersFound
    | SessionsFound
)


def refused(error: TradeplaneError) -> Refused:
    """Return the reply that says *error*."""
    return Refused(to_wire(error))
