"""A log in a dictionary, made by the component that makes the real one."""

from __future__ import annotations

from collections.abc import Sequence

from tradeplane.audit.checkpoint import Checkpoint
from tradeplane.audit.commands import AppendEntries, GetPublication, Publication
from tradeplane.audit.entry import AuditEntry
from tradeplane.audit.entry_bundle import encode_bundle
from tradeplane.audit.log import AuditLog
from tradeplane.audit.merkle import leaf_hash
from tradeplane.audit.signed_note import NoteSigner
from tradeplane.audit.tile_paths import tiles_between
from tradeplane.audit.tile_tree import TILE_WIDTH, TileTree
from tradeplane.auth.principal import Origin

ORIGIN = "log.example/audit"
SIGNER = NoteSigner(ORIGIN, b"\x01" * 32)
OTHER = NoteSigner(ORIGIN, b"\x02" * 32)
NOW_NS = 1_700_000_000_000_000_000


def entry(number: int, tenant_id: str = "firm", **fields: object) -> AuditEntry:
    """Return a record that differs from every other number's."""
    made = {
        "action": "order.accepted",
        "outcome": "success",
        "at_ns": NOW_NS + number,
        "by": Origin("key", "PK1", tenant_id),
        "tenant_id": tenant_id,
        "target_kind": "order",
        "target_id": f"00000000-0000-4000-8000-{number:012d}",
        "details": {"account_id": "account", "number": str(number)},
    }
    return AuditEntry(**(made | fields))  # type: ignore[arg-type]


def log_of(count: int, step: int = 1_000) -> AuditLog:
    """Return a log with *count* entries, sequenced a millisecond apart for each *step*."""
    log = AuditLog()
    for start in range(0, count, step):
        end = min(count, start + step)
        entries = tuple(entry(number) for number in range(start, end))
        log.apply(AppendEntries("ledger/0", start, end, entries), NOW_NS + start * 1_000_000)
    return log


def published(log: AuditLog, after: int = 0) -> dict[str, bytes]:
    """Return the objects of *log*, its signed checkpoint with them."""
    found = log.query(GetPublication(after), 0)
    assert isinstance(found, Publication)
    checkpoint = Checkpoint(ORIGIN, found.size, found.root)
    return {**dict(found.objects), "checkpoint": checkpoint.signed(SIGNER)}


def files_of(count: int) -> dict[str, bytes]:
    """Return the objects of a sound log with *count* entries."""
    return published(log_of(count))


def rewritten(entries: Sequence[bytes], signer: NoteSigner = SIGNER) -> dict[str, bytes]:
    """Return the objects of a log with these very entries, all its tiles and its root true."""
    tree = TileTree()
    tree.extend(leaf_hash(one) for one in entries)
    files: dict[str, bytes] = {}
    for path in tiles_between(0, len(entries)):
        start = path.index * TILE_WIDTH
        end = start + path.width
        if path.level is None:
            files[path.text()] = encode_bundle(entries[start:end])
        else:
            files[path.text()] = b"".join(tree.hashes(path.level, start, end))
    files["checkpoint"] = Checkpoint(ORIGIN, len(entries), tree.root()).signed(signer)
    return files
