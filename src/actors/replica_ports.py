"""The ports of one API replica: what the edge sees of the actors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from pathlib import Path

from actors.auth_manager import AuthManager
from actors.batch_client import BatchSettings
from actors.follower import Follower
from actors.ledger_client import LedgerClient, LedgerLink
from actors.names import AUTH, MARKET, ledger_name
from actors.ray_call import ActorPort
from actors.topology import subscriber_name
from adapters.database.closed_orders import ClosedOrders
from adapters.database.engine import open_database
from adapters.marketdata.parquet_store import ParquetMarketData
from adapters.system_clock import SystemClock
from tradeplane.clock import NS_PER_MS, NS_PER_S
from tradeplane.errors import ComponentUnavailable
from tradeplane.ports import Ports
from tradeplane.settings import Settings, issuer
from tradeplane.trading.bars import MarketData
from tradeplane.trading.commands import OpenAccount
from tradeplane.trading.market import MarketEvent, MarketView
from tradeplane.trading.replay import GetMarketView, MarketViewFound

_CALL_S = 1.5
_DESK_CALL_S = 10.0
_SILENT_NS = 5 * NS_PER_S


class ReplicaMarket:
    """Satisfies :class:`tradeplane.ports.Market`: the view, kept by the market actor's feed."""

    def __init__(
        self, data: MarketData, port: ActorPort, subscriber: str, clock: SystemClock
    ) -> None:
        self._data = data
        self._clock = clock
        self._view: MarketView | None = None
        self.follower = Follower(
            port,
            subscriber,
            query=GetMarketView(),
            reply_type=MarketViewFound,
            event_type=MarketEvent,
            install=self._install,
            evolve=self._evolve,
            clock=clock,
        )

    @property
    def data(self) -> MarketData:
        """The historical data behind the replay."""
        return self._data

    def _install(self, found: MarketViewFound) -> None:
        self._view = found.view

    def _evolve(self, event: MarketEvent) -> None:
        if self._view is not None:
            self._view.evolve(event)

    def view(self) -> MarketView:
        """Return the current view."""
        if self._view is None or self._view.segment is None:
            raise ComponentUnavailable("the market has not arrived yet; try again")
        return self._view

    def now_ns(self) -> int:
        """Return the venue time."""
        segment = self.view().segment
        assert segment is not None, "view() has checked it"
        return segment.venue_at(self._clock.wall_ns())


class ReplicaPorts:
    """Everything a replica holds open; it starts, is checked and stops as one.

    Args:
        settings: the installation's settings.
    """

    def __init__(self, settings: Settings) -> None:
        clock = SystemClock()
        name = subscriber_name("api")
        data = ParquetMarketData(Path(settings.home))
        self._identity = AuthManager(
            ActorPort(AUTH, _CALL_S),
            ActorPort(AUTH, _DESK_CALL_S),
            subscriber=name,
            issuer=issuer(settings),
            clock=clock,
            open_in_ledger=self._open_in_ledger,
            shards=settings.ledger_shards,
            wait_ms=settings.request_timeout_ms * 8 // 10,
        )
        self._market = ReplicaMarket(data, ActorPort(MARKET, _CALL_S), name, clock)
        self._engine = open_database(settings.database_url)
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
            self._ledger, self._market, self._identity, self, identity=self._identity
        )

    async def _open_in_ledger(self, command: OpenAccount, shard: int) -> None:
        await self._ledger.open_account(command, shard)

    def start(self) -> None:
        """Begin to follow the feeds."""
        self._ledger.start()
        self._tasks = [
            asyncio.create_task(self._identity.follower.follow(), name="follow auth"),
            asyncio.create_task(self._market.follower.follow(), name="follow market"),
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
            "auth": _silence("auth", self._identity.follower),
            "market": _silence("the market", self._market.follower),
        }

    async def stop(self) -> None:
        """Let go of everything."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._ledger.stop()
        self._engine.dispose()


def _silence(name: str, follower: Follower) -> str | None:
    silent_ns = follower.silent_ns()
    if silent_ns is None:
        return f"{name} has not been heard yet"
    if silent_ns > _SILENT_NS:
        return f"{name} has been silent for {silent_ns // NS_PER_S} s"
    return None
