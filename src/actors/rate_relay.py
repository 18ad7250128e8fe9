"""The ``RateRelay`` actor and its clients: the nodes' request counts, a few times a second.

It holds nothing that outlives a minute, so it has no journal: after a restart the next reports,
which carry totals, tell it everything again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

import msgspec
import ray
import structlog

from actors.hosting import as_actor
from actors.ray_call import ActorPort
from policies.rate_exchange import RateExchange
from policies.rate_limits import WINDOW_S
from tradeplane.clock import NS_PER_S, Clock
from tradeplane.errors import ServiceFailed

INTERVAL_S = 0.2
"""How often a process reports while other nodes do."""

ALONE_INTERVAL_S = 2.0
"""How often it looks whether there are other nodes."""

log = structlog.get_logger()


class Report(msgspec.Struct, frozen=True, array_like=True):
    """What one process let pass in one window; the keys are digests."""

    node: str
    process: str
    window: int
    totals: dict[int, int]


class Elsewhere(msgspec.Struct, frozen=True, array_like=True):
    """What other nodes let pass, and how many nodes there are."""

    totals: dict[int, int]
    nodes: int


class Counts(Protocol):
    """What a client needs of :class:`serve.shared_counts.SharedCounts`."""

    def own_totals(self, window: int) -> dict[int, int]:
        """Return what this process let pass in *window*, by the digest of the key."""

    def hear(self, window: int, elsewhere: Mapping[int, int]) -> None:
        """Take what other nodes let pass in *window*, by the digest of the key."""


class RateRelay:
    """Hosts :class:`policies.rate_exchange.RateExchange`."""

    def __init__(self) -> None:
        self._exchange = RateExchange()

    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]  # Ray leaves it untyped
    async def ping(self) -> str | None:
        """Return None: it takes reports from its first moment."""
        return None

    async def report(self, payload: bytes) -> bytes:
        """Take a :class:`Report` and answer with an :class:`Elsewhere`."""
        told = msgspec.msgpack.decode(payload, type=Report)
        totals = self._exchange.report(told.node, told.process, told.window, told.totals)
        return msgspec.msgpack.encode(Elsewhere(totals, self._exchange.nodes(told.window)))


RateRelayActor = as_actor(RateRelay)


class RateReporter:
    """Reports this process's counts in the background, and takes in what others have.

    No request waits for it. While the relay is away each node goes by what it heard last and by
    its own counts, so a limit may be overshot until it is back, by the other nodes' requests.

    Args:
        counts: this process's counts.
        port: the relay.
        node: where this process runs.
        process: its name, never used twice.
        clock: wall time.
    """

    def __init__(
        self, counts: Counts, port: ActorPort, node: str, process: str, clock: Clock
    ) -> None:
        self._counts = counts
        self._port = port
        self._node = node
        self._process = process
        self._clock = clock
        self._silent = False

    async def run(self) -> None:
        """Report until cancelled."""
        while True:
            try:
                nodes = await self.exchange()
                self._silent = False
            except ServiceFailed as error:
                if not self._silent:
                    log.warning("request counts of other nodes are not known", why=error.message)
                self._silent = True
                nodes = 1
            await asyncio.sleep(INTERVAL_S if nodes > 1 else ALONE_INTERVAL_S)

    async def exchange(self) -> int:
        """Report once; return how many nodes take part.

        Raises:
            ServiceFailed: the relay did not answer.
        """
        window = self._clock.wall_ns() // NS_PER_S // WINDOW_S
        # All of them each time: the relay may have started anew and know nothing.
        totals = self._counts.own_totals(window)
        report = Report(self._node, self._process, window, totals)
        answer = await self._port.call("report", msgspec.msgpack.encode(report))
        elsewhere = msgspec.msgpack.decode(answer, type=Elsewhere)
        self._counts.hear(window, elsewhere.totals)
        return elsewhere.nodes
