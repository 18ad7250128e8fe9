"""The ports of one API replica: what the edge sees of the actors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

from prometheus_client import CollectorRegistry

from actors.audit_reader import AuditReader
from actors.audit_sink import ReplicaAuditSink
from actors.auth_manager import AuthManager
from actors.batch_client import BatchSettings
from actors.encryption_service import SEALER_PURPOSE, EncryptionService
from actors.ledger_client import LedgerClient, LedgerLink
from actors.names import AUDIT, AUTH, ENCRYPTION, MARKET, ledger_name
from actors.ray_call import ActorPort
from actors.replica_market import ReplicaMarket
from actors.topology import subscriber_name
from adapters.database.audit_index import AuditIndex
from adapters.database.closed_orders import ClosedOrders
from adapters.database.engine import open_database
from adapters.keys.data_keys import DataKeys
from adapters.keys.pseudonyms import Pseudonyms
from adapters.keys.root_key_choice import open_root_key
from adapters.marketdata.parquet_store import ParquetMarketData
from adapters.objects.opening import open_objects
from adapters.oidc.opening import SEAL_PURPOSE, open_logins
from adapters.system_clock import SystemClock
from policies.authorization.authorizer import packaged_authorizer
from tradeplane.clock import NS_PER_MS
from tradeplane.errors import ComponentUnavailable
from tradeplane.ports import Ports
from tradeplane.settings import Settings, issuer
from tradeplane.trading.commands import OpenAccount

_CALL_S = 1.5
_AUDIT_CALL_S = 5.0
_DESK_CALL_S = 10.0
_FORMS = "forms"


class ReplicaPorts:
    """Everything a replica holds open; it starts, is checked and stops as one.

    Args:
        settings: the installation's settings.
    """

    def __init__(self, settings: Settings) -> None:
        clock = SystemClock()
        name = subscriber_name("api")
        data = ParquetMarketData(Path(settings.home))
        authorizer = packaged_authorizer()
        root = open_root_key(settings.root_key_url, settings.home)
        self._engine = open_database(settings.database_url)
        data_keys = DataKeys(self._engine, root)
        wait_ms = settings.request_timeout_ms * 8 // 10
        self._identity = AuthManager(
            ActorPort(AUTH, _CALL_S),
            ActorPort(AUTH, _DESK_CALL_S),
            subscriber=name,
            issuer=issuer(settings),
            clock=clock,
            open_in_ledger=self._open_in_ledger,
            shards=settings.ledger_shards,
            wait_ms=wait_ms,
            authorizer=authorizer,
            pseudonym=Pseudonyms(data_keys).of,
        )
        self._encryption = EncryptionService(
            ActorPort(ENCRYPTION, _CALL_S),
            name,
            data_keys.sealer(SEALER_PURPOSE),
            clock,
            wait_ms,
        )
        self._logins = (
            open_logins(settings, data_keys.sealer(SEAL_PURPOSE), self._identity.claim_once, clock)
            if settings.oidc_issuer
            else None
        )
        self._objects = open_objects(settings.object_store_url, settings.home)
        self._audit_sink = ReplicaAuditSink(ActorPort(AUDIT, _AUDIT_CALL_S), clock)
        self._market = ReplicaMarket(data, ActorPort(MARKET, _CALL_S), name, clock)
        batch = BatchSettings(
            batch_max=settings.batch_max,
            queue_max=settings.queue_max,
            wait_ns=settings.request_timeout_ms * NS_PER_MS * 8 // 10,
        )
        links = {
            shard: LedgerLink(
                ActorPort(ledger_name(shard), _CALL_S), name, batch, settings.lease_ms, clock
            )
            for shard in range(settings.ledger_shards)
        }
        self._ledger = LedgerClient(
            links,
            self._identity.shard_of,
            ClosedOrders(self._engine),
            settings.request_timeout_ms // 2,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self.ports = Ports(
            self._ledger,
            self._market,
            self._identity,
            self,
            identity=self._identity,
            authorizer=authorizer,
            audit=AuditReader(self._objects, AuditIndex(self._engine)),
            audit_sink=self._audit_sink,
            encryption=self._encryption,
            external_logins=self._logins,
            form_sealer=data_keys.sealer(_FORMS),
        )

    def registry(self) -> CollectorRegistry:
        """Return a new registry with the metrics of what this replica holds open."""
        registry = CollectorRegistry()
        registry.register(self._audit_sink)
        return registry

    async def _open_in_ledger(self, command: OpenAccount, shard: int) -> None:
        await self._ledger.open_account(command, shard)

    def start(self) -> None:
        """Begin to follow the feeds."""
        self._ledger.start()
        self._audit_sink.start()
        self._tasks = [
            asyncio.create_task(self._identity.follower.follow(), name="follow auth"),
            asyncio.create_task(self._market.follower.follow(), name="follow market"),
            asyncio.create_task(self._encryption.follower.follow(), name="follow encryption"),
        ]

    async def until_ready(self, limit_s: float) -> None:
        """Wait until every check passes.

        Raises:
            ComponentUnavailable: one still fails after *limit_s* seconds.
        """
        deadline = asyncio.get_running_loop().time() + limit_s
        while problems := [text for text in self.checks().values() if text]:
            if asyncio.get_running_loop().time() > deadline:
                raise ComponentUnavailable("; ".join(problems))
            await asyncio.sleep(0.02)

    def checks(self) -> Mapping[str, str | None]:
        """Return what ``/readyz`` shows."""
        return {
            "auth": self._identity.follower.problem("auth"),
            "encryption": self._encryption.follower.problem("encryption"),
            "market": self._market.follower.problem("the market"),
        }

    async def stop(self) -> None:
        """Let go of everything."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._logins is not None:
            await self._logins.close()
        await self._audit_sink.stop()
        self._objects.close()
        await self._ledger.stop()
        self._engine.dispose()
