"""The port of identity: what the HTTP edge and the operator's command ask of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from tradeplane.auth.answers import (
    AccountListed,
    ClientFound,
    KeyFound,
    MfaEnrollment,
    NewClient,
    NewKey,
    NewUser,
    PoliciesFound,
    SessionFound,
    SigningKeyFound,
    TenantFound,
    Tokens,
    UserFound,
)
from tradeplane.auth.api_key import ApiKey
from tradeplane.auth.principal import Origin, Principal
from tradeplane.auth.wanted import ClientWanted, CodeRedemption, CodeWanted, KeyWanted, UserWanted


class Sessions(Protocol):
    """Logins and what follows from them. Every method may raise a ServiceFailed."""

    async def login(self, username: str, password: str, otp: str | None, origin: Origin) -> Tokens:
        """Open a session with a password and, where it is enabled, a one-time or recovery code.

        Raises:
            NotAuthenticated: no such user, wrong password or code, disabled: not said which, and
                as slow as a right one.
            MfaRequired: the password is right and a code is needed.
            TooManyAttempts: after too many failures; details have ``retry_after_s``.
            Overloaded: too many passwords are being checked.
        """

    async def login_external(self, issuer: str, subject: str, origin: Origin) -> Tokens:
        """Open a session for the user who is linked to an external identity that was proven.

        Raises:
            NotAuthenticated: nobody is linked to it, or the user is disabled.
        """

    async def refresh(self, refresh_token: str, client_id: str | None, origin: Origin) -> Tokens:
        """Exchange a refresh token for new tokens.

        The same token again, within the grace time and while its successor is unused, gives the
        same successor. Later it is taken for stolen, and ends the session.

        Raises:
            NotAuthenticated: unknown, ended, expired, reused, or of another client.
        """

    async def logout(self, principal: Principal, origin: Origin) -> None:
        """End the session of *principal*; nothing to do for one without a session."""

    async def me(self, principal: Principal) -> UserFound:
        """Return the user behind *principal*.

        Raises:
            NotFound: there is no user behind it, as with an OAuth client.
        """

    async def sessions(self, principal: Principal) -> Sequence[SessionFound]:
        """Return the user's own sessions that are going on."""

    async def user_sessions(self, tenant_id: str, user_id: str) -> Sequence[SessionFound]:
        """Return the sessions of a user of the tenant.

        Raises:
            NotFound: the tenant has no such user.
        """

    async def end_session(self, principal: Principal, session_id: str, origin: Origin) -> None:
        """End one session of the user's own, or, for an administrator, of the tenant.

        Raises:
            NotFound: there is no such session within reach.
        """

    async def end_all_sessions(self, principal: Principal, user_id: str, origin: Origin) -> int:
        """End every session of a user: of oneself, or, for an administrator, of the tenant.

        Returns:
            How many were going on.

        Raises:
            NotFound: there is no such user within reach.
        """

    async def change_password(
        self, principal: Principal, old: str, new: str, origin: Origin
    ) -> None:
        """Change one's own password; every other session of the user ends.

        Raises:
            NotAuthenticated: *old* is wrong.
            InvalidRequest: *new* does not satisfy the policy; the message says why.
            TooManyAttempts: after too many failures.
        """

    async def enable_mfa(
        self, principal: Principal, password: str, origin: Origin
    ) -> MfaEnrollment:
        """Begin to enrol a second factor; :meth:`confirm_mfa` puts it in force.

        Raises:
            NotAuthenticated: the password is wrong.
            NotAllowed: one is in force already; disable it first.
        """

    async def confirm_mfa(self, principal: Principal, code: str, origin: Origin) -> Sequence[str]:
        """Put the enrolled factor in force; return the recovery codes, the only time.

        Raises:
            NotAuthenticated: the code is wrong.
            NotFound: no enrolment is waiting.
            TooManyAttempts: after too many failures.
        """

    async def disable_mfa(
        self, principal: Principal, password: str, code: str, origin: Origin
    ) -> None:
        """Take the second factor away.

        Raises:
            NotAuthenticated: the password or the code is wrong.
            NotFound: none is in force.
            TooManyAttempts: after too many failures.
        """


