"""The ports that the streams need. The actors' clients satisfy them; tests pass fakes."""

from __future__ import annotations

from typing import Protocol

import msgspec

from tradeplane.auth.principal import Principal
from tradeplane.ports import Market, Readiness
from tradeplane.trading.account import Account


class StreamAccess(Protocol):
    """Keys, tokens and policies as this replica knows them; no call leaves the process."""

    def authenticate(self, key_id: str, secret_key: str) -> Principal:
        """Return who holds this key; see :class:`tradeplane.ports.Keys`."""

    def authenticate_token(self, token: str, account_id: str = "") -> Principal:
        """Return who holds this token; see :class:`tradeplane.auth.service.IdentityService`."""

    def authorize(self, principal: Principal, action: str) -> None:
        """Let *principal* do *action*.

        Raises:
            NotAllowed: the policies or the credential's scopes do not permit it.
        """


class AccountEvents(Protocol):
    """Events of chosen accounts, each once and in order."""

    async def join(self, account_id: str) -> Account:
        """Follow an account from now on; return it as it is.

        Raises:
            NotFound: no such account.
            ServiceFailed: it cannot be followed now.
        """

    def leave(self, account_id: str) -> None:
        """Take one :meth:`join` back."""


class StreamPorts(msgspec.Struct, frozen=True):
    """Everything that a stream replica needs."""

    access: StreamAccess
    market: Market
    account_events: AccountEvents
    readiness: Readiness
