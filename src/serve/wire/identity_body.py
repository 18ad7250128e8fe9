"""What is answered about identity. Instants are RFC 3339 in UTC."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from serve.wire.decimals import Timestamp, Uuid
from serve.wire.timestamps import utc
from tradeplane.auth.answers import (
    AccountListed,
    ClientFound,
    GrantType,
    KeyFound,
    SessionFound,
    SigningKeyFound,
    TenantFound,
    Tokens,
    UserFound,
)
from tradeplane.auth.secretive import Secretive


class TokensBody(Secretive, frozen=True):
    """Tokens, as RFC 6749 (section 5.1) has them."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET


class UserBody(msgspec.Struct, frozen=True):
    """A person's login.

    Attributes:
        accounts: the trading accounts that the user owns, oldest first.
        temporary_password: until the user has chosen a password, sessions are limited to
            ``self:manage``.
        external: issuers of the identities that are linked to the user.
    """

    user_id: Uuid
    tenant_id: str
    username: str
    email: str
    role: str
    disabled: bool
    mfa_enabled: bool
    temporary_password: bool
    accounts: tuple[Uuid, ...]
    external: tuple[str, ...]
    created_at: Timestamp


class SessionBody(msgspec.Struct, frozen=True):
    """A login that is going on.

    Attributes:
        client_id: the OAuth client that holds it; null for a direct login.
        method: how the user came in.
        current: whether this request belongs to it.
        idle_expires_at: when it ends unless it is refreshed.
        expires_at: when it ends in any case.
    """

    session_id: Uuid
    user_id: Uuid
    client_id: str | None
    scope: str
    method: str
    current: bool
    created_at: Timestamp
    used_at: Timestamp
    idle_expires_at: Timestamp
    expires_at: Timestamp


class EnrollmentBody(Secretive, frozen=True):
    """A second factor that waits for its first code; the only time that its secret is seen."""

    secret: str
    otpauth_uri: str


class RecoveryBody(Secretive, frozen=True):
    """Recovery codes, each good once; the only time that they are seen."""

    recovery_codes: tuple[str, ...]


class KeyBody(msgspec.Struct, frozen=True):
    """An API key; *expires_at* is null for one without an end."""

    key_id: str
    tenant_id: str
    account_id: Uuid
    user_id: str
    role: str
    scopes: tuple[str, ...]
    created_at: Timestamp
    expires_at: Timestamp | None


class NewKeyBody(Secretive, frozen=True):
    """A key just made; *secret_key* is shown once, and null when the request was a repetition."""

    key: KeyBody
    secret_key: str | None


class TenantBody(msgspec.Struct, frozen=True):
    """A firm."""

    tenant_id: str
    name: str
    created_at: Timestamp


class NewUserBody(Secretive, frozen=True):
    """A user just made; *password* is shown once, and null when the request was a repetition."""

    user: UserBody
    password: str | None


class PasswordBody(Secretive, frozen=True):
    """A temporary password, the only time that it is seen."""

    password: str


class EndedBody(msgspec.Struct, frozen=True):
    """How many sessions were ended."""

    ended: int


class AccountListedBody(msgspec.Struct, frozen=True):
    """A trading account and its owner."""

    account_id: Uuid
    tenant_id: str
    user_id: Uuid


class ClientBody(msgspec.Struct, frozen=True):
    """An OAuth client.

    Attributes:
        redirect_uris: compared as whole strings.
        scopes: actions that it may ask for.
        confidential: whether it has a secret.
        role: what it acts as under ``client_credentials``.
        account_id: the account that it acts on under ``client_credentials``.
    """

    client_id: str
    tenant_id: str
    name: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[GrantType, ...]
    scopes: tuple[str, ...]
    confidential: bool
    role: str
    account_id: Uuid | None
    created_at: Timestamp


class NewClientBody(Secretive, frozen=True):
    """A client just made; *client_secret* is shown once, and null where there is none to show."""

    client: ClientBody
    client_secret: str | None


