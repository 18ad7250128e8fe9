"""What the audit log keeps of a ledger: who ordered, who canceled, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tradeplane.audit.entry import AuditEntry
from tradeplane.auth.principal import Origin, SubjectKind
from tradeplane.money import plain
from tradeplane.trading.events import (
    AccountOpened,
    LedgerEvent,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
)

_KINDS: dict[str, SubjectKind] = {
    "user": "user",
    "key": "key",
    "client": "client",
    "operator": "operator",
}


class TradingTrail:
    """Translates the events of ledger shards; the market's events leave no trace of their own.

    Events name an account and not its firm, so the firm of an account is noted when it opens.

    Args:
        tenants: the firm of each account that opened before the first event to come.
    """

    def __init__(self, tenants: dict[str, str] | None = None) -> None:
        self._tenants = dict(tenants or {})

    def entries(self, event: LedgerEvent, recorded_ns: int, source: str) -> tuple[AuditEntry, ...]:
        """Return what to record of *event*.

        Args:
            event: an event of the ledger's journal, each once and in its order.
            recorded_ns: wall time at which it was journaled; the event itself has venue time.
            source: the journal that it is in, such as ``ledger/0``.
        """
        described = _DESCRIBED.get(type(event))
        if described is None:
            return ()
        if isinstance(event, AccountOpened):
            self._tenants[event.account_id] = event.tenant_id
        account_id = event.account_id  # type: ignore[union-attr]  # every described event has one
        tenant_id = self._tenants.get(account_id, "")
        action, kind, target_id, by, details = described(event)
        return (
            AuditEntry(
                action=action,
                outcome="success",
                at_ns=recorded_ns,
                by=author(by, tenant_id),
                tenant_id=tenant_id,
                target_kind=kind,
                target_id=target_id,
                details={"account_id": account_id, "source": source, **details},
            ),
        )


def author(by: str, tenant_id: str) -> Origin:
    """Return who *by* names, such as ``key:PK...``; the venue itself when it is empty."""
    kind, _, subject_id = by.partition(":")
    known = _KINDS.get(kind)
    if known is None or not subject_id:
        return Origin("system", "venue")
    return Origin(known, subject_id, tenant_id)


_Described = tuple[str, str, str, str, dict[str, str]]


def _opened(event: AccountOpened) -> _Described:
    details = {"account_number": event.account_number, "cash": plain(event.cash)}
    return "account.opened", "account", event.account_id, "", details


def _accepted(event: OrderAccepted) -> _Described:
    order = event.order
    details = {
        "symbol": order.symbol,
        "side": order.side,
        "type": order.type,
        "time_in_force": order.time_in_force,
        "qty": plain(order.qty),
        "venue_ns": str(order.submitted_ns),
    }
    if order.limit_price is not None:
        details["limit_price"] = plain(order.limit_price)
    return "order.accepted", "order", order.order_id, event.by, details


def _filled(event: OrderFilled) -> _Described:
    details = {
        "qty": plain(event.qty),
        "price": plain(event.price),
        "execution_id": event.execution_id,
        "venue_ns": str(event.at_ns),
    }
    return "order.filled", "order", event.order_id, "", details


def _canceled(event: OrderCanceled) -> _Described:
    details = {"why": event.reason, "venue_ns": str(event.at_ns)}
    return "order.canceled", "order", event.order_id, event.by, details


def _expired(event: OrderExpired) -> _Described:
    return "order.expired", "order", event.order_id, "", {"venue_ns": str(event.at_ns)}


_DESCRIBED: dict[type, Callable[[Any], _Described]] = {
    AccountOpened: _opened,
    OrderAccepted: _accepted,
    OrderFilled: _filled,
    OrderCanceled: _canceled,
    OrderExpired: _expired,
}
