"""A log entry: one record as a canonical OCSF 1.6 document. Its bytes are what the tree hashes."""

from __future__ import annotations

from typing import Any

import msgspec

from tradeplane.audit.canonical_json import INTEGER_MAX
from tradeplane.audit.entry import AuditEntry
from tradeplane.audit.ocsf import (
    ACCOUNT_CHANGE,
    API_ACTIVITY,
    AUTHENTICATION,
    USER_ACCESS,
    VERSION,
    classify,
)
from tradeplane.clock import NS_PER_MS
from tradeplane.errors import ProofRefused

TEXT_MAX = 512
"""Characters of one text in a record; the rest is cut off, so that any record fits a bundle."""

DETAILS_MAX = 24
_USER_TYPES = {"user": 1, "operator": 2, "system": 3}
_OTHER = 99
_CUT = "…"
_PRODUCT = {"name": "Tradeplane", "vendor_name": "Tradeplane"}
_SERVICE = {"name": "tradeplane"}

# For keys in ASCII and the values below this is RFC 8785, as a test holds against canonical_json.
_encode = msgspec.json.Encoder(order="sorted").encode


def entry_document(entry: AuditEntry, index: int, logged_ns: int) -> bytes:
    """Return *entry* as number *index* of the log, sequenced at *logged_ns*."""
    class_uid, activity_id = classify(entry.action)
    succeeded = entry.outcome == "success"
    by = entry.by
    document: dict[str, Any] = {
        "activity_id": activity_id,
        "actor": {"user": _actor(entry)},
        "category_uid": class_uid // 1_000,
        "class_uid": class_uid,
        "metadata": {
            "event_code": _bounded(entry.action),
            "logged_time": _ms(logged_ns),
            "original_time": str(entry.at_ns),
            "product": _PRODUCT,
            "sequence": index,
            "tenant_uid": _bounded(entry.tenant_id),
            "version": VERSION,
        },
        "severity_id": 1 if succeeded else 2,
        "status_id": 1 if succeeded else 2,
        "time": _ms(entry.at_ns),
        "type_uid": class_uid * 100 + activity_id,
    }
    document |= _CLASS_FIELDS[class_uid](entry)
    if by.address:
        document["src_endpoint"] = {"uid": _bounded(by.address)}
    if entry.target_kind:
        document["resources"] = [
            {"type": _bounded(entry.target_kind), "uid": _bounded(entry.target_id)}
        ]
    unmapped = _details(entry)
    if unmapped:
        document["unmapped"] = unmapped
    return _encode(document)


def _actor(entry: AuditEntry) -> dict[str, Any]:
    by = entry.by
    user = {
        "type": by.kind,
        "type_id": _USER_TYPES.get(by.kind, _OTHER),
        "uid": _bounded(by.subject_id or by.kind),
    }
    if by.tenant_id and by.tenant_id != entry.tenant_id:
        return {**user, "org": {"uid": _bounded(by.tenant_id)}}
    return user


def _details(entry: AuditEntry) -> dict[str, str]:
    details = {
        _bounded(name): _bounded(value)
        for name, value in list(entry.details.items())[:DETAILS_MAX]
        if name.isascii() and len(name) <= TEXT_MAX
    }
    if entry.by.reason:
        details["reason"] = _bounded(entry.by.reason)
    return details


def _api_fields(entry: AuditEntry) -> dict[str, Any]:
    api: dict[str, Any] = {"operation": _bounded(entry.action)}
    if entry.by.request_id:
        api["request"] = {"uid": _bounded(entry.by.request_id)}
    return {"api": api, "src_endpoint": _SERVICE}


def _user_fields(entry: AuditEntry) -> dict[str, Any]:
    uid = entry.target_id if entry.target_kind == "user" else entry.by.subject_id
    return {"service": _SERVICE, "user": {"uid": _bounded(uid or "unknown")}}


def _access_fields(entry: AuditEntry) -> dict[str, Any]:
    privilege = _bounded(entry.details.get("role", entry.action))
    return {**_user_fields(entry), "privileges": [privilege]}


_CLASS_FIELDS = {
    ACCOUNT_CHANGE: _user_fields,
    AUTHENTICATION: _user_fields,
    USER_ACCESS: _access_fields,
    API_ACTIVITY: _api_fields,
}


def _bounded(text: str) -> str:
    if len(text) > TEXT_MAX:
        text = text[: TEXT_MAX - 1] + _CUT
    if "\0" in text:
        # Neither does a database hold it, nor does any name or id have it.
        text = text.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode()


def _ms(at_ns: int) -> int:
    return max(-INTEGER_MAX, min(at_ns // NS_PER_MS, INTEGER_MAX))


class _Metadata(msgspec.Struct):
    event_code: str
    logged_time: int
    original_time: str
    sequence: int
    tenant_uid: str


class _Resource(msgspec.Struct):
    type: str
    uid: str


class _Document(msgspec.Struct):
    metadata: _Metadata
    status_id: int
    resources: tuple[_Resource, ...] = ()
    unmapped: dict[str, str] = {}


class AuditRecord(msgspec.Struct, frozen=True):
    """What a log entry is looked up by; one row of the table ``audit_index``.

    Attributes:
        log_index: its place in the log, from 0.
        logged_ms: when it was sequenced, milliseconds since the Unix epoch; never goes back.
        at_ns: when it happened, by the clock of whoever saw it.
        account_id: the trading account that it concerns, or empty.
    """

    log_index: int
    tenant_id: str
    account_id: str
    action: str
    outcome: str
    target_kind: str
    target_id: str
    at_ns: int
    logged_ms: int


_decode = msgspec.json.Decoder(_Document).decode


def read_record(entry: bytes) -> AuditRecord:
    """Return what the log *entry* says of itself.

    Raises:
        ProofRefused: these bytes are no entry of such a log.
    """
    try:
        document = _decode(entry)
        at_ns = int(document.metadata.original_time)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ProofRefused(f"this is no entry of an audit log: {error}") from error
    metadata = document.metadata
    target = document.resources[0] if document.resources else _Resource("", "")
    return AuditRecord(
        log_index=metadata.sequence,
        tenant_id=metadata.tenant_uid,
        account_id=document.unmapped.get("account_id", ""),
        action=metadata.event_code,
        outcome="success" if document.status_id == 1 else "failure",
        target_kind=target.type,
        target_id=target.uid,
        at_ns=at_ns,
        logged_ms=metadata.logged_time,
    )