class SigningKeyBody(msgspec.Struct, frozen=True):
    """A key that access tokens are or were signed with."""

    kid: str
    state: str
    since: Timestamp


class RotatedBody(msgspec.Struct, frozen=True):
    """A signing key just published."""

    kid: str


class PoliciesBody(msgspec.Struct, frozen=True):
    """The policies in force; version 0, without documents, is what the installation came with."""

    version: int
    documents: dict[str, str]


class UserPage(msgspec.Struct, frozen=True):
    """A page of users; *next* is null on the last."""

    users: list[UserBody]
    next: str | None


class AccountPage(msgspec.Struct, frozen=True):
    """A page of accounts; *next* is null on the last."""

    accounts: list[AccountListedBody]
    next: str | None


class KeyPage(msgspec.Struct, frozen=True):
    """A page of API keys; *next* is null on the last."""

    keys: list[KeyBody]
    next: str | None


class ClientPage(msgspec.Struct, frozen=True):
    """A page of OAuth clients; *next* is null on the last."""

    clients: list[ClientBody]
    next: str | None


class TenantPage(msgspec.Struct, frozen=True):
    """A page of firms; *next* is null on the last."""

    tenants: list[TenantBody]
    next: str | None


def tokens_body(tokens: Tokens) -> TokensBody:
    """Return *tokens* for the wire; what is empty is left out."""
    return TokensBody(
        tokens.access_token,
        tokens.token_type,
        tokens.expires_in_s,
        tokens.refresh_token or UNSET,
        tokens.scope or UNSET,
    )


def user_body(user: UserFound) -> UserBody:
    """Return *user* for the wire."""
    return UserBody(
        user_id=user.user_id,
        tenant_id=user.tenant_id,
        username=user.username,
        email=user.email,
        role=user.role,
        disabled=user.disabled,
        mfa_enabled=user.mfa_enabled,
        temporary_password=user.temporary_password,
        accounts=user.accounts,
        external=user.external,
        created_at=utc(user.created_ns),
    )


def session_body(session: SessionFound, current: str) -> SessionBody:
    """Return *session* for the wire; *current* is the session that asks."""
    return SessionBody(
        session_id=session.session_id,
        user_id=session.user_id,
        client_id=session.client_id or None,
        scope=session.scope,
        method=session.method,
        current=session.session_id == current,
        created_at=utc(session.created_ns),
        used_at=utc(session.used_ns),
        idle_expires_at=utc(session.idle_expires_ns),
        expires_at=utc(session.expires_ns),
    )


def key_body(key: KeyFound) -> KeyBody:
    """Return *key* for the wire."""
    return KeyBody(
        key_id=key.key_id,
        tenant_id=key.tenant_id,
        account_id=key.account_id,
        user_id=key.user_id,
        role=key.role,
        scopes=key.scopes,
        created_at=utc(key.created_ns),
        expires_at=utc(key.expires_ns) if key.expires_ns else None,
    )


def tenant_body(tenant: TenantFound) -> TenantBody:
    """Return *tenant* for the wire."""
    return TenantBody(tenant.tenant_id, tenant.name, utc(tenant.created_ns))


def account_listed_body(account: AccountListed) -> AccountListedBody:
    """Return *account* for the wire; where it lies is nobody's business."""
    return AccountListedBody(account.account_id, account.tenant_id, account.user_id)


def client_body(client: ClientFound) -> ClientBody:
    """Return *client* for the wire."""
    return ClientBody(
        client_id=client.client_id,
        tenant_id=client.tenant_id,
        name=client.name,
        redirect_uris=client.redirect_uris,
        grant_types=client.grant_types,
        scopes=client.scopes,
        confidential=client.confidential,
        role=client.role,
        account_id=client.account_id or None,
        created_at=utc(client.created_ns),
    )


def signing_key_body(key: SigningKeyFound) -> SigningKeyBody:
    """Return *key* for the wire."""
    return SigningKeyBody(key.kid, key.state, utc(key.since_ns))
