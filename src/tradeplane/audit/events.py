"""What happened in the audit log. Past tense; journaled as JSON and never changed in meaning."""

from __future__ import annotations

import msgspec


class LogFounded(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The log exists, with its name and its key."""

    origin: str
    vkey: str
    sealed_key: bytes
    at_ns: int


class EntriesAppended(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Entries have their places in the log, and their source its new mark, in one step.

    Attributes:
        source: whose mark moves; empty for what a replica observed.
        mark: where it moves to.
        first: the index of the first entry.
        published: the tree size that was in the object store by then.
        at_ns: the wall time of the step.
        logged_ns: the time that the entries carry; it never goes back, even when the clock does.
        entries: the documents, verbatim: each is canonical JSON.
    """

    source: str
    mark: int
    first: int
    published: int
    at_ns: int
    logged_ns: int
    entries: tuple[msgspec.Raw, ...]


AuditEvent = LogFounded | EntriesAppended
