"""What happened in a ledger shard. Past tense; journaled as JSON and never changed in meaning."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradeplane.trading.market import Print, Session, Split
from tradeplane.trading.orders import Order


class AccountOpened(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """An account exists, with its first cash."""

    account_id: str
    tenant_id: str
    account_number: str
    cash: Decimal
    at_ns: int


class OrderAccepted(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The order is in force; a buy reserved ``qty * reserve_price``, a sell holds its shares.

    Attributes:
        by: who ordered it, such as ``key:PK...`` or ``user:<uuid>``; empty when it is not known.
    """

    account_id: str
    order: Order
    by: str = ""


class OrderActivated(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """An order accepted while the exchange was closed became live."""

    account_id: str
    order_id: str
    at_ns: int


class OrderFilled(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """*qty* shares of the order executed at *price*.

    Attributes:
        execution_id: UUID, derived from the order's id and the count of its fills.
        market_sequence: the print it executed against.
    """

    account_id: str
    order_id: str
    execution_id: str
    qty: Decimal
    price: Decimal
    market_sequence: int
    at_ns: int


class OrderCanceled(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The rest of the order ended by request, by its time in force, or for want of cash.

    Attributes:
        by: who requested it, as in :class:`OrderAccepted`; empty when the venue decided it.
    """

    account_id: str
    order_id: str
    reason: str
    at_ns: int
    by: str = ""


class OrderExpired(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """A day order met its close."""

    account_id: str
    order_id: str
    at_ns: int


class PositionSplit(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The account's position was restated for a split."""

    account_id: str
    split: Split
    at_ns: int


class PrintApplied(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The shard has seen a print; its fills follow in the same transaction."""

    market_sequence: int
    print: Print


class SessionStarted(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The shard has seen the open."""

    market_sequence: int
    session: Session


class SessionEnded(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The shard has seen the close."""

    market_sequence: int
    session: Session


class MarketReset(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The shard has seen the venue clock jump."""

    market_sequence: int


AccountEvent = (
    AccountOpened
    | OrderAccepted
    | OrderActivated
    | OrderFilled
    | OrderCanceled
    | OrderExpired
    | PositionSplit
)
"""Events of one account: its topic is ``account_id``."""

LedgerEvent = (
    AccountOpened
    | OrderAccepted
    | OrderActivated
    | OrderFilled
    | OrderCanceled
    | OrderExpired
    | PositionSplit
    | PrintApplied
    | SessionStarted
    | SessionEnded
    | MarketReset
)
