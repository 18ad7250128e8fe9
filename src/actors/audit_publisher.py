"""From the audit log's state to the object store: tiles first, then the checkpoint that signs them.

It can stop anywhere and begin again: a tile of some name has one content for ever, and a checkpoint
is written only when all that it needs is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from actors.audit_restorer import AuditRestorer
from actors.shell import Shell
from tradeplane.audit.checkpoint import Checkpoint, parse_checkpoint
from tradeplane.audit.commands import GetLog, GetPublication, LogFound, Publication
from tradeplane.audit.signed_note import NoteSigner
from tradeplane.audit.tile_paths import (
    CHECKPOINT,
    PREFIX,
    VKEY,
    TilePath,
    partial_tiles,
    tile_of,
)
from tradeplane.audit.tile_tree import TILE_WIDTH
from tradeplane.errors import AuditLogDamaged, InvalidRequest, NotFound, ServiceFailed
from tradeplane.journal import Journal
from tradeplane.object_store import ObjectStore

_RETRY_S = 0.5
_LINGER_S = 0.02

log = structlog.get_logger()


class AuditPublisher:
    """Publishes one log. Only the owner of its stream does, and only what is committed.

    Args:
        shell: hosts the audit log.
        journal: reads the log's own journal, to fill a store that lacks what was published.
        store: where the objects go.
        signer: the log's key.
        linger_s: how long a checkpoint waits for entries that are on their way.

    Attributes:
        published: the tree size that the store has a checkpoint of; -1 before the first.
        problem: why nothing can be signed, or None.
    """

    def __init__(
        self,
        shell: Shell,
        journal: Journal,
        store: ObjectStore,
        signer: NoteSigner,
        linger_s: float = _LINGER_S,
    ) -> None:
        self.published = -1
        self.problem: str | None = None
        self._shell = shell
        self._store = store
        self._signer = signer
        self._linger_s = linger_s
        self._restorer = AuditRestorer(journal, shell.stream, self._write)
        self._note: bytes | None = None
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Say that there is something new."""
        self._wake.set()

    async def start(self) -> None:
        """Find out what the store has, compare it with the log, and publish what it lacks.

        Raises:
            AuditLogDamaged: the store has another history, or more of it, than the journal.
            ServiceFailed: not now; to try again is harmless.
        """
        vkey = self._signer.verifier.vkey().encode() + b"\n"
        await asyncio.to_thread(self._write, {VKEY: vkey})
        self._note = await asyncio.to_thread(self._store.read, PREFIX + CHECKPOINT)
        if self._note is not None:
            found = self._own(self._note)
            await self._compare(found)
            self.published = found.size
            await self._sweep(max(found.size - TILE_WIDTH, 0), found.size)
        await self.publish()

    async def publish(self) -> int:
        """Bring the store up to what is committed; return the tree size that it has then.

        Raises:
            AuditLogDamaged: the store has other objects under these names.
            ServiceFailed: not now; to try again is harmless.
        """
        try:
            publication: Publication = await self._shell.look(
                GetPublication(max(self.published, 0))
            )
        except NotFound:
            return await self._restore()
        if publication.size != self.published:
            await asyncio.to_thread(self._write, dict(publication.objects))
            await self._sign(publication.size, publication.root)
        return self.published

    async def follow(self) -> None:
        """Publish whenever there is something new, for ever, or until the log is damaged."""
        while True:
            await self._wake.wait()
            # Entries that are committed meanwhile come under the same checkpoint.
            await asyncio.sleep(self._linger_s)
            self._wake.clear()
            try:
                await self.publish()
            except AuditLogDamaged as error:
                self.problem = str(error)
                log.exception("the audit log cannot be published")
                return
            except ServiceFailed as error:
                log.warning("the audit log is not published yet", why=str(error))
                self._wake.set()
                await asyncio.sleep(_RETRY_S)

    async def _sign(self, size: int, root: bytes) -> None:
        note = Checkpoint(self._signer.verifier.name, size, root).signed(self._signer)
        await self._shell.ownership.verify()
        name = PREFIX + CHECKPOINT
        while not await asyncio.to_thread(self._store.swap, name, self._note, note):
            current = await asyncio.to_thread(self._store.read, name)
            if current == note:
                break
            if current is None or current == self._note:
                raise AuditLogDamaged("the checkpoint in the object store comes and goes")
            # An earlier attempt whose outcome was not known, or a stranger.
            await self._compare(self._own(current))
            self._note = current
        old_size, self.published, self._note = max(self.published, 0), size, note
        await self._sweep(old_size, size)

    async def _sweep(self, old_size: int, size: int) -> None:
        """Remove the partial forms of the tiles that have become full since *old_size*.

        Until then each of them may be what a reader of some checkpoint asks for.
        """
        full = [
            path.full()
            for path in partial_tiles(old_size)
            if tile_of(path.level, path.index, size).width == TILE_WIDTH
        ]
        try:
            await asyncio.to_thread(self._remove_partials, full)
        except ServiceFailed as error:
            log.warning("old partial tiles stay", why=str(error))

    def _remove_partials(self, full: Sequence[TilePath]) -> None:
        for path in full:
            names = list(self._store.names(PREFIX + path.partials()))
            if names:
                self._store.remove(names)

    def _own(self, note: bytes) -> Checkpoint:
        try:
            checkpoint, signed = parse_checkpoint(note)
        except InvalidRequest as error:
            raise AuditLogDamaged(f"the checkpoint in the object store is none: {error}") from error
        key = self._signer.verifier
        if checkpoint.origin != key.name or key.judge(signed) != "valid":
            raise AuditLogDamaged(
                "the checkpoint in the object store is not signed by this log's key; give every "
                "installation a bucket, or a prefix, of its own"
            )
        return checkpoint

    async def _compare(self, found: Checkpoint) -> None:
        """Check that the journal's tree has, at this size, the root that was signed."""
        known: LogFound = await self._shell.look(GetLog())
        if found.size > known.size:
            raise AuditLogDamaged(
                f"the object store has a checkpoint of {found.size} entries, the journal has "
                f"{known.size}: the database was set back; nothing is signed"
            )
        try:
            publication: Publication = await self._shell.look(GetPublication(found.size))
            root = publication.after_root
        except NotFound:
            root = await asyncio.to_thread(self._restorer.root_at, found.size)
        if root != found.root:
            raise AuditLogDamaged(
                f"the object store has a checkpoint of another log of {found.size} entries than "
                "the journal's; nothing is signed"
            )

    async def _restore(self) -> int:
        """Write the whole log again: the store lacks what the journal says it had."""
        known: LogFound = await self._shell.look(GetLog())
        log.warning("the object store is filled again from the journal", entries=known.size)
        root = await asyncio.to_thread(self._restorer.write, known.size)
        if root != known.root:
            raise AuditLogDamaged("the audit journal does not give the tree that it gave before")
        await self._sign(known.size, known.root)
        return self.published

    def _write(self, objects: dict[str, bytes]) -> None:
        named = {PREFIX + path: content for path, content in objects.items()}
        for name in self._store.create(named):
            if self._store.read(name) != named[name]:
                raise AuditLogDamaged(
                    f"{name} in the object store has another content than the journal gives it; "
                    "nothing is signed"
                )
