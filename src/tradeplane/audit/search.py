"""What an auditor asks for: entries of one firm, newest first, page by page."""

from __future__ import annotations

import msgspec

from tradeplane.audit.document import AuditRecord


class AuditSearch(msgspec.Struct, frozen=True):
    """What entries are wanted, newest first.

    Attributes:
        tenant_id: the firm whose entries may be seen.
        before: only entries of a lower index.
        limit: how many at most.
        action: only this action; empty for all. So are the next three.
        since_ns: only what happened at this time or later, wall time in nanoseconds.
        until_ns: only what happened before.
    """

    tenant_id: str
    before: int
    limit: int
    action: str = ""
    outcome: str = ""
    target_id: str = ""
    account_id: str = ""
    since_ns: int | None = None
    until_ns: int | None = None


class AuditPage(msgspec.Struct, frozen=True):
    """Some entries, newest first.

    Attributes:
        records: what was found.
        next_before: where the next page begins, or None when nothing is left.
    """

    records: tuple[AuditRecord, ...]
    next_before: int | None


class AuditEntries(msgspec.Struct, frozen=True):
    """Some entries as the log has them, newest first.

    Attributes:
        size: the size of the log that they are of.
        entries: each one's index and document, which is canonical JSON.
        next_before: where the next page begins, or None when nothing is left.
    """

    size: int
    entries: tuple[tuple[int, bytes], ...]
    next_before: int | None
