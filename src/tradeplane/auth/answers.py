"""What identity answers: tokens, and what there is of users, sessions, keys and clients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from tradeplane.auth.secretive import Secretive

GrantType = Literal["authorization_code", "refresh_token", "client_credentials"]
"""What an OAuth client may ask for tokens with."""


class Tokens(Secretive, frozen=True):
    """What a login, a refresh or a grant gives.

    Attributes:
        access_token: a JWT (RFC 9068) that replicas check by themselves.
        refresh_token: ``tpr_<session_id>.<secret>``; good for one refresh. Empty for an OAuth
            client that acts for itself.
        expires_in_s: seconds that the access token is good for.
        scope: actions that it is limited to, separated by blanks; empty for no limit beyond the
            role's.
        token_type: how to send it.
    """

    access_token: str
    refresh_token: str
    expires_in_s: int
    scope: str
    token_type: str = "Bearer"  # noqa: S105  # the name of the scheme, no secret


class UserFound(msgspec.Struct, frozen=True):
    """A person's login.

    Attributes:
        accounts: the trading accounts that the user owns, oldest first.
        temporary_password: an administrator has set it; until the user has chosen one, sessions are
            limited to ``self:manage``.
        external: issuers of the identities that are linked to the user.
    """

    user_id: str
    tenant_id: str
    username: str
    email: str
    role: str
    disabled: bool
    mfa_enabled: bool
    temporary_password: bool
    accounts: tuple[str, ...]
    external: tuple[str, ...]
    created_ns: int


class SessionFound(msgspec.Struct, frozen=True):
    """A login that is going on.

    Attributes:
        client_id: the OAuth client that holds it; empty for a direct login.
        method: how the user came in: ``password``, ``password+mfa``, ``external``, ``code``.
        used_ns: when it was opened or last refreshed.
        idle_expires_ns: when it ends unless it is refreshed.
        expires_ns: when it ends in any case.
    """

    session_id: str
    user_id: str
    client_id: str
    scope: str
    method: str
    created_ns: int
    used_ns: int
    idle_expires_ns: int
    expires_ns: int


class MfaEnrollment(Secretive, frozen=True):
    """A second factor that waits for its first code; the only time that its secret is seen.

    Attributes:
        secret_base32: for typing into an authenticator.
        otpauth_uri: the same for a QR code.
    """

    secret_base32: str
    otpauth_uri: str


class TenantFound(msgspec.Struct, frozen=True):
    """A firm."""

    tenant_id: str
    name: str
    created_ns: int


class AccountListed(msgspec.Struct, frozen=True):
    """A trading account: whose it is and where it lies."""

    account_id: str
    tenant_id: str
    user_id: str
    shard: int


class KeyFound(msgspec.Struct, frozen=True):
    """An API key that opens an account.

    Attributes:
        role: what it acts as; never more than its owner.
        scopes: actions that it is limited to; empty for no limit beyond the role's.
        expires_ns: when it ends; 0 for never.
    """

    key_id: str
    tenant_id: str
    account_id: str
    user_id: str
    role: str
    scopes: tuple[str, ...]
    created_ns: int
    expires_ns: int


class ClientFound(msgspec.Struct, frozen=True):
    """An OAuth client.

    Attributes:
        redirect_uris: compared as whole strings.
        scopes: actions that it may ask for.
        confidential: True for one that has a secret.
        role: what it acts as under ``client_credentials``; with a user's consent it acts as the
            user, within its scopes.
        account_id: the account that it acts on under ``client_credentials``; may be empty.
    """

    client_id: str
    tenant_id: str
    name: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[GrantType, ...]
    scopes: tuple[str, ...]
    confidential: bool
    role: str
    account_id: str
    created_ns: int


class NewUser(Secretive, frozen=True):
    """A user just made; *password* is shown once, and empty where the caller gave it."""

    user: UserFound
    password: str


class NewKey(Secretive, frozen=True):
    """A key just made, the only time that its secret is seen."""

    key: KeyFound
    secret_key: str


class NewClient(Secretive, frozen=True):
    """A client just made; *client_secret* is shown once, and empty for a public client."""

    client: ClientFound
    client_secret: str


class SigningKeyFound(msgspec.Struct, frozen=True):
    """A key that access tokens are or were signed with.

    Attributes:
        state: ``published``, ``signing``, ``retiring`` or ``retired``.
        since_ns: when it came into this state.
    """

    kid: str
    state: str
    since_ns: int


class PoliciesFound(msgspec.Struct, frozen=True):
    """The authorization policies in force.

    Attributes:
        version: counts replacements; 0 is what the installation came with.
        documents: the text of each policy file by its name; empty at version 0.
    """

    version: int
    documents: Mapping[str, str]
