"""The names under which actors are found in the namespace ``tradeplane``.

Apart from the actors, so that a process that calls one need not load what that one is made of.
"""

from __future__ import annotations

AUDIT = "audit"
AUTH = "auth"
ENCRYPTION = "encryption"
MARKET = "market"
LEDGER = "ledger"
RATES = "rates"


def ledger_name(shard: int) -> str:
    """Return the actor name of a ledger *shard*."""
    return f"{LEDGER}-{shard}"