class OAuth(Protocol):
    """OAuth 2.1 grants. Every coroutine may raise a ServiceFailed."""

    @property
    def issuer(self) -> str:
        """The URL of this installation, which tokens name; without a slash at its end."""

    def client(self, client_id: str) -> ClientFound | None:
        """Return a client as this replica knows it; no call leaves the process.

        Raises:
            ComponentUnavailable: what is known may be out of date.
        """

    def authenticate_client(self, client_id: str, client_secret: str | None) -> ClientFound:
        """Return the client behind these credentials; None for a public client.

        Raises:
            NotAuthenticated: unknown, a wrong secret, or a secret where none belongs.
            ComponentUnavailable: what is known may be out of date.
        """

    async def client_credentials(
        self, client_id: str, client_secret: str, scope: str, origin: Origin
    ) -> Tokens:
        """Give a client a token for itself; an empty *scope* asks for all of its scopes.

        Raises:
            NotAuthenticated: the client is not who it says.
            NotAllowed: it may not use this grant.
            InvalidRequest: it may not have the scope.
        """

    async def issue_code(self, principal: Principal, wanted: CodeWanted, origin: Origin) -> str:
        """Return an authorization code for the user of *principal*'s session.

        The session must be the user's own: opened by a login, without limits of scope.

        Raises:
            NotFound: no such client in the tenant.
            NotAllowed: the client may not use this grant, or the session may not consent.
            InvalidRequest: the redirect URI, the scope or the challenge is wrong.
        """

    async def redeem_code(self, redemption: CodeRedemption, origin: Origin) -> Tokens:
        """Exchange a code for a session of the client in the user's name. Good once.

        Raises:
            NotAuthenticated: the client is not who it says.
            InvalidGrant: unknown, expired or used code, or it does not belong to the client, the
                redirect URI or the verifier. A used one also ends the session it had opened.
        """

    async def revoke_token(self, client_id: str | None, token: str, origin: Origin) -> None:
        """End what *token* gives (RFC 7009): a refresh token's session, or an access token.

        A token that is unknown, or of another client, is left alone, and that is not said.
        """


