"""The ``Audit`` actor: the one writer of the audit log."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import msgspec
import ray
import structlog

from actors.audit_index_repair import repair_index
from actors.audit_key import SEAL_PURPOSE, log_signer, publish_vkey
from actors.audit_publisher import AuditPublisher
from actors.audit_tail import AuditSource, AuditTail
from actors.hosting import as_actor, start_shell
from actors.names import AUDIT, AUTH, ENCRYPTION, LEDGER
from adapters.database.audit_index import AuditIndex
from adapters.database.engine import open_database
from adapters.database.sealed_journal import sealed_journal
from adapters.database.sql_journal import SqlJournal
from adapters.keys.data_keys import DataKeys
from adapters.keys.root_key_choice import open_root_key
from adapters.objects.opening import open_objects
from tradeplane.audit.commands import GetLog, LogFound
from tradeplane.audit.log import AuditLog
from tradeplane.auth import audit_trail as auth_trail
from tradeplane.auth.identity import Identity
from tradeplane.encryption import audit_trail as encryption_trail
from tradeplane.encryption.key_rings import KeyRings
from tradeplane.errors import AuditLogDamaged, SealBroken, ServiceFailed
from tradeplane.journal import Journal, Stream
from tradeplane.settings import Settings
from tradeplane.trading.audit_trail import TradingTrail
from tradeplane.trading.ledger import Ledger

NICENESS = 10
"""The log may be late, orders may not: where processors are short, this process waits."""

SNAPSHOT_EVENTS_MAX = 500
"""An event here is up to a thousand entries, so fewer of them make a long replay."""

_RETRY_S = 0.5
log = structlog.get_logger()


class Audit:
    """Hosts the :class:`AuditLog`, feeds it from the journals and publishes it.

    Args:
        settings: the installation's settings.
    """

    async def __init__(self, settings: Settings) -> None:  # type: ignore[misc]  # Ray awaits it
        os.nice(NICENESS)
        self._settings = msgspec.structs.replace(
            settings, snapshot_events=min(settings.snapshot_events, SNAPSHOT_EVENTS_MAX)
        )
        self._problem: str | None = None
        self._tail: AuditTail | None = None
        self._publisher: AuditPublisher | None = None
        self._prepared = asyncio.Event()
        self._shell = await start_shell(AuditLog, Stream(AUDIT), self._settings, sealed=True)
        self._work = asyncio.create_task(self._keep_working(), name="audit")

    async def submit(self, payload: bytes) -> bytes:
        """Take a batch of commands: what replicas observed."""
        await self._prepared.wait()
        answer = await self._shell.submit(payload)
        if self._publisher is not None:
            self._publisher.wake()
        return answer

    async def ask(self, payload: bytes) -> bytes:
        """Answer a query."""
        return await self._shell.ask(payload)

    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]  # Ray leaves it untyped
    async def ping(self) -> str | None:
        """Return None when records are sequenced, else what is wrong.

        An object store that is away is no reason to stand still; one with another log in it is.
        """
        return self._shell.check() or self._problem or self._pipeline_problem()

    def _pipeline_problem(self) -> str | None:
        parts = (self._tail, self._publisher)
        return next((part.problem for part in parts if part is not None and part.problem), None)

    async def _keep_working(self) -> None:
        """Prepare, then tail and publish, for ever; stand still when the log is damaged."""
        while True:
            try:
                await self._work_until_damaged()
            except (AuditLogDamaged, SealBroken) as error:
                self._problem = f"the audit log is closed: {error}"
                log.exception("the audit log is closed")
                return
            except ServiceFailed as error:
                log.warning("the audit log is waiting", why=str(error))
                await asyncio.sleep(_RETRY_S)

    async def _work_until_damaged(self) -> None:
        engine = await asyncio.to_thread(open_database, self._settings.database_url)
        try:
            keys = DataKeys(engine, open_root_key(self._settings.root_key_url, self._settings.home))
            plain = SqlJournal(engine)
            sealed = await asyncio.to_thread(sealed_journal, plain, keys)
            index = AuditIndex(engine)
            found: LogFound = await self._shell.look(GetLog())
            if not self._prepared.is_set():
                await asyncio.to_thread(repair_index, index, sealed, self._shell.stream, found.size)
            signer = await log_signer(self._shell, keys.sealer(SEAL_PURPOSE))
            self._prepared.set()
            await asyncio.to_thread(publish_vkey, signer, Path(self._settings.home))
            store = await asyncio.to_thread(
                open_objects, self._settings.object_store_url, self._settings.home
            )
            publisher = AuditPublisher(self._shell, sealed, store, signer)
            firms = await asyncio.to_thread(index.tenants_of_accounts)
            tail = AuditTail(
                self._shell,
                sources(self._settings, plain, sealed, firms),
                lambda: max(publisher.published, 0),
                publisher.wake,
            )
            await self._run(tail, publisher)
        finally:
            engine.dispose()

    async def _run(self, tail: AuditTail, publisher: AuditPublisher) -> None:
        self._tail = tail
        tailing = asyncio.create_task(tail.follow(), name="audit tail")
        try:
            await self._start_publishing(publisher)
            self._publisher = publisher
            publisher.wake()
            await publisher.follow()
            await tailing
        finally:
            tailing.cancel()

    async def _start_publishing(self, publisher: AuditPublisher) -> None:
        while True:
            try:
                await publisher.start()
            except AuditLogDamaged:
                raise
            except ServiceFailed as error:
                log.warning("the audit log is not published yet", why=str(error))
                await asyncio.sleep(_RETRY_S)
            else:
                return


def sources(
    settings: Settings, plain: Journal, sealed: Journal, firms: dict[str, str]
) -> list[AuditSource]:
    """Return every journal that is audited.

    Args:
        settings: the installation's settings.
        plain: reads the journals that are not sealed.
        sealed: reads those that are.
        firms: the firm of each account whose opening is in the log.
    """
    trading = TradingTrail(firms).entries
    named: list[tuple[Stream, Journal, Any, Any]] = [
        (Stream(AUTH), sealed, Identity.event_type, auth_trail.entries),
        (Stream(ENCRYPTION), sealed, KeyRings.event_type, encryption_trail.entries),
        *(
            (Stream(LEDGER, shard), plain, Ledger.event_type, trading)
            for shard in range(settings.ledger_shards)
        ),
    ]
    return [AuditSource(*source) for source in named]


AuditActor = as_actor(Audit)
