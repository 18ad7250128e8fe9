"""Who may come in on a stream, by the same keys and tokens as on the API."""

from __future__ import annotations

from collections import Counter

from serve.streams.connection import Credential
from tradeplane.auth.principal import Principal
from tradeplane.errors import LimitReached, NotAllowed, NotAuthenticated, NotFound, ServiceFailed
from tradeplane.stream_ports import StreamAccess

OAUTH = "oauth"
"""What a client sends as its key when the secret is an access token."""


class Doorman:
    """Checks credentials, and whether they still hold.

    Args:
        access: keys, tokens and policies as this replica knows them.
        action: what the policies must permit, such as ``account:read``.
        connections_max: connections that one key, session or client may have here.
    """

    def __init__(self, access: StreamAccess, action: str, connections_max: int) -> None:
        self._access = access
        self._action = action
        self._connections_max = connections_max
        self._inside: Counter[str] = Counter()

    def admit(self, key_id: str, secret_key: str) -> Credential | None:
        """Return the credential, or None when it does not open this stream; not said why.

        Raises:
            LimitReached: it has too many connections already.
            ServiceFailed: it cannot be told now.
        """
        try:
            principal = self._check(key_id, secret_key)
        except (NotAuthenticated, NotAllowed, NotFound):
            return None
        if self._inside[principal.key_id] >= self._connections_max:
            raise LimitReached("connection limit exceeded")
        self._inside[principal.key_id] += 1

        def still_valid() -> bool:
            try:
                return self._check(key_id, secret_key) == principal
            except ServiceFailed:
                # Nothing is known of a revocation; it is asked again in a moment.
                return True
            except (NotAuthenticated, NotAllowed, NotFound):
                return False

        return Credential(principal, still_valid)

    def leave(self, credential: Credential) -> None:
        """Let somebody who was admitted go."""
        name = credential.principal.key_id
        self._inside[name] -= 1
        if self._inside[name] <= 0:
            del self._inside[name]

    def _check(self, key_id: str, secret_key: str) -> Principal:
        if key_id == OAUTH:
            principal = self._access.authenticate_token(secret_key)
        else:
            principal = self._access.authenticate(key_id, secret_key)
        self._access.authorize(principal, self._action)
        return principal
