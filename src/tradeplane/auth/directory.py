"""What replicas mirror of identity, and the checks that they make on it. No secret of a person."""

from __future__ import annotations

import hashlib
import hmac

import msgspec

from tradeplane.auth.answers import AccountListed, ClientFound, GrantType, KeyFound
from tradeplane.auth.events import (
    AccountRegistered,
    ClientCreated,
    ClientDeleted,
    DirectoryEvent,
    KeyCreated,
    KeyRevoked,
    PoliciesReplaced,
    SessionEnded,
    SigningKeyMoved,
    SigningKeyPublished,
    TenantCreated,
    TokenRevoked,
    UserCreated,
    UserDisabled,
    UserEnabled,
    UserRoleSet,
)
from tradeplane.auth.principal import HOME_TENANT
from tradeplane.errors import NotAuthenticated

_NO_SECRET = "0" * 64
_REFUSED = "unauthorized."
_RETIRED_KEPT = 8


class TenantEntry(msgspec.Struct, frozen=True, array_like=True):
    """A firm."""

    name: str
    created_ns: int


class UserEntry(msgspec.Struct, frozen=True, array_like=True):
    """What a user may do; *accounts* are the user's own, oldest first."""

    tenant_id: str
    role: str
    disabled: bool
    accounts: tuple[str, ...]


class AccountEntry(msgspec.Struct, frozen=True, array_like=True):
    """Whose an account is, and where it is at home."""

    tenant_id: str
    user_id: str
    shard: int


class KeyEntry(msgspec.Struct, frozen=True, array_like=True):
    """What a key's secret hashes to, and what it opens."""

    secret_sha256: str
    tenant_id: str
    account_id: str
    user_id: str
    role: str
    scopes: tuple[str, ...]
    created_ns: int
    expires_ns: int


class ClientEntry(msgspec.Struct, frozen=True, array_like=True):
    """An OAuth client; *secret_sha256* is empty for a public one."""

    secret_sha256: str
    tenant_id: str
    name: str
    redirect_uris: tuple[str, ...]
    grant_types: tuple[GrantType, ...]
    scopes: tuple[str, ...]
    role: str
    account_id: str
    created_ns: int


class SigningEntry(msgspec.Struct, frozen=True, array_like=True):
    """The public half of a signing key, in hex, and where it is in its life."""

    public_key: str
    state: str
    since_ns: int


