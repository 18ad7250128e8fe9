"""The identity component: tenants' accounts, users and API keys. Secrets only as hashes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

import msgspec

from tradeplane.component import Applied
from tradeplane.errors import InvalidRequest, LimitReached, NotAuthenticated, NotFound

ACCOUNTS_TOPIC = "accounts"
KEYS_TOPIC = "keys"
USERS_TOPIC = "users"


class RegisterAccount(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Note which tenant an account belongs to and which ledger shard holds it."""

    account_id: str
    tenant_id: str
    shard: int


class CreateKey(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Let *key_id* with the secret behind *secret_sha256* open an account.

    A key's secret is 256 random bits, so one SHA-256 keeps it: there is nothing to guess.
    """

    key_id: str
    secret_sha256: str
    account_id: str


class RevokeKey(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """End a key for good."""

    key_id: str


class CreateUser(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Create a person's login.

    Attributes:
        password_phc: Argon2id hash in PHC form; the password itself never comes here.
    """

    username: str
    tenant_id: str
    role: str
    password_phc: str


class AccountRegistered(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """An account exists in a tenant, on a shard."""

    account_id: str
    tenant_id: str
    shard: int
    at_ns: int


class KeyCreated(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """A key opens an account."""

    key_id: str
    secret_sha256: str
    account_id: str
    at_ns: int


class KeyRevoked(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """A key opens nothing any more."""

    key_id: str
    at_ns: int


class UserCreated(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """A login exists."""

    username: str
    tenant_id: str
    role: str
    password_phc: str
    at_ns: int


class GetDirectory(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Ask for what a replica needs to authenticate: accounts and keys, no users."""


class KeyEntry(msgspec.Struct, frozen=True, array_like=True):
    """What a key's secret hashes to, and the account it opens."""

    secret_sha256: str
    account_id: str


class AccountEntry(msgspec.Struct, frozen=True, array_like=True):
    """Where an account is at home."""

    tenant_id: str
    shard: int


class Done(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The command took effect, now or before."""


class DirectoryFound(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The accounts and the live keys."""

    accounts: dict[str, AccountEntry]
    keys: dict[str, KeyEntry]


IdentityCommand = RegisterAccount | CreateKey | RevokeKey | CreateUser
IdentityEvent = AccountRegistered | KeyCreated | KeyRevoked | UserCreated
IdentityReply = Done | DirectoryFound


class Directory(msgspec.Struct):
    """The part of the state that replicas mirror, and the check that they make."""

    accounts: dict[str, AccountEntry] = {}
    keys: dict[str, KeyEntry] = {}

    def evolve(self, event: IdentityEvent) -> None:
        """Take in *event*."""
        match event:
            case AccountRegistered():
                self.accounts[event.account_id] = AccountEntry(event.tenant_id, event.shard)
            case KeyCreated():
                self.keys[event.key_id] = KeyEntry(event.secret_sha256, event.account_id)
            case KeyRevoked():
                self.keys.pop(event.key_id, None)
            case UserCreated():
                pass

    def open(self, key_id: str, secret_key: str) -> KeyEntry:
        """Return the entry of a key whose secret is right.

        The comparison takes the same time wherever the secrets differ, and a wrong id costs the
        same hash as a wrong secret.

        Raises:
            NotAuthenticated: no such key, or a wrong secret; not said which.
        """
        entry = self.keys.get(key_id)
        expected = entry.secret_sha256 if entry else _NO_SECRET
        given = hashlib.sha256(secret_key.encode()).hexdigest()
        if not hmac.compare_digest(given, expected) or entry is None:
            raise NotAuthenticated("unauthorized.")
        return entry


_NO_SECRET = "0" * 64


class User(msgspec.Struct, frozen=True, array_like=True):
    """A login as the writer keeps it."""

    tenant_id: str
    role: str
    password_phc: str


class _State(msgspec.Struct):
    directory: Directory
    users: dict[str, User] = {}


class Identity:
    """The component behind the ``auth`` actor.

    Args:
        accounts_max: accounts, keys and users that one installation may have, each.
    """

    name = "auth"
    command_type = IdentityCommand
    query_type = GetDirectory
    reply_type = IdentityReply
    event_type = IdentityEvent

    def __init__(self, accounts_max: int = 100_000) -> None:
        self._accounts_max = accounts_max
        self._state = _State(Directory())

    @property
    def users(self) -> dict[str, User]:
        """The logins by username."""
        return self._state.users

    def apply(self, command: IdentityCommand, now_ns: int) -> Applied:
        """Decide *command*; every one takes effect once, however often it comes.

        Raises:
            LimitReached: the installation is full.
            NotFound: the account or the key does not exist.
            InvalidRequest: the id is taken with other contents.
        """
        event = self._decide(command, now_ns)
        if event is None:
            return Applied(Done())
        self.evolve(event)
        return Applied(Done(), (event,))

    def _decide(self, command: IdentityCommand, now_ns: int) -> IdentityEvent | None:
        directory = self._state.directory
        match command:
            case RegisterAccount():
                entry = AccountEntry(command.tenant_id, command.shard)
                if _is_new("account", command.account_id, entry, directory.accounts):
                    self._check_room(len(directory.accounts))
                    return AccountRegistered(
                        command.account_id, command.tenant_id, command.shard, now_ns
                    )
            case CreateKey():
                if command.account_id not in directory.accounts:
                    raise NotFound(f"account not found for {command.account_id}")
                key = KeyEntry(command.secret_sha256, command.account_id)
                if _is_new("key", command.key_id, key, directory.keys):
                    self._check_room(len(directory.keys))
                    return KeyCreated(
                        command.key_id, command.secret_sha256, command.account_id, now_ns
                    )
            case RevokeKey():
                if command.key_id not in directory.keys:
                    raise NotFound(f"key not found for {command.key_id}")
                return KeyRevoked(command.key_id, now_ns)
            case CreateUser():
                if command.username in self._state.users:
                    return None
                self._check_room(len(self._state.users))
                return UserCreated(
                    command.username,
                    command.tenant_id,
                    command.role,
                    command.password_phc,
                    now_ns,
                )
        return None

    def _check_room(self, count: int) -> None:
        if count >= self._accounts_max:
            raise LimitReached(f"this installation has {count} of them, which is its limit")

    def evolve(self, event: IdentityEvent) -> None:
        """Change the state by *event*."""
        self._state.directory.evolve(event)
        if isinstance(event, UserCreated):
            self._state.users[event.username] = User(
                event.tenant_id, event.role, event.password_phc
            )

    def query(self, query: GetDirectory, now_ns: int) -> DirectoryFound:
        """Return accounts and live keys."""
        del query, now_ns
        directory = self._state.directory
        return DirectoryFound(directory.accounts, directory.keys)

    def idempotency_key(self, command: IdentityCommand) -> str | None:
        """Return what makes *command* happen once."""
        match command:
            case RegisterAccount():
                return f"account:{command.account_id}"
            case CreateKey():
                return f"key:{command.key_id}"
            case RevokeKey():
                return f"revoke:{command.key_id}"
            case CreateUser():
                return f"user:{command.username}"

    def repeat(self, command: IdentityCommand, first_event: IdentityEvent) -> Done:
        """Return the reply of the first run; the same id with other contents is refused."""
        if isinstance(command, CreateKey) and isinstance(first_event, KeyCreated):
            first = (first_event.secret_sha256, first_event.account_id)
            if first != (command.secret_sha256, command.account_id):
                raise InvalidRequest(f"key {command.key_id} exists with other contents")
        return Done()

    def topic(self, event: IdentityEvent) -> str:
        """Return which part of the directory *event* is about."""
        match event:
            case AccountRegistered():
                return ACCOUNTS_TOPIC
            case UserCreated():
                return USERS_TOPIC
            case _:
                return KEYS_TOPIC

    def to_bytes(self) -> bytes:
        """Return the whole state."""
        return msgspec.msgpack.encode(self._state, order="deterministic")

    def from_bytes(self, state: bytes) -> None:
        """Replace the state."""
        self._state = msgspec.msgpack.decode(state, type=_State)


def _is_new(what: str, name: str, entry: object, known: Mapping[str, object]) -> bool:
    if name not in known:
        return True
    if known[name] != entry:
        raise InvalidRequest(f"{what} {name} exists with other contents")
    return False
