"""The limits and constants of a ledger shard, checked once."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from tradeplane.errors import Misconfigured


class LedgerLimits(msgspec.Struct, frozen=True):
    """What an operator may choose about a ledger shard. All shards of a cluster share one.

    Attributes:
        open_orders_max: open orders of one account.
        accounts_max: accounts of one shard.
        participation: the share of a print's volume that one account may trade, above 0 to 1.
        collar: what a market buy reserves, as a multiple of the last price, at least 1.

    Raises:
        Misconfigured: a value is out of its range.
    """

    open_orders_max: int = 25_000
    accounts_max: int = 100_000
    participation: Decimal = Decimal("0.1")
    collar: Decimal = Decimal("1.04")

    def __post_init__(self) -> None:
        if self.open_orders_max < 1:
            raise Misconfigured(f"open_orders_max must be at least 1, not {self.open_orders_max}")
        if self.accounts_max < 1:
            raise Misconfigured(f"accounts_max must be at least 1, not {self.accounts_max}")
        if not (self.participation.is_finite() and 0 < self.participation <= 1):
            raise Misconfigured(
                f"participation must be above 0 and at most 1, not {self.participation}"
            )
        if not (self.collar.is_finite() and 1 <= self.collar <= 10):
            raise Misconfigured(f"collar must be from 1 to 10, not {self.collar}")
