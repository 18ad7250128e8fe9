"""What one replica knows of identity, and the checks that it makes without a call.

**Invariant:** when the replica has not heard from the writer for ``SILENCE_MAX_NS``, it refuses
every credential: a revocation might have been missed. A new signing key is therefore published for
longer than that before it signs.
"""

from __future__ import annotations

from collections.abc import Callable

from actors.call_port import CallPort
from actors.follower import Follower
from tradeplane.auth.answers import ClientFound, PoliciesFound
from tradeplane.auth.directory import Directory
from tradeplane.auth.events import (
    DirectoryEvent,
    PoliciesReplaced,
    SigningKeyMoved,
    SigningKeyPublished,
)
from tradeplane.auth.principal import Principal
from tradeplane.auth.private_events import IdentityEvent
from tradeplane.auth.queries import GetDirectory
from tradeplane.auth.replies import DirectoryFound, IdentityReply
from tradeplane.auth.roles import narrowed
from tradeplane.auth.tokens import Claims, TokenCheck
from tradeplane.clock import NS_PER_S, Clock
from tradeplane.errors import ComponentUnavailable, NotAuthenticated, NotFound

SILENCE_MAX_NS = 5 * NS_PER_S
_REFUSED = "unauthorized."
_ANY_ACCOUNT_ROLES = ("operator", "auditor", "admin")
_YOUNG_S = 5


class AuthMirror:
    """The directory, kept by the actor's feed.

    Args:
        port: the actor.
        subscriber: this process's name; unique.
        issuer: the URL of this installation, which tokens name.
        clock: wall and monotonic time.
        on_policies: told of the policies in force, first and at every change.
    """

    def __init__(
        self,
        port: CallPort,
        subscriber: str,
        issuer: str,
        clock: Clock,
        on_policies: Callable[[PoliciesFound], None] = lambda _: None,
    ) -> None:
        self._clock = clock
        self._on_policies = on_policies
        self._directory: Directory | None = None
        self._tokens = TokenCheck(issuer)
        self.follower = Follower(
            port,
            subscriber,
            query=GetDirectory(),
            reply_type=IdentityReply,
            event_type=IdentityEvent,
            install=self._install,
            evolve=self._evolve,
            clock=clock,
        )

    def _install(self, found: DirectoryFound) -> None:
        before = None if self._directory is None else self._directory.policies
        self._directory = found.directory
        self._trust(found.directory)
        if before is None or before[0] != found.directory.policies[0]:
            self._on_policies(_policies(found.directory))

    def _evolve(self, event: DirectoryEvent) -> None:
        directory = self._directory
        if directory is None:
            return
        directory.evolve(event)
        if isinstance(event, SigningKeyPublished | SigningKeyMoved):
            self._trust(directory)
        elif isinstance(event, PoliciesReplaced):
            self._on_policies(_policies(directory))

    def _trust(self, directory: Directory) -> None:
        self._tokens.trust(trusted_keys(directory))

    def directory(self) -> Directory:
        """Return what is known.

        Raises:
            ComponentUnavailable: nothing has arrived yet, or nothing for too long.
        """
        silent_ns = self.follower.silent_ns()
        if self._directory is None or silent_ns is None:
            raise ComponentUnavailable("identity has not arrived yet; try again")
        if silent_ns > SILENCE_MAX_NS:
            raise ComponentUnavailable("identity has been silent for too long; try again")
        return self._directory

    def authenticate(self, key_id: str, secret_key: str) -> Principal:
        """Return who holds this API key."""
        directory = self.directory()
        entry = directory.open_key(key_id, secret_key, self._clock.wall_ns())
        owner = directory.users[entry.user_id]
        return Principal(
            key_id,
            entry.tenant_id,
            entry.account_id,
            "key",
            key_id,
            entry.user_id,
            narrowed(entry.role, owner.role),
            "",
            entry.scopes,
        )

    def claims(self, token: str) -> Claims:
        """Return what a token says that is one of ours and good now, revoked or not.

        Raises:
            NotAuthenticated: it is not.
            ComponentUnavailable: what is known may be out of date.
        """
        self.directory()
        return self._tokens.check(token, self._clock.wall_ns())

    def authenticate_token(self, token: str, account_id: str = "") -> Principal:
        """Return who holds this access token."""
        directory = self.directory()
        claims = self._tokens.check(token, self._clock.wall_ns())
        if claims.sid in directory.ended or claims.jti in directory.revoked:
            raise NotAuthenticated(_REFUSED)
        scopes = tuple(claims.scope.split())
        if not claims.sid:
            return self._client(directory, claims, scopes, account_id)
        user = directory.users.get(claims.sub)
        if user is None:
            raise self._unknown(claims)
        if user.disabled or (claims.client_id and claims.client_id not in directory.clients):
            raise NotAuthenticated(_REFUSED)
        if not account_id:
            account_id = user.accounts[0] if user.accounts else ""
        elif account_id not in user.accounts:
            account = directory.accounts.get(account_id)
            if (
                account is None
                or account.tenant_id != user.tenant_id
                or user.role not in _ANY_ACCOUNT_ROLES
            ):
                raise NotFound(f"account not found for {account_id[:80]}")
        return Principal(
            claims.sid,
            user.tenant_id,
            account_id,
            "user",
            claims.sub,
            claims.sub,
            user.role,
            claims.sid,
            scopes,
        )

    def _client(
        self, directory: Directory, claims: Claims, scopes: tuple[str, ...], account_id: str
    ) -> Principal:
        entry = directory.clients.get(claims.sub)
        if entry is None:
            raise self._unknown(claims)
        if account_id and account_id != entry.account_id:
            raise NotFound(f"account not found for {account_id[:80]}")
        return Principal(
            claims.sub,
            entry.tenant_id,
            entry.account_id,
            "client",
            claims.sub,
            "",
            entry.role,
            "",
            scopes,
        )

    def _unknown(self, claims: Claims) -> Exception:
        """Return the refusal of a subject that is not known here: perhaps it is only new."""
        if self._clock.wall_ns() // NS_PER_S - claims.iat <= _YOUNG_S:
            return ComponentUnavailable("this replica has not heard of the user yet; try again")
        return NotAuthenticated(_REFUSED)

    def shard_of(self, account_id: str) -> int:
        """Return the ledger shard that holds *account_id*.

        Raises:
            NotFound: no such account.
            ComponentUnavailable: what is known may be out of date.
        """
        account = self.directory().accounts.get(account_id)
        if account is None:
            raise NotFound(f"account not found for {account_id}")
        return account.shard

    def client(self, client_id: str) -> ClientFound | None:
        """Return an OAuth client, or None."""
        directory = self.directory()
        return directory.client_found(client_id) if client_id in directory.clients else None

    def authenticate_client(self, client_id: str, client_secret: str | None) -> ClientFound:
        """Return the client behind these credentials."""
        directory = self.directory()
        directory.open_client(client_id, client_secret)
        return directory.client_found(client_id)

    def policies(self) -> PoliciesFound:
        """Return the policies in force."""
        return _policies(self.directory())


def trusted_keys(directory: Directory) -> dict[str, str]:
    """Return the public keys that a token may be signed with, in hex by kid."""
    return {
        kid: entry.public_key
        for kid, entry in directory.signing.items()
        if entry.state != "retired"
    }


def _policies(directory: Directory) -> PoliciesFound:
    version, documents = directory.policies
    return PoliciesFound(version, documents)
