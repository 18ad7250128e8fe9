"""The ``Market`` actor: replays the market data on the venue's clock and publishes it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import ray
import structlog

from actors.hosting import as_actor, start_shell
from actors.names import MARKET
from adapters.marketdata.parquet_store import ParquetMarketData
from adapters.system_clock import SystemClock
from tradeplane.clock import NS_PER_S
from tradeplane.errors import TradeplaneError
from tradeplane.journal import Stream
from tradeplane.settings import Settings
from tradeplane.trading.replay import Advance, Recover, Replay, ReplayAdvanced, ReplaySettings

_BEAT_S = 5.0
_LONGEST_SLEEP_S = 1.0
log = structlog.get_logger()


class Market:
    """Hosts :class:`Replay` and drives it by the wall clock.

    Args:
        settings: the installation's settings.
    """

    async def __init__(self, settings: Settings) -> None:  # type: ignore[misc]  # Ray awaits it
        data = await asyncio.to_thread(ParquetMarketData, Path(settings.home))
        replay = ReplaySettings(
            first_session=settings.replay_first_session,
            last_session=settings.replay_last_session,
            rate=settings.replay_rate,
            closed_wall_ms=settings.replay_closed_ms,
            seed=settings.replay_seed,
        )
        self._clock = SystemClock()
        self._shell = await start_shell(lambda: Replay(data, replay), Stream(MARKET), settings)
        self._heartbeat = self._shell.heartbeat()
        last_beat_ns = await self._heartbeat.start()
        if last_beat_ns is not None:
            await self._shell.execute(Recover(last_beat_ns))
        await self._advance()
        self._tasks = [
            asyncio.create_task(self._drive(), name="clock"),
            asyncio.create_task(self._keep_beating(), name="beat"),
        ]

    async def submit(self, payload: bytes) -> bytes:
        """Take a batch of commands: pause, resume, set the clock or its rate."""
        return await self._shell.submit(payload)

    async def ask(self, payload: bytes) -> bytes:
        """Answer a query."""
        return await self._shell.ask(payload)

    async def poll(self, payload: bytes) -> bytes:
        """Serve the feed."""
        return await self._shell.poll(payload)

    async def history(self, payload: bytes) -> bytes:
        """Serve journaled events."""
        return await self._shell.history(payload)

    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]  # Ray leaves it untyped
    async def ping(self) -> str | None:
        """Return None when commands can be taken, else what is wrong."""
        return self._shell.check()

    async def _advance(self) -> None:
        behind = True
        while behind:
            reply = await self._shell.execute(Advance())
            behind = isinstance(reply, ReplayAdvanced) and reply.behind

    async def _drive(self) -> None:
        """Advance whenever something is due; a failure is logged and tried again."""
        while True:
            now_ns = self._clock.wall_ns()
            replay = self._shell.component
            assert isinstance(replay, Replay), "this actor hosts the replay"
            due_ns = replay.next_due_ns(now_ns)
            # Commands may change what is due, so no sleep is long.
            await asyncio.sleep(min(max((due_ns - now_ns) / NS_PER_S, 0.001), _LONGEST_SLEEP_S))
            if self._clock.wall_ns() < due_ns:
                continue
            try:
                await self._advance()
            except TradeplaneError as error:
                log.warning("the market could not advance", why=str(error))
                await asyncio.sleep(0.25)

    async def _keep_beating(self) -> None:
        """Say every few seconds that the clock is running: after a crash it goes on from there."""
        while True:
            await self._heartbeat.beat()
            await asyncio.sleep(_BEAT_S)


MarketActor = as_actor(Market)
