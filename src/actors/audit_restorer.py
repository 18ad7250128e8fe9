"""The audit log from its first entry on, out of its journal: for a store that lost it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from tradeplane.audit.commands import GetPublication, Publication
from tradeplane.audit.events import AuditEvent, EntriesAppended
from tradeplane.audit.log import AuditLog
from tradeplane.journal import Journal, Stream

_STEP_ENTRIES = 8_192
_decode = msgspec.json.Decoder(AuditEvent).decode


class AuditRestorer:
    """Replays the log's journal beside the running component. Synchronous, in bounded memory.

    Args:
        journal: reads the stream.
        stream: the audit log's.
        write: writes objects, by path below the log's prefix.
    """

    def __init__(
        self, journal: Journal, stream: Stream, write: Callable[[dict[str, bytes]], None]
    ) -> None:
        self._journal = journal
        self._stream = stream
        self._write = write

    def root_at(self, size: int) -> bytes:
        """Return the root of the first *size* entries; empty when the journal has not so many."""
        for log in self._steps(size):
            if log.size >= size:
                return log.root(size)
        return b""

    def write(self, size: int) -> bytes:
        """Write every object of the tree of *size* entries, and return its root."""
        for log in self._steps(size, write=True):
            if log.size >= size:
                return log.root(size)
        return b""

    def _steps(self, size: int, *, write: bool = False) -> Iterator[AuditLog]:
        log, passed = AuditLog(), 0
        yield log
        for record in self._journal.replay(self._stream, 0):
            event = _decode(record.event)
            if isinstance(event, EntriesAppended):
                # What was published then is not what is there now.
                event = msgspec.structs.replace(event, published=passed)
            log.evolve(event)
            if log.size - passed >= _STEP_ENTRIES or log.size >= size:
                if write:
                    publication = log.query(GetPublication(passed), 0)
                    assert isinstance(publication, Publication), "the answer to this query"
                    self._write(dict(publication.objects))
                passed = log.size
            yield log
