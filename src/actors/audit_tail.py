"""How the audit log hears of everything: from the journals of those who did it.

The journal is the outbox. A record is committed with its cause because the cause is an event of a
journal; the log's high-water mark of that journal moves in the same step as the entries. So
nothing can be lost in between, whoever dies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
import structlog

from actors.shell import Shell
from tradeplane.audit.commands import AppendEntries
from tradeplane.audit.entry import AuditEntry
from tradeplane.audit.log import AuditLog
from tradeplane.errors import ServiceFailed
from tradeplane.journal import Journal, Stream

RECORDS_MAX = 5_000
"""Records that one look at a journal takes."""

ENTRIES_MAX = 1_000
"""Entries in one command, but for the last record's."""

_BEHIND_S = 0.01
_BUSY_S = 0.4
_IDLE_S = 0.1
_RETRY_S = 0.5


Trail = Callable[[Any, int, str], tuple[AuditEntry, ...]]
"""Returns what is to be recorded of an event: takes it, its wall time and its source's name."""

log = structlog.get_logger()


class AuditSource(msgspec.Struct, frozen=True):
    """One journal whose events are audited.

    Attributes:
        stream: which one.
        journal: reads it; used from one thread at a time.
        event_type: the union of its events.
        trail: translates them.
    """

    stream: Stream
    journal: Journal
    event_type: Any
    trail: Trail

    @property
    def name(self) -> str:
        """The source's name in the log, such as ``ledger/0``."""
        return f"{self.stream.component}/{self.stream.shard}"


class AuditTail:
    """Follows every source from its mark in the log.

    Args:
        shell: hosts the :class:`AuditLog`.
        sources: the journals.
        published: returns the tree size that the object store has.
        appended: called when entries were appended.

    Attributes:
        problem: why a source cannot be followed, which no retry will mend, or None.
    """

    def __init__(
        self,
        shell: Shell,
        sources: Sequence[AuditSource],
        published: Callable[[], int],
        appended: Callable[[], None] = lambda: None,
    ) -> None:
        self._shell = shell
        self._sources = tuple(sources)
        self._decoders = {
            source.name: msgspec.json.Decoder(source.event_type).decode for source in sources
        }
        self._published = published
        self._appended = appended
        self.problem: str | None = None

    async def follow(self) -> None:
        """Follow all sources, for ever. What fails is tried again, and holds up no other source."""
        while True:
            count, failed, problem = 0, False, None
            for source in self._sources:
                try:
                    count += await self._take(source)
                except ServiceFailed as error:
                    failed = True
                    log.warning("the audit log waits", source=source.name, why=str(error))
                except Exception as error:
                    failed = True
                    problem = f"{source.name} cannot be audited: {type(error).__name__}"
                    log.exception("the audit log cannot go on from a journal", source=source.name)
            self.problem = problem
            await asyncio.sleep(_RETRY_S if failed else _pause_s(count))

    async def catch_up(self) -> int:
        """Take what is new in every source, each up to RECORDS_MAX; return how many records.

        Raises:
            TradeplaneError: a source could not be read, or its entries were refused.
        """
        return sum([await self._take(source) for source in self._sources])

    async def _take(self, source: AuditSource) -> int:
        mark = self._log.mark(source.name)
        commands = await asyncio.to_thread(self._read, source, mark)
        if not commands:
            return 0
        # All of them wait together, so that the shell commits them together, in this order.
        await asyncio.gather(*(self._shell.execute(command) for command in commands))
        if any(command.entries for command in commands):
            self._appended()
        return commands[-1].upto - mark

    @property
    def _log(self) -> AuditLog:
        component = self._shell.component
        assert isinstance(component, AuditLog), "this shell hosts the audit log"
        return component

    def _read(self, source: AuditSource, mark: int) -> list[AppendEntries]:
        return list(self._commands(source, mark))

    def _commands(self, source: AuditSource, mark: int) -> Iterator[AppendEntries]:
        decode = self._decoders[source.name]
        after = upto = mark
        entries: list[AuditEntry] = []
        for record in islice(source.journal.replay(source.stream, mark), RECORDS_MAX):
            entries += source.trail(decode(record.event), record.recorded_ns, source.name)
            upto = record.sequence
            if len(entries) >= ENTRIES_MAX:
                yield self._command(source, after, upto, entries)
                after, entries = upto, []
        # A mark that moves without entries is worth a commit only when it moves far: until then
        # the same few records are looked at again.
        if entries or upto - after >= RECORDS_MAX:
            yield self._command(source, after, upto, entries)

    def _command(
        self, source: AuditSource, after: int, upto: int, entries: Sequence[AuditEntry]
    ) -> AppendEntries:
        return AppendEntries(source.name, after, upto, tuple(entries), self._published())


def _pause_s(records: int) -> float:
    """Return how long to wait after a look that brought *records*.

    Under load every look commits, and competes with the orders for the disk: few and large are
    cheaper. A lone record is taken at once, and a tail that has fallen behind catches up.
    """
    if records >= RECORDS_MAX:
        return _BEHIND_S
    return _BUSY_S if records else _IDLE_S
