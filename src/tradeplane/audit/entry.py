"""One security-relevant record, before it has a place in the log."""

from __future__ import annotations

from typing import Literal

import msgspec

from tradeplane.auth.principal import Origin

Outcome = Literal["success", "failure"]


class AuditEntry(msgspec.Struct, frozen=True):
    """What was done, or tried. Holds no secret and no personal data: ids and pseudonyms only.

    Attributes:
        action: what, in the past tense and dotted: ``auth.login``, ``key.revoked``,
            ``order.accepted``, ``access.denied``.
        outcome: whether it took effect.
        at_ns: wall time, nanoseconds since the Unix epoch.
        by: who, and from where.
        tenant_id: the firm that it concerns, and whose auditors may read it.
        target_kind: the kind of thing it was done to, such as ``user``, ``order``, ``policy``.
        target_id: its id.
        details: further facts, as text.
    """

    action: str
    outcome: Outcome
    at_ns: int
    by: Origin
    tenant_id: str
    target_kind: str = ""
    target_id: str = ""
    details: dict[str, str] = {}