class Directory(Protocol):
    """What administrators do. *tenant_id* bounds what exists; *origin* says who and why.

    Every method may raise NotFound for what is not in the tenant, LimitReached when a limit is
    reached, InvalidRequest for what is malformed or taken, and a ServiceFailed.
    """

    async def create_tenant(
        self, tenant_id: str, name: str, origin: Origin, call_id: str = ""
    ) -> TenantFound:
        """Make a firm.

        Args:
            tenant_id: 1 to 40 lower-case letters, digits and hyphens.
            name: as people know it.
            origin: who, and why.
            call_id: the same call again changes nothing; with another firm it is refused. A new
                call by default.
        """

    async def tenants(self) -> Sequence[TenantFound]:
        """Return every firm."""

    async def create_user(self, tenant_id: str, wanted: UserWanted, origin: Origin) -> NewUser:
        """Make a login."""

    async def create_user_named(
        self, user_id: str, tenant_id: str, wanted: UserWanted, origin: Origin
    ) -> NewUser:
        """Make a login of this id; the same again changes nothing and shows no password."""

    async def users(self, tenant_id: str) -> Sequence[UserFound]:
        """Return the users of a tenant, oldest first."""

    async def users_page(
        self, tenant_id: str, after: str, limit: int, username: str = ""
    ) -> Sequence[UserFound]:
        """Return up to *limit* users whose ids follow *after*, in the order of their ids.

        Args:
            tenant_id: the firm.
            after: an id; empty for the beginning.
            limit: how many at most.
            username: only the user of this name, whatever its case; empty for all.
        """

    async def user(self, tenant_id: str, user_id: str) -> UserFound:
        """Return one user of a tenant."""

    async def set_role(self, tenant_id: str, user_id: str, role: str, origin: Origin) -> None:
        """Change what a user may do; at once, for what the user holds already, too."""

    async def disable_user(self, tenant_id: str, user_id: str, origin: Origin) -> None:
        """Lock a user out: sessions end, keys open nothing."""

    async def enable_user(self, tenant_id: str, user_id: str, origin: Origin) -> None:
        """Let a user in again. Keys work again, sessions do not come back."""

    async def reset_mfa(self, tenant_id: str, user_id: str, origin: Origin) -> None:
        """Take a user's second factor away, for one who has lost it; sessions end."""

    async def set_password(self, tenant_id: str, user_id: str, origin: Origin) -> str:
        """Set a random, temporary password and return it, the only time; sessions end."""

    async def link_external(
        self, tenant_id: str, user_id: str, issuer: str, subject: str, origin: Origin
    ) -> None:
        """Let an external identity open sessions of a user."""

    async def unlink_external(
        self, tenant_id: str, user_id: str, issuer: str, origin: Origin
    ) -> None:
        """Take the identities of *issuer* away from a user."""

    async def create_account(
        self, tenant_id: str, user_id: str, cash: Decimal, origin: Origin
    ) -> AccountListed:
        """Open a trading account for a user, with *cash* US dollars."""

    async def create_account_named(
        self, account_id: str, tenant_id: str, user_id: str, cash: Decimal, origin: Origin
    ) -> AccountListed:
        """Open a trading account of this id; the same again changes nothing."""

    async def accounts(self, tenant_id: str) -> Sequence[AccountListed]:
        """Return the accounts of a tenant."""

    async def create_key(self, tenant_id: str, wanted: KeyWanted, origin: Origin) -> NewKey:
        """Make a key for an account."""

    async def create_key_named(
        self, key: ApiKey, tenant_id: str, wanted: KeyWanted, origin: Origin
    ) -> NewKey:
        """Put this key in force; the same again changes nothing."""

    async def revoke_key(self, tenant_id: str, key_id: str, origin: Origin) -> None:
        """End a key for good."""

    async def keys(self, tenant_id: str, account_id: str | None = None) -> Sequence[KeyFound]:
        """Return the live keys of a tenant, or of one of its accounts."""

    async def create_client(
        self, tenant_id: str, wanted: ClientWanted, origin: Origin
    ) -> NewClient:
        """Make an OAuth client."""

    async def create_client_named(
        self, client_id: str, tenant_id: str, wanted: ClientWanted, origin: Origin
    ) -> NewClient:
        """Make an OAuth client of this id, which must be new: ``tpc_`` and 24 hex digits."""

    async def clients(self, tenant_id: str) -> Sequence[ClientFound]:
        """Return the OAuth clients of a tenant."""

    async def delete_client(self, tenant_id: str, client_id: str, origin: Origin) -> None:
        """End an OAuth client with every session and token that it holds."""

    async def replace_policies(
        self, documents: Mapping[str, str], version: int, origin: Origin
    ) -> PoliciesFound:
        """Put other policies in force everywhere.

        Args:
            documents: the new policy files; none at all brings the installation's own back.
            version: the version that they replace, so that nobody overwrites another's change.
            origin: who, and why.
        """

    def policies(self) -> PoliciesFound:
        """Return the policies in force, as this replica knows them."""

    async def signing_keys(self) -> Sequence[SigningKeyFound]:
        """Return the signing keys with their states."""

    async def rotate_signing_key(self, origin: Origin, call_id: str = "") -> str:
        """Publish a new signing key; it signs as soon as every replica knows it. Return its kid.

        Args:
            origin: who, and why.
            call_id: the same call again publishes nothing and returns the same kid.
        """


class IdentityService(Sessions, OAuth, Directory, Protocol):
    """All of it. What is no coroutine makes no call."""

    def authenticate(self, key_id: str, secret_key: str) -> Principal:
        """Return who holds this API key.

        Raises:
            NotAuthenticated: no such key, a wrong secret, expired, or of a disabled user; not said
                which.
            ComponentUnavailable: revocations might have been missed: closed, not open.
        """

    def authenticate_token(self, token: str, account_id: str = "") -> Principal:
        """Return who holds this access token.

        Role and state of the user are those of now, not of the time of issue.

        Args:
            token: a JWT.
            account_id: which account of those that the user may see is meant; by default the
                user's first.

        Raises:
            NotAuthenticated: not a token of ours, expired, revoked, or of a disabled user; not
                said which.
            NotFound: there is no such account within the user's reach.
            ComponentUnavailable: revocations might have been missed: closed, not open.
        """

    def authorize(self, principal: Principal, action: str) -> None:
        """Let *principal* do *action*, one of ``tradeplane.auth.scopes.ACTIONS``, or refuse.

        Raises:
            NotAllowed: the policies or the credential's scopes do not permit it.
        """

    def jwks(self) -> dict[str, Any]:
        """Return the public keys that tokens may be signed with, as a JWK set (RFC 7517)."""

    def pseudonym(self, address: str) -> str:
        """Return what stands for a client's address in journals and logs."""

    async def claim_once(self, key: str, expires_ns: int) -> None:
        """Use *key* up, on every replica, until *expires_ns*.

        Raises:
            NotAuthenticated: it was used before.
        """
