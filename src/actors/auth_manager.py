"""``AuthManager``: identity as one process sees it.

Who is asking is decided here, from a mirror that the feed keeps; what changes anything is a call to
the ``auth`` actor.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from actors.auth_directory import DirectoryCalls, OpenInLedger
from actors.auth_link import AuthLink
from actors.auth_mirror import AuthMirror, trusted_keys
from actors.auth_sessions import SessionCalls
from actors.call_port import CallPort
from actors.follower import Follower
from tradeplane.auth.answers import ClientFound, PoliciesFound
from tradeplane.auth.authorizer import Authorizer
from tradeplane.auth.principal import Principal
from tradeplane.auth.tokens import jwk_set
from tradeplane.clock import Clock
from tradeplane.errors import ComponentUnavailable


class AuthManager(SessionCalls, DirectoryCalls):
    """Satisfies :class:`tradeplane.auth.service.IdentityService`.

    Args:
        port: the actor, for calls that take no password.
        desk_port: the same, with a time limit that leaves room for waiting and hashing.
        subscriber: this process's name; unique.
        issuer: the URL of this installation, which tokens name.
        clock: wall and monotonic time.
        open_in_ledger: opens trading accounts.
        shards: how many ledger shards there are.
        wait_ms: longest time a call may take, repetitions included.
        authorizer: decides by policies; without one nothing is permitted.
        pseudonym: makes what stands for an address; without one nothing does.
        random: makes random bytes.
    """

    def __init__(  # noqa: PLR0913  # each is an independent collaborator
        self,
        port: CallPort,
        desk_port: CallPort,
        *,
        subscriber: str,
        issuer: str,
        clock: Clock,
        open_in_ledger: OpenInLedger,
        shards: int = 1,
        wait_ms: int = 8_000,
        authorizer: Authorizer | None = None,
        pseudonym: Callable[[str], str] = lambda _: "",
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        link = AuthLink(port, desk_port, clock, wait_ms, random)
        on_policies = authorizer.install if authorizer else _ignore
        mirror = AuthMirror(port, subscriber, issuer, clock, on_policies)
        SessionCalls.__init__(self, link, mirror)
        DirectoryCalls.__init__(self, link, mirror, open_in_ledger, shards, authorizer)
        self._pseudonym = pseudonym
        self._issuer = issuer

    @property
    def issuer(self) -> str:
        """The URL of this installation, which tokens name."""
        return self._issuer

    @property
    def follower(self) -> Follower:
        """What keeps the mirror; its owner runs it."""
        return self._mirror.follower

    def authenticate(self, key_id: str, secret_key: str) -> Principal:
        """Return who holds this API key."""
        return self._mirror.authenticate(key_id, secret_key)

    def authenticate_token(self, token: str, account_id: str = "") -> Principal:
        """Return who holds this access token."""
        return self._mirror.authenticate_token(token, account_id)

    def authorize(self, principal: Principal, action: str) -> None:
        """Let *principal* do *action*, or refuse."""
        if self._authorizer is None:
            raise ComponentUnavailable("no policies are loaded: nothing is permitted")
        self._authorizer.authorize(principal, action)

    def jwks(self) -> dict[str, Any]:
        """Return the public keys that tokens may be signed with."""
        return jwk_set(trusted_keys(self._mirror.directory()))

    def pseudonym(self, address: str) -> str:
        """Return what stands for a client's address."""
        return self._pseudonym(address)

    def shard_of(self, account_id: str) -> int:
        """Return the ledger shard that holds *account_id*."""
        return self._mirror.shard_of(account_id)

    def client(self, client_id: str) -> ClientFound | None:
        """Return an OAuth client as this replica knows it."""
        return self._mirror.client(client_id)

    def authenticate_client(self, client_id: str, client_secret: str | None) -> ClientFound:
        """Return the client behind these credentials."""
        return self._mirror.authenticate_client(client_id, client_secret)

    def policies(self) -> PoliciesFound:
        """Return the policies in force, as this replica knows them."""
        return self._mirror.policies()


def _ignore(policies: PoliciesFound) -> None:
    del policies
