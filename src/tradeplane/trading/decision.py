"""One command on its way: what it has brought about so far."""

from __future__ import annotations

from typing import Any

from tradeplane.component import Applied
from tradeplane.trading.closed_orders import ClosedOrder, closed_order
from tradeplane.trading.events import LedgerEvent
from tradeplane.trading.ledger_limits import LedgerLimits
from tradeplane.trading.ledger_state import LedgerState


class Decision:
    """Collects the events of one command and evolves the state by each at once.

    So a later step of the command decides on the state that its earlier steps made, by the very
    code that replays the journal. A command is refused before its first event, or not at all.

    Args:
        state: the shard's state; changed by :meth:`emit` alone.
        limits: the shard's limits.
        now_ns: venue time.
    """

    __slots__ = ("_events", "_rows", "limits", "now_ns", "state")

    def __init__(self, state: LedgerState, limits: LedgerLimits, now_ns: int) -> None:
        self.state = state
        self.limits = limits
        self.now_ns = now_ns
        self._events: list[LedgerEvent] = []
        self._rows: list[ClosedOrder] = []

    def emit(self, event: LedgerEvent) -> None:
        """Let *event* happen."""
        closed = self.state.evolve(event)
        self._events.append(event)
        if closed is not None:
            self._rows.append(closed_order(closed))

    def applied(self, reply: Any) -> Applied:
        """Return what the command did, with *reply* for its caller."""
        return Applied(reply, tuple(self._events), tuple(self._rows))
