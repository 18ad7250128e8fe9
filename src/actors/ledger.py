"""The ``LedgerShard`` actor: accounts, orders and positions of one shard."""

from __future__ import annotations

import asyncio

import ray

from actors.hosting import as_actor, start_shell
from actors.market_inbox import MarketInbox
from actors.names import LEDGER, MARKET, ledger_name
from actors.ray_call import ActorPort
from adapters.system_clock import SystemClock
from tradeplane.journal import Stream
from tradeplane.settings import Settings
from tradeplane.trading.ledger import Ledger
from tradeplane.trading.ledger_limits import LedgerLimits

_MARKET_CALL_S = 5.0


class LedgerShard:
    """Hosts a :class:`Ledger` in venue time; see :mod:`actors.shell` for what it guarantees.

    Args:
        settings: the installation's settings.
        shard: the shard's number, from 0.
    """

    async def __init__(self, settings: Settings, shard: int) -> None:  # type: ignore[misc]  # Ray awaits it
        limits = LedgerLimits(
            open_orders_max=settings.open_orders_max, participation=settings.participation
        )
        self._inbox = MarketInbox(
            ActorPort(MARKET, _MARKET_CALL_S),
            ledger_name(shard),
            execute=self._execute,
            applied=self._applied,
            clock=SystemClock(),
        )
        self._shell = await start_shell(
            lambda: Ledger(limits), Stream(LEDGER, shard), settings, self._inbox.now_ns
        )
        self._follow = asyncio.create_task(self._inbox.follow(), name="market")

    async def submit(self, payload: bytes) -> bytes:
        """Take a batch of commands."""
        return await self._shell.submit(payload)

    async def ask(self, payload: bytes) -> bytes:
        """Answer a query; may grant a lease."""
        return await self._shell.ask(payload)

    async def poll(self, payload: bytes) -> bytes:
        """Serve the feed; also an acknowledgement."""
        return await self._shell.poll(payload)

    async def history(self, payload: bytes) -> bytes:
        """Serve journaled events."""
        return await self._shell.history(payload)

    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]  # Ray leaves it untyped
    async def ping(self) -> str | None:
        """Return None when commands can be taken, else what is wrong."""
        return self._shell.check() or self._inbox.check()

    async def _execute(self, command: object) -> object:
        return await self._shell.execute(command)

    def _applied(self) -> int:
        ledger = self._shell.component
        assert isinstance(ledger, Ledger), "this actor hosts a ledger"
        return ledger.market_sequence


LedgerShardActor = as_actor(LedgerShard)
