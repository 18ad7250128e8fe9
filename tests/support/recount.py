"""An independent recount: cash and positions of every account from the journal's JSON alone.

It shares no code with the product. It knows the journal's table and the events' fields, and does
its sums in fractions.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from fractions import Fraction

import sqlalchemy


@dataclass
class Recount:
    """What the journal says of one account."""

    cash: Fraction = Fraction(0)
    positions: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    orders: Counter[str] = field(default_factory=Counter)


def recount(database_url: str) -> dict[str, Recount]:
    """Return the recount of every account in the ledger's journal, and check its order."""
    engine = sqlalchemy.create_engine(database_url)
    accounts: dict[str, Recount] = defaultdict(Recount)
    sides: dict[str, tuple[str, str]] = {}
    with engine.connect() as connection:
        rows = connection.execute(
            sqlalchemy.text(
                "select shard, sequence, epoch, event from journal where component = 'ledger' "
                "order by shard, sequence"
            )
        ).all()
    engine.dispose()
    last: dict[int, tuple[int, int]] = {}
    for shard, sequence, epoch, text in rows:
        before, epoch_before = last.get(shard, (0, 0))
        assert sequence == before + 1, f"shard {shard}: {sequence} follows {before}"
        assert epoch >= epoch_before, f"shard {shard}: epoch {epoch} follows {epoch_before}"
        last[shard] = (sequence, epoch)
        event = json.loads(text)
        _count(event, accounts, sides)
    return accounts


def _count(
    event: dict[str, object], accounts: dict[str, Recount], sides: dict[str, tuple[str, str]]
) -> None:
    account = accounts[str(event.get("account_id", ""))]
    match event["kind"]:
        case "AccountOpened":
            account.cash += Fraction(str(event["cash"]))
        case "OrderAccepted":
            order = event["order"]
            assert isinstance(order, dict)
            sides[order["order_id"]] = (order["side"], order["symbol"])
            account.orders[order["client_order_id"]] += 1
        case "OrderFilled":
            side, symbol = sides[str(event["order_id"])]
            qty, price = Fraction(str(event["qty"])), Fraction(str(event["price"]))
            sign = 1 if side == "buy" else -1
            account.positions[symbol] += sign * qty
            account.cash -= sign * qty * price
        case "PositionSplit":
            split = event["split"]
            assert isinstance(split, dict)
            ratio = Fraction(split["numerator"], split["denominator"])
            account.positions[split["symbol"]] *= ratio
