"""What the process of identity is asked that takes a password, a secret or a signature.

These carry secrets, so they go to the desk beside the component, which checks passwords and signs
tokens; the component sees only what came of it.
"""

from __future__ import annotations

from tradeplane.auth.answers import MfaEnrollment, NewUser, Tokens
from tradeplane.auth.principal import Origin
from tradeplane.auth.replies import Done
from tradeplane.auth.secretive import Secretive
from tradeplane.auth.wanted import CodeRedemption, UserWanted


class Request(Secretive, frozen=True, tag_field="kind", tag=True, kw_only=True):
    """What every request has.

    A repetition of the same call carries the same ids and random bytes, so it has one effect.
    """

    by: Origin


class SignIn(Request, frozen=True):
    """Log in with a password; *random* makes the first refresh secret."""

    session_id: str
    username: str
    password: str
    otp: str
    random: bytes


class SignInExternal(Request, frozen=True):
    """Log in with an external identity that was proven."""

    session_id: str
    issuer: str
    subject: str
    random: bytes


class Exchange(Request, frozen=True):
    """Exchange a refresh token; *client_id* is empty for a direct login."""

    refresh_token: str
    client_id: str


class Redeem(Request, frozen=True):
    """Open a client's session with an authorization code."""

    session_id: str
    redemption: CodeRedemption
    random: bytes


class GrantClient(Request, frozen=True):
    """Give a client a token for itself."""

    client_id: str
    client_secret: str
    scope: str
    token_id: str


class ReplacePassword(Request, frozen=True):
    """Change one's own password."""

    user_id: str
    session_id: str
    old: str
    new: str
    command_id: str


class BeginMfa(Request, frozen=True):
    """Enrol a second factor; *random* is its secret."""

    user_id: str
    session_id: str
    password: str
    random: bytes
    command_id: str


class EndMfa(Request, frozen=True):
    """Take one's own second factor away."""

    user_id: str
    session_id: str
    password: str
    code: str
    command_id: str


class AddUser(Request, frozen=True):
    """Make a login; *random* makes the password where none is given."""

    user_id: str
    tenant_id: str
    wanted: UserWanted
    random: bytes


class GivePassword(Request, frozen=True):
    """Set a temporary password, which *random* makes."""

    tenant_id: str
    user_id: str
    random: bytes
    command_id: str


class PasswordGiven(Secretive, frozen=True, tag_field="kind", tag=True):
    """The temporary password, the only time that it is seen."""

    password: str


class TokensGiven(Secretive, frozen=True, tag_field="kind", tag=True):
    """Tokens."""

    tokens: Tokens


class MfaBegun(Secretive, frozen=True, tag_field="kind", tag=True):
    """An enrolment that waits for its first code."""

    enrollment: MfaEnrollment


class UserAdded(Secretive, frozen=True, tag_field="kind", tag=True):
    """A user, and the password where it was made here."""

    added: NewUser


DeskRequest = (
    SignIn
    | SignInExternal
    | Exchange
    | Redeem
    | GrantClient
    | ReplacePassword
    | BeginMfa
    | EndMfa
    | AddUser
    | GivePassword
)
DeskReply = Done | PasswordGiven | TokensGiven | MfaBegun | UserAdded