class Directory(msgspec.Struct):
    """The mirror.

    Attributes:
        ended: sessions that are over while tokens of theirs may still be about, with their end.
        revoked: access tokens that are good for nothing, with the end of their time.
        policies: the version in force, and its files.
    """

    tenants: dict[str, TenantEntry] = msgspec.field(
        default_factory=lambda: {HOME_TENANT: TenantEntry(HOME_TENANT, 0)}
    )
    users: dict[str, UserEntry] = {}
    accounts: dict[str, AccountEntry] = {}
    keys: dict[str, KeyEntry] = {}
    clients: dict[str, ClientEntry] = {}
    ended: dict[str, int] = {}
    revoked: dict[str, int] = {}
    signing: dict[str, SigningEntry] = {}
    policies: tuple[int, dict[str, str]] = (0, {})

    def evolve(self, event: DirectoryEvent) -> None:  # noqa: C901, PLR0912  # one case an event
        """Take in *event*."""
        match event:
            case TenantCreated():
                self.tenants[event.tenant_id] = TenantEntry(event.name, event.at_ns)
            case UserCreated():
                self.users[event.user_id] = UserEntry(event.tenant_id, event.role, False, ())
            case UserRoleSet():
                self._change_user(event.user_id, role=event.role)
            case UserDisabled():
                self._change_user(event.user_id, disabled=True)
            case UserEnabled():
                self._change_user(event.user_id, disabled=False)
            case AccountRegistered():
                self._register(event)
            case KeyCreated():
                self._create_key(event)
            case KeyRevoked():
                self.keys.pop(event.key_id, None)
            case ClientCreated():
                self._create_client(event)
            case ClientDeleted():
                self.clients.pop(event.client_id, None)
            case SessionEnded():
                _remember(self.ended, event.session_id, event.until_ns, event.at_ns)
            case TokenRevoked():
                _remember(self.revoked, event.token_id, event.until_ns, event.at_ns)
            case SigningKeyPublished():
                self.signing[event.kid] = SigningEntry(event.public_key, "published", event.at_ns)
            case SigningKeyMoved():
                self._move(event)
            case PoliciesReplaced():
                self.policies = (event.version, event.documents)

    def _change_user(self, user_id: str, **changes: object) -> None:
        self.users[user_id] = msgspec.structs.replace(self.users[user_id], **changes)

    def _register(self, event: AccountRegistered) -> None:
        self.accounts[event.account_id] = AccountEntry(event.tenant_id, event.user_id, event.shard)
        owner = self.users[event.user_id]
        self._change_user(event.user_id, accounts=(*owner.accounts, event.account_id))

    def _create_key(self, event: KeyCreated) -> None:
        self.keys[event.key_id] = KeyEntry(
            event.secret_sha256,
            event.tenant_id,
            event.account_id,
            event.user_id,
            event.role,
            event.scopes,
            event.at_ns,
            event.expires_ns,
        )

    def _create_client(self, event: ClientCreated) -> None:
        self.clients[event.client_id] = ClientEntry(
            event.secret_sha256,
            event.tenant_id,
            event.name,
            event.redirect_uris,
            event.grant_types,
            event.scopes,
            event.role,
            event.account_id,
            event.at_ns,
        )

    def _move(self, event: SigningKeyMoved) -> None:
        entry = self.signing[event.kid]
        self.signing[event.kid] = msgspec.structs.replace(
            entry, state=event.state, since_ns=event.at_ns
        )
        retired = [kid for kid, entry in self.signing.items() if entry.state == "retired"]
        for kid in retired[:-_RETIRED_KEPT]:
            del self.signing[kid]

    def open_key(self, key_id: str, secret_key: str, now_ns: int) -> KeyEntry:
        """Return the entry of a live key whose secret is right.

        The comparison takes the same time wherever the secrets differ, and a wrong id costs the
        same hash as a wrong secret.

        Raises:
            NotAuthenticated: no such key, a wrong secret, expired, or its owner is locked out; not
                said which.
        """
        entry = self.keys.get(key_id)
        right = _matches(secret_key, entry.secret_sha256 if entry else _NO_SECRET)
        if entry is None or not right:
            raise NotAuthenticated(_REFUSED)
        if 0 < entry.expires_ns <= now_ns or self.users[entry.user_id].disabled:
            raise NotAuthenticated(_REFUSED)
        return entry

    def open_client(self, client_id: str, client_secret: str | None) -> ClientEntry:
        """Return the entry of a client whose secret is right; None for a public client.

        Raises:
            NotAuthenticated: unknown, a wrong secret, or a secret where none belongs.
        """
        entry = self.clients.get(client_id)
        expected = entry.secret_sha256 if entry else _NO_SECRET
        right = _matches(client_secret or "", expected or _NO_SECRET)
        if entry is None or (bool(expected) and not right):
            raise NotAuthenticated(_REFUSED)
        if not expected and client_secret is not None:
            raise NotAuthenticated(_REFUSED)
        return entry

    def key_found(self, key_id: str) -> KeyFound:
        """Return what there is to know about a live key."""
        entry = self.keys[key_id]
        return KeyFound(
            key_id,
            entry.tenant_id,
            entry.account_id,
            entry.user_id,
            entry.role,
            entry.scopes,
            entry.created_ns,
            entry.expires_ns,
        )

    def client_found(self, client_id: str) -> ClientFound:
        """Return what there is to know about a client."""
        entry = self.clients[client_id]
        return ClientFound(
            client_id,
            entry.tenant_id,
            entry.name,
            entry.redirect_uris,
            entry.grant_types,
            entry.scopes,
            bool(entry.secret_sha256),
            entry.role,
            entry.account_id,
            entry.created_ns,
        )

    def account_listed(self, account_id: str) -> AccountListed:
        """Return what there is to know about an account."""
        entry = self.accounts[account_id]
        return AccountListed(account_id, entry.tenant_id, entry.user_id, entry.shard)


def _matches(secret: str, expected_sha256: str) -> bool:
    given = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
    return hmac.compare_digest(given, expected_sha256)


def _remember(table: dict[str, int], name: str, until_ns: int, now_ns: int) -> None:
    """Note *name*, and forget those at the front whose time is over."""
    while table:
        oldest = next(iter(table))
        if table[oldest] > now_ns:
            break
        del table[oldest]
    table[name] = until_ns
