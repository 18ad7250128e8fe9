"""Makes the index of the audit log again out of the log's own journal, when it was lost."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import structlog

from adapters.database.audit_index import AuditIndex
from tradeplane.audit.document import AuditRecord, read_record
from tradeplane.audit.events import AuditEvent, EntriesAppended
from tradeplane.journal import Journal, Stream

_ROWS_MAX = 5_000
_decode = msgspec.json.Decoder(AuditEvent).decode
log = structlog.get_logger()


def repair_index(index: AuditIndex, journal: Journal, stream: Stream, size: int) -> bool:
    """Make *index* hold the log's first *size* entries; nothing may be appended meanwhile.

    Returns:
        Whether there was anything to repair. When it is broken off, the next start repairs it.

    Raises:
        JournalUnavailable: the database cannot be read or written.
    """
    if index.complete_up_to(size):
        return False
    log.warning("the index of the audit log is made again", entries=size)
    index.clear()
    rows: list[AuditRecord] = []
    for record in _records(journal, stream, size):
        rows.append(record)
        if len(rows) == _ROWS_MAX:
            index.add(rows)
            rows = []
    index.add(rows)
    return True


def _records(journal: Journal, stream: Stream, size: int) -> Iterator[AuditRecord]:
    for record in journal.replay(stream, 0):
        event = _decode(record.event)
        if isinstance(event, EntriesAppended):
            if event.first >= size:
                return
            for entry in event.entries:
                yield read_record(bytes(entry))
