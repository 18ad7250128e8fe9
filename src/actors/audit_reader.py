"""The audit log as a replica reads it: from the object store and the index, past the actor."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from adapters.database.audit_index import AuditIndex
from tradeplane.audit.checkpoint import Checkpoint, parse_checkpoint
from tradeplane.audit.document import AuditRecord
from tradeplane.audit.log_files import LogFiles
from tradeplane.audit.merkle import leaf_hash
from tradeplane.audit.search import AuditEntries, AuditSearch
from tradeplane.audit.tile_paths import CHECKPOINT, PREFIX, VKEY, parse_tile_path
from tradeplane.audit.tile_tree import TILE_WIDTH
from tradeplane.audit.tlog_proof import TlogProof
from tradeplane.errors import AuditLogDamaged, ComponentUnavailable, InvalidRequest, NotFound
from tradeplane.object_store import ObjectStore

T = TypeVar("T")

THREADS_MAX = 4
"""Requests that read at the same time; others wait, each for as long as a request may take."""

_POLL_S = 0.05
_ACCEPTED = "order.accepted"


class AuditReader:
    """Satisfies :class:`tradeplane.ports.AuditReader`.

    Args:
        store: where the log is published.
        index: finds entries.
        wait_s: how long a proof waits for a checkpoint that covers its order.
    """

    def __init__(self, store: ObjectStore, index: AuditIndex, *, wait_s: float = 3.0) -> None:
        self._store = store
        self._index = index
        self._wait_s = wait_s
        self._threads = asyncio.Semaphore(THREADS_MAX)

    async def checkpoint(self) -> bytes:
        """Return the newest signed checkpoint; see the protocol."""
        return await self._in_thread(self._checkpoint)

    async def vkey(self) -> str:
        """Return the log's public key; see the protocol."""
        found = await self._in_thread(lambda: self._read(VKEY))
        if found is None:
            raise _no_log()
        return found.decode().strip()

    async def tile(self, path: str) -> bytes:
        """Return a tile or an entry bundle by its path; see the protocol."""
        if parse_tile_path(path) is None:
            raise NotFound("this is no path of a tile")
        found = await self._in_thread(lambda: self._read(path))
        if found is None:
            raise NotFound(f"there is no {path}")
        return found

    async def entries(self, search: AuditSearch) -> AuditEntries:
        """Return one page of entries; see the protocol."""
        return await self._in_thread(lambda: self._at_a_checkpoint(lambda: self._entries(search)))

    async def order_proof(self, order_id: str, tenant_id: str, account_id: str | None) -> bytes:
        """Return the proof of an order's acceptance; see the protocol."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._wait_s
        while True:
            proof = await self._in_thread(
                lambda: self._at_a_checkpoint(
                    lambda: self._order_proof(order_id, tenant_id, account_id)
                )
            )
            if isinstance(proof, bytes):
                return proof
            if loop.time() >= deadline:
                raise proof
            await asyncio.sleep(_POLL_S)

    async def _in_thread(self, read: Callable[[], T]) -> T:
        async with self._threads:
            return await asyncio.to_thread(read)

    def _read(self, path: str) -> bytes | None:
        return self._store.read(PREFIX + path)

    def _checkpoint(self) -> bytes:
        note = self._read(CHECKPOINT)
        if note is None:
            raise _no_log()
        return note

    def _at_a_checkpoint(self, read: Callable[[], T]) -> T:
        """Run *read*; once more if a partial tile gave way to a fuller one in the middle of it."""
        before = self._checkpoint()
        try:
            return read()
        except AuditLogDamaged:
            if self._checkpoint() == before:
                raise
            return read()

    def _entries(self, search: AuditSearch) -> AuditEntries:
        size = _parsed(self._checkpoint()).size
        wanted = msgspec.structs.replace(search, before=min(search.before, size))
        page = self._index.find(wanted)
        documents = self._documents(LogFiles(self._read, size), page.records)
        return AuditEntries(size, documents, page.next_before)

    def _documents(
        self, files: LogFiles, records: Sequence[AuditRecord]
    ) -> tuple[tuple[int, bytes], ...]:
        documents: list[tuple[int, bytes]] = []
        bundle, entries = -1, [b""]
        for record in records:
            index = record.log_index
            if index // TILE_WIDTH != bundle:
                bundle = index // TILE_WIDTH
                entries = files.entries(bundle)
            document = entries[index % TILE_WIDTH]
            if leaf_hash(document) != files.hashes(0, index, index + 1)[0]:
                raise AuditLogDamaged(f"entry {index} does not hash to its leaf")
            documents.append((index, document))
        return tuple(documents)

    def _order_proof(
        self, order_id: str, tenant_id: str, account_id: str | None
    ) -> bytes | ComponentUnavailable | NotFound:
        """Return the proof, or what to raise when it does not come about in time."""
        record = self._index.of_target("order", order_id, _ACCEPTED)
        if record is None:
            return NotFound(f"the audit log has no order {order_id}")
        if record.tenant_id != tenant_id or account_id not in {None, record.account_id}:
            raise NotFound(f"the audit log has no order {order_id}")
        note = self._checkpoint()
        size = _parsed(note).size
        if record.log_index >= size:
            return ComponentUnavailable("the order is not in a signed checkpoint yet; try again")
        files = LogFiles(self._read, size)
        path = tuple(files.inclusion(record.log_index))
        return TlogProof(record.log_index, path, note, files.entry(record.log_index)).encode()


def _parsed(note: bytes) -> Checkpoint:
    try:
        return parse_checkpoint(note)[0]
    except InvalidRequest as error:
        raise AuditLogDamaged(f"the checkpoint in the object store is none: {error}") from error


def _no_log() -> ComponentUnavailable:
    return ComponentUnavailable("the audit log has no checkpoint yet; try again")
