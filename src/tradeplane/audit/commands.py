"""What the audit log can be told and asked, and what it answers."""

from __future__ import annotations

import msgspec

from tradeplane.audit.entry import AuditEntry


class FoundLog(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Begin the log: its name and its key are what every checkpoint will be checked by.

    Attributes:
        vkey: the public key, in the form in which it is handed out.
        sealed_key: the private key, sealed by whoever will open it again.
    """

    origin: str
    vkey: str
    sealed_key: bytes


class AppendEntries(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Sequence what one source recorded between two marks; done already, it does nothing.

    Attributes:
        source: the source's name, such as ``ledger/0``.
        after: the mark up to which the source's records are in the log.
        upto: the mark up to which they will be.
        published: the tree size that is known to be in the object store.
    """

    source: str
    after: int
    upto: int
    entries: tuple[AuditEntry, ...]
    published: int = 0


class ObserveEntries(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Sequence what a replica saw. Under one *command_id* it has one effect."""

    command_id: str
    entries: tuple[AuditEntry, ...]


AuditCommand = FoundLog | AppendEntries | ObserveEntries


class GetLog(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Ask for the log's name, key, size, root and marks."""


class GetPublication(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Ask for what the object store lacks when it has the tree of *after* entries."""

    after: int


AuditQuery = GetLog | GetPublication


class LogFound(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The log as it is; empty strings and zeros before it was founded."""

    origin: str
    vkey: str
    sealed_key: bytes
    size: int
    root: bytes
    published: int
    marks: dict[str, int]


class Appended(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """The entries are sequenced, or were before. *size* is the log's size after them."""

    size: int


class Publication(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Objects to write, and the tree that they complete.

    Attributes:
        after: the size of the tree that is there already.
        after_root: its root.
        objects: path and content, in the order in which they may be written.
    """

    after: int
    after_root: bytes
    size: int
    root: bytes
    objects: tuple[tuple[str, bytes], ...]


AuditReply = LogFound | Appended | Publication
