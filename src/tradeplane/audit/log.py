"""The component ``audit``: sequences records into a Merkle log, each exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tradeplane.audit.commands import (
    Appended,
    AppendEntries,
    AuditCommand,
    AuditQuery,
    AuditReply,
    FoundLog,
    GetLog,
    GetPublication,
    LogFound,
    ObserveEntries,
    Publication,
)
from tradeplane.audit.document import entry_document, read_record
from tradeplane.audit.entry import AuditEntry
from tradeplane.audit.entry_bundle import encode_bundle
from tradeplane.audit.events import AuditEvent, EntriesAppended, LogFounded
from tradeplane.audit.merkle import leaf_hash
from tradeplane.audit.tile_paths import TilePath, tiles_between
from tradeplane.audit.tile_tree import TILE_WIDTH, TileTree, TileTreeDocument
from tradeplane.auth.principal import HOME_TENANT, Origin
from tradeplane.clock import NS_PER_MS, NS_PER_S
from tradeplane.component import Applied
from tradeplane.errors import CorruptJournal, InvalidRequest, LimitReached, NotFound, Overloaded
from tradeplane.feed import PRIVATE_TOPIC

ENTRIES_MAX = 2_000
"""Entries in one command."""

UNPUBLISHED_MAX = 32_768
"""Entries that may wait for the object store; more are refused, and wait in their sources."""

CLOCK_STEP_NS = NS_PER_S
"""A clock that goes back further than this is recorded."""


class _State(msgspec.Struct):
    tree: TileTreeDocument
    entries: list[bytes]
    base: int
    origin: str = ""
    vkey: str = ""
    sealed_key: bytes = b""
    published: int = 0
    logged_ns: int = 0
    behind: bool = False
    marks: dict[str, int] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_State).decode


class AuditLog:
    """The component ``audit``: see :class:`tradeplane.component.Component`.

    The high-water mark of a source moves in the very event that carries the source's entries, so
    no record is lost between the two and none is taken twice. Entries leave the state when they
    are known to be in the object store.
    """

    name = "audit"
    command_type: Any = AuditCommand
    query_type: Any = AuditQuery
    reply_type: Any = AuditReply
    event_type: Any = AuditEvent

    def __init__(self) -> None:
        self._tree = TileTree()
        self._entries: list[bytes] = []
        self._base = 0
        self._origin = ""
        self._vkey = ""
        self._sealed_key = b""
        self._published = 0
        self._logged_ns = 0
        self._behind = False
        self._marks: dict[str, int] = {}

    @property
    def size(self) -> int:
        """Entries in the log."""
        return self._tree.size

    def root(self, size: int) -> bytes:
        """Return the root of the first *size* entries.

        Raises:
            LookupError: there are fewer, or they were published so long ago that it is forgotten.
        """
        return self._tree.root(size)

    def mark(self, source: str) -> int:
        """Return up to where the records of *source* are in the log."""
        return self._marks.get(source, 0)

    def apply(self, command: AuditCommand, now_ns: int) -> Applied:
        """Decide *command*; see the protocol.

        Raises:
            InvalidRequest: the marks leave a gap.
            LimitReached: too many entries for one command.
            Overloaded: too many entries wait for the object store; nothing was done.
        """
        match command:
            case FoundLog():
                return self._found(command, now_ns)
            case AppendEntries():
                return self._append_from(command, now_ns)
            case ObserveEntries():
                return self._append("", 0, command.entries, self._published, now_ns)

    def _found(self, command: FoundLog, now_ns: int) -> Applied:
        if self._origin:
            return Applied(self._log())
        event = LogFounded(command.origin, command.vkey, command.sealed_key, now_ns)
        self.evolve(event)
        return Applied(self._log(), (event,))

    def _append_from(self, command: AppendEntries, now_ns: int) -> Applied:
        mark = self.mark(command.source)
        if command.upto <= mark:
            return Applied(Appended(self.size))
        if command.after != mark:
            raise InvalidRequest(
                f"the records of {command.source} are in the log up to {mark}; those after "
                f"{command.after} do not follow"
            )
        published = max(self._published, min(command.published, self.size))
        return self._append(command.source, command.upto, command.entries, published, now_ns)

    def _append(
        self,
        source: str,
        mark: int,
        entries: Sequence[AuditEntry],
        published: int,
        now_ns: int,
    ) -> Applied:
        if len(entries) > ENTRIES_MAX:
            raise LimitReached(f"a command may bring at most {ENTRIES_MAX} entries")
        if entries and self.size + len(entries) - published > UNPUBLISHED_MAX:
            raise Overloaded("the object store is too far behind; nothing was done, try again")
        logged_ns = max(now_ns, self._logged_ns)
        if not self._behind and _is_behind(now_ns, logged_ns):
            entries = (_clock_entry(now_ns, logged_ns), *entries)
        documents = [
            entry_document(entry, index, logged_ns)
            for index, entry in enumerate(entries, self.size)
        ]
        event = EntriesAppended(
            source=source,
            mark=mark,
            first=self.size,
            published=published,
            at_ns=now_ns,
            logged_ns=logged_ns,
            entries=tuple(msgspec.Raw(document) for document in documents),
        )
        self._take(event, documents)
        rows = tuple(read_record(document) for document in documents)
        return Applied(Appended(self.size), (event,), rows)

    def evolve(self, event: AuditEvent) -> None:
        """Change the state by one *event* of the journal."""
        match event:
            case LogFounded():
                self._origin, self._vkey = event.origin, event.vkey
                self._sealed_key = event.sealed_key
            case EntriesAppended():
                self._take(event, [bytes(document) for document in event.entries])

    def _take(self, event: EntriesAppended, documents: list[bytes]) -> None:
        if event.first != self.size:
            raise CorruptJournal(
                f"entry {event.first} of the audit log does not follow {self.size - 1}"
            )
        if event.source:
            self._marks[event.source] = event.mark
        self._published = event.published
        self._logged_ns = event.logged_ns
        self._behind = _is_behind(event.at_ns, event.logged_ns)
        self._trim(event.published)
        self._entries += documents
        self._tree.extend(map(leaf_hash, documents))

    def _trim(self, size: int) -> None:
        base = size - size % TILE_WIDTH
        if base > self._base:
            del self._entries[: base - self._base]
            self._base = base
            self._tree.trim(size)

    def query(self, query: AuditQuery, now_ns: int) -> AuditReply:  # noqa: ARG002  # no answer depends on the time
        """Answer *query*.

        Raises:
            NotFound: the tree of that size is not known any more, or not yet.
        """
        match query:
            case GetLog():
                return self._log()
            case GetPublication():
                return self._publication(query.after)

    def _log(self) -> LogFound:
        return LogFound(
            origin=self._origin,
            vkey=self._vkey,
            sealed_key=self._sealed_key,
            size=self.size,
            root=self._tree.root(),
            published=self._published,
            marks=dict(self._marks),
        )

    def _publication(self, after: int) -> Publication:
        try:
            after_root = self._tree.root(after)
            objects = tuple(
                (path.text(), self._content(path)) for path in tiles_between(after, self.size)
            )
        except LookupError as error:
            raise NotFound(f"the log has no tree of {after} entries at hand: {error}") from error
        return Publication(after, after_root, self.size, self._tree.root(), objects)

    def _content(self, path: TilePath) -> bytes:
        start = path.index * TILE_WIDTH
        end = start + path.width
        if path.level is not None:
            return b"".join(self._tree.hashes(path.level, start, end))
        if start < self._base:
            raise LookupError(f"the entries from {start} on")
        return encode_bundle(self._entries[start - self._base : end - self._base])

    def idempotency_key(self, command: AuditCommand) -> str | None:
        """Return the key of what a replica observed; marks and the founding need none."""
        return f"observed:{command.command_id}" if isinstance(command, ObserveEntries) else None

    def repeat(self, command: AuditCommand, first_event: AuditEvent) -> AuditReply:  # noqa: ARG002  # the event says it all
        """Return the reply of the first run of *command*."""
        assert isinstance(first_event, EntriesAppended), "only observed entries have a key"
        return Appended(first_event.first + len(first_event.entries))

    def topic(self, event: AuditEvent) -> str:  # noqa: ARG002  # one answer for all
        """Return the private topic: the log is read from its tiles, not from a feed."""
        return PRIVATE_TOPIC

    def to_bytes(self) -> bytes:
        """Return the whole state; equal histories give equal bytes."""
        return _encode(
            _State(
                tree=self._tree.to_document(),
                entries=self._entries,
                base=self._base,
                origin=self._origin,
                vkey=self._vkey,
                sealed_key=self._sealed_key,
                published=self._published,
                logged_ns=self._logged_ns,
                behind=self._behind,
                marks=self._marks,
            )
        )

    def from_bytes(self, state: bytes) -> None:
        """Replace the state by one that :meth:`to_bytes` returned.

        Raises:
            CorruptJournal: these bytes are no state; the present one is kept.
        """
        try:
            document = _decode(state)
        except msgspec.DecodeError as error:
            raise CorruptJournal(f"the audit log's snapshot is not readable: {error}") from error
        self._tree = TileTree.from_document(document.tree)
        self._entries, self._base = document.entries, document.base
        self._origin, self._vkey = document.origin, document.vkey
        self._sealed_key, self._published = document.sealed_key, document.published
        self._logged_ns, self._behind = document.logged_ns, document.behind
        self._marks = document.marks


def _is_behind(now_ns: int, logged_ns: int) -> bool:
    return now_ns < logged_ns - CLOCK_STEP_NS


def _clock_entry(now_ns: int, logged_ns: int) -> AuditEntry:
    return AuditEntry(
        action="clock.stepped_back",
        outcome="failure",
        at_ns=now_ns,
        by=Origin(),
        tenant_id=HOME_TENANT,
        details={"back_ms": str((logged_ns - now_ns) // NS_PER_MS)},
    )
