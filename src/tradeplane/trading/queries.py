"""What a ledger shard can be asked."""

from __future__ import annotations

import msgspec


class GetAccount(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Ask for the whole account; answered by AccountFound."""

    account_id: str


LedgerQuery = GetAccount
