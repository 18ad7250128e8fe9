"""Everything a stream replica holds open: keys, the market, and the events of accounts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from actors.account_feed import AccountFeed, OnEvent
from actors.auth_manager import AuthManager
from actors.names import AUTH, MARKET, ledger_name
from actors.ray_call import ActorPort
from actors.replica_market import ReplicaMarket
from actors.topology import subscriber_name
from adapters.marketdata.parquet_store import ParquetMarketData
from adapters.system_clock import SystemClock
from policies.authorization.authorizer import packaged_authorizer
from tradeplane.errors import ComponentUnavailable, NotFound
from tradeplane.settings import Settings, issuer
from tradeplane.stream_ports import StreamPorts
from tradeplane.trading.account import Account
from tradeplane.trading.commands import OpenAccount
from tradeplane.trading.events import AccountEvent
from tradeplane.trading.market import MarketEvent

_CALL_S = 1.5


class StreamReplica:
    """It starts, is checked and stops as one.

    Args:
        settings: the installation's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._on_account_event: OnEvent = _nobody
        self._on_market_event: Callable[[MarketEvent], None] = _nobody
        clock = SystemClock()
        name = subscriber_name("stream")
        data = ParquetMarketData(Path(settings.home))
        self._identity = AuthManager(
            ActorPort(AUTH, _CALL_S),
            ActorPort(AUTH, _CALL_S),
            subscriber=name,
            issuer=issuer(settings),
            clock=clock,
            open_in_ledger=_opens_nothing,
            shards=settings.ledger_shards,
            authorizer=packaged_authorizer(),
        )
        market = ActorPort(MARKET, _CALL_S)
        self._market = ReplicaMarket(data, market, name, clock, self._market_event)
        self._feeds = {
            shard: AccountFeed(
                ActorPort(ledger_name(shard), _CALL_S),
                name,
                self._account_event,
            )
            for shard in range(settings.ledger_shards)
        }
        self._tasks: list[asyncio.Task[Any]] = []
        self.ports = StreamPorts(self._identity, self._market, self, self)

    def listen(
        self, on_account_event: OnEvent, on_market_event: Callable[[MarketEvent], None]
    ) -> None:
        """Tell these of each event of the followed accounts, and of the market, from now on."""
        self._on_account_event = on_account_event
        self._on_market_event = on_market_event

    def _account_event(self, account: Account, event: AccountEvent, closed: Any) -> None:
        self._on_account_event(account, event, closed)

    def _market_event(self, event: MarketEvent) -> None:
        self._on_market_event(event)

    async def join(self, account_id: str) -> Account:
        """Follow an account; see :class:`tradeplane.stream_ports.AccountEvents`."""
        return await self._feed(account_id).join(account_id)

    def leave(self, account_id: str) -> None:
        """Take one :meth:`join` back."""
        self._feed(account_id).leave(account_id)

    def _feed(self, account_id: str) -> AccountFeed:
        shard = self._identity.shard_of(account_id)
        if shard not in self._feeds:
            raise NotFound(f"account not found for {account_id}")
        return self._feeds[shard]

    def start(self) -> None:
        """Begin to follow."""
        self._tasks = [
            asyncio.create_task(self._identity.follower.follow(), name="follow auth"),
            asyncio.create_task(self._market.follower.follow(), name="follow market"),
            *(
                asyncio.create_task(feed.follow(), name=f"follow ledger {shard}")
                for shard, feed in self._feeds.items()
            ),
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
            "market": self._market.follower.problem("the market"),
        }

    async def stop(self) -> None:
        """Let go of everything."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)


def _nobody(*_: object) -> None:
    """Hear and do nothing: the application is not there yet."""


async def _opens_nothing(command: OpenAccount, shard: int) -> None:
    del command, shard
    raise ComponentUnavailable("accounts are opened by the API, not on a stream")
