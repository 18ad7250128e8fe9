"""What the audit log keeps of the key rings' journal: every event, in words, without a key."""

from __future__ import annotations

from tradeplane.audit.entry import AuditEntry
from tradeplane.encryption import events as happened

_ACTIONS: dict[type[happened.Event], str] = {
    happened.RingCreated: "encryption_key.created",
    happened.VersionAdded: "encryption_key.rotated",
    happened.VersionActivated: "encryption_key.activated",
    happened.RingConfigured: "encryption_key.configured",
    happened.RingTrimmed: "encryption_key.trimmed",
    happened.RingDeleted: "encryption_key.deleted",
    happened.MaintenanceNoted: "encryption.maintained",
}
"""How each event is called."""

_DETAILS = (
    "key_kind", "version", "min_decryption_version", "min_encryption_version",
    "min_available_version", "deletion_allowed", "exportable", "work",
)  # fmt: skip
"""Fields that are facts for an auditor."""


def entries(
    event: happened.EncryptionEvent, recorded_ns: int, source: str
) -> tuple[AuditEntry, ...]:
    """Return the audit records of one journaled event of encryption.

    Args:
        event: the event.
        recorded_ns: when the journal took it.
        source: where it is: the component, shard and sequence.
    """
    details = {"source": source}
    for name in _DETAILS:
        value = getattr(event, name, None)
        if value is not None:
            details[name] = str(value).lower() if isinstance(value, bool) else str(value)
    if event.by.reason:
        details["reason"] = event.by.reason
    return (
        AuditEntry(
            action=_ACTIONS[type(event)],
            outcome="success",
            at_ns=recorded_ns,
            by=event.by,
            tenant_id=event.tenant_id,
            target_kind="encryption_key",
            target_id=event.name,
            details=details,
        ),
    )
