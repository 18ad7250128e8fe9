"""What a ledger shard can be told. Imperative; every one is one line of its inbox."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradeplane.trading.market import Print, Session, Split
from tradeplane.trading.orders import OrderType, Side, TimeInForce


class OpenAccount(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Open a cash account with *cash* US dollars in it."""

    account_id: str
    tenant_id: str
    account_number: str
    cash: Decimal


class PlaceOrder(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Accept an order and execute what can be executed now.

    The edge has checked the form (types, ranges, decimals, a known tradable symbol); the ledger
    checks everything that depends on the account.

    Attributes:
        by: who orders it, such as ``key:PK...`` or ``user:<uuid>``; empty for nobody in particular.
    """

    account_id: str
    order_id: str
    client_order_id: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    qty: Decimal
    limit_price: Decimal | None = None
    by: str = ""


class CancelOrder(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Cancel one open order. Canceling a canceled order succeeds and changes nothing.

    Attributes:
        by: who wants it, as in :class:`PlaceOrder`.
    """

    account_id: str
    order_id: str
    command_id: str
    by: str = ""


class CancelAllOrders(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Cancel every open order of an account.

    Attributes:
        by: who wants it, as in :class:`PlaceOrder`.
    """

    account_id: str
    command_id: str
    by: str = ""


class ApplyPrint(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """A price traded: match the resting orders of its symbol.

    Attributes:
        market_sequence: the market journal's sequence of the print; the idempotency key.
    """

    market_sequence: int
    print: Print


class StartSession(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The exchange opened: put splits in effect, make accepted orders live."""

    market_sequence: int
    session: Session
    splits: tuple[Split, ...]


class EndSession(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The exchange closed: day orders expire."""

    market_sequence: int
    session: Session


class ResetMarket(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The venue clock jumped: day orders expire, known prices are forgotten."""

    market_sequence: int


LedgerCommand = (
    OpenAccount
    | PlaceOrder
    | CancelOrder
    | CancelAllOrders
    | ApplyPrint
    | StartSession
    | EndSession
    | ResetMarket
)
