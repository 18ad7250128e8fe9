"""The ports that the HTTP edge needs. The actors' clients satisfy them; tests pass fakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from tradeplane.audit.entry import AuditEntry
from tradeplane.audit.search import AuditEntries, AuditSearch
from tradeplane.auth.authorizer import Authorizer
from tradeplane.auth.external_login import ExternalLogins
from tradeplane.auth.principal import Principal
from tradeplane.auth.service import IdentityService
from tradeplane.encryption.sealer import Sealer
from tradeplane.encryption.service import EncryptionService
from tradeplane.trading.account import Account
from tradeplane.trading.bars import MarketData
from tradeplane.trading.closed_orders import ClosedOrderQuery
from tradeplane.trading.commands import CancelAllOrders, CancelOrder, PlaceOrder
from tradeplane.trading.market import MarketView
from tradeplane.trading.orders import Order


class Trading(Protocol):
    """Orders and accounts. Every method may raise a :class:`ServiceFailed`."""

    async def place_order(self, command: PlaceOrder, *, fresh: bool) -> Order:
        """Place an order; return it as it was when accepted.

        Args:
            command: the order.
            fresh: True when the client_order_id was made by the edge for this very request, so it
                cannot have been used before.

        Raises:
            DuplicateClientOrderId, InsufficientBuyingPower, InsufficientQuantity, WashTrade,
            LimitReached: the order is refused; nothing was reserved.
        """

    async def cancel_order(self, command: CancelOrder) -> None:
        """Cancel an order.

        Raises:
            NotFound: the account has no such order.
            OrderNotCancelable: it is filled or expired.
        """

    async def cancel_all_orders(self, command: CancelAllOrders) -> Sequence[str]:
        """Cancel every open order of the account; return their ids."""

    async def account(self, account_id: str) -> Account:
        """Return the account as of now: it contains every write that was acknowledged to anyone.

        The object is shared: read it before the next await, and never change it.
        """

    async def closed_orders(self, query: ClosedOrderQuery) -> Sequence[Order]:
        """Return closed orders from the database, those the account remembers included."""

    async def closed_order(
        self, account_id: str, *, order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """Return one closed order from the database by either id, or None."""


class Market(Protocol):
    """The replayed market as this replica knows it; no call leaves the process."""

    @property
    def data(self) -> MarketData:
        """The historical data behind the replay."""

    def view(self) -> MarketView:
        """Return the current view.

        Raises:
            ComponentUnavailable: the first view has not arrived yet.
        """

    def now_ns(self) -> int:
        """Return the venue time."""


class Keys(Protocol):
    """API keys as this replica knows them; no call leaves the process."""

    def authenticate(self, key_id: str, secret_key: str) -> Principal:
        """Return who holds this key.

        Raises:
            NotAuthenticated: no such key, a wrong secret, or a revoked key; not said which.
            ComponentUnavailable: the keys have not arrived yet: closed, not open.
        """


class Readiness(Protocol):
    """What ``/readyz`` asks."""

    def checks(self) -> Mapping[str, str | None]:
        """Return each check's name with None when it passes, else with what is wrong."""


class AuditSink(Protocol):
    """Takes records of what did not change anything, such as denials. Never blocks."""

    def observe(self, entry: AuditEntry) -> None:
        """Take *entry*; when too many wait, it is dropped and counted."""


class AuditReader(Protocol):
    """The audit log as it is published. Asks the object store and the database, never an actor.

    Every method may raise ObjectStoreUnavailable, JournalUnavailable, or AuditLogDamaged when what
    is stored contradicts itself.
    """

    async def checkpoint(self) -> bytes:
        """Return the newest signed checkpoint.

        Raises:
            ComponentUnavailable: there is none yet.
        """

    async def vkey(self) -> str:
        """Return the log's public key, in the form of signed notes.

        Raises:
            ComponentUnavailable: there is none yet.
        """

    async def tile(self, path: str) -> bytes:
        """Return a tile or an entry bundle by its path, such as ``tile/0/x001/067``.

        Raises:
            NotFound: there is no such tile, or this is no path of one.
        """

    async def entries(self, search: AuditSearch) -> AuditEntries:
        """Return one page of the entries that *search* describes, each checked against its leaf."""

    async def order_proof(self, order_id: str, tenant_id: str, account_id: str | None) -> bytes:
        """Return the proof that the acceptance of an order is in the log, as a tlog-proof file.

        Waits briefly for an order that is not in a signed checkpoint yet.

        Args:
            order_id: the order.
            tenant_id: the firm that it must be of.
            account_id: the account that it must be of, or None for any of the firm.

        Raises:
            NotFound: the log has no such order of theirs.
            ComponentUnavailable: it has it, and no checkpoint covers it yet.
        """


class Ports(msgspec.Struct, frozen=True):
    """Everything that :func:`serve.app.build_app` needs.

    Attributes:
        authorizer: decides what a principal may do; by default the policies of the installation.
        audit_sink: takes denials; by default nobody does.
        audit: the published audit log; without it there are no routes of it.
    """

    trading: Trading
    market: Market
    keys: Keys
    readiness: Readiness
    authorizer: Authorizer | None = None
    audit_sink: AuditSink | None = None
    identity: IdentityService | None = None
    audit: AuditReader | None = None
    encryption: EncryptionService | None = None
    external_logins: ExternalLogins | None = None
    form_sealer: Sealer | None = None
