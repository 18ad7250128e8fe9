"""What a ledger shard answers."""

from __future__ import annotations

import msgspec

from tradeplane.trading.account import Account
from tradeplane.trading.orders import Order


class OrderPlaced(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The order is in force; *order* is as it was accepted, before any fill."""

    order: Order


class OrdersCanceled(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """These orders were open and are canceled now, in time priority."""

    order_ids: tuple[str, ...]


class Done(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The command is in effect, and there is nothing more to say."""


class AccountFound(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The account as it is now."""

    account: Account


LedgerReply = OrderPlaced | OrdersCanceled | Done | AccountFound
