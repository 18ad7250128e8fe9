"""Concurrent writers and readers on different replicas: a read contains what was acknowledged.

Everything is real but the network: the shell, the ledger, the leases, the batch clients and the
mirrors. The network delays, loses answers, and lets whole replicas pause for longer than a lease.
"""

import asyncio
import random
import time
from collections.abc import Callable
from decimal import Decimal

import pytest

from actors.batch_client import BatchSettings
from actors.ledger_client import LedgerLink
from actors.shell import Shell, ShellSettings
from adapters.database.memory_journal import MemoryJournal
from adapters.system_clock import SystemClock
from tradeplane.clock import NS_PER_MS
from tradeplane.errors import OutcomeUnknown, TradeplaneError
from tradeplane.journal import Stream
from tradeplane.trading.commands import OpenAccount, PlaceOrder
from tradeplane.trading.ledger import Ledger
from tradeplane.trading.ledger_limits import LedgerLimits

LEASE_MS = 60
ACCOUNT = "11111111-1111-4111-8111-111111111111"


class Network:
    """Delivers calls to whichever shell is up, late, and sometimes loses the answer."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.shell: Shell | None = None
        self.paused: set[str] = set()
        self.cut_off: dict[str, Shell] = {}
        self.lossy = True

    def port(self, replica: str) -> "Port":
        return Port(self, replica)


class Port:
    """Stands where :class:`actors.ray_call.ActorPort` stands."""

    actor_name = "ledger-0"

    def __init__(self, network: Network, replica: str) -> None:
        self._network = network
        self._replica = replica

    async def call(self, method: str, payload: bytes) -> bytes:
        network = self._network
        await self._delay()
        shell = network.cut_off.get(self._replica, network.shell)
        if shell is None:
            raise OutcomeUnknown("no shard is up")
        answer = await getattr(shell, method)(payload)
        await self._delay()
        if network.cut_off.get(self._replica, network.shell) is not shell:
            raise OutcomeUnknown("the shard died before it answered")
        if network.lossy and network.random.random() < 0.02:
            raise OutcomeUnknown("the answer was lost")
        return bytes(answer)

    async def _delay(self) -> None:
        if self._network.random.random() < 0.5:
            await asyncio.sleep(self._network.random.random() * 0.004)
        while self._replica in self._network.paused:
            await asyncio.sleep(0.005)


def make_shell(journal: MemoryJournal) -> Shell:
    return Shell(
        lambda: Ledger(LedgerLimits()),
        Stream("ledger"),
        journal,
        SystemClock(),
        ShellSettings(lease_ns=LEASE_MS * NS_PER_MS, verify_ns=20 * NS_PER_MS, retry_ns=NS_PER_MS),
    )


def order(number: int) -> PlaceOrder:
    name = f"00000000-0000-4000-8000-{number:012d}"
    return PlaceOrder(ACCOUNT, name, name, "AAPL", "buy", "limit", "gtc", Decimal(1), Decimal(1))


class History:
    """Every acknowledged write, and every read with what it had to contain."""

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self.attempted = 0
        self.reads = 0
        self.stale: list[str] = []


async def write(link: LedgerLink, history: History, until: float) -> None:
    while time.monotonic() < until:
        history.attempted += 1
        command = order(history.attempted)
        try:
            await link.batch.call(command, fresh=True)
        except TradeplaneError:
            continue
        history.acknowledged.add(command.order_id)


async def read(link: LedgerLink, history: History, until: float) -> None:
    while time.monotonic() < until:
        before = set(history.acknowledged)
        account = await link.account(ACCOUNT, 3_000 * NS_PER_MS)
        missing = before - account.open_orders.keys()
        history.reads += 1
        if missing:
            history.stale.append(f"a read misses {sorted(missing)[:3]} of {len(before)}")
        await asyncio.sleep(0)
        if history.reads % 7 == 0:
            await asyncio.sleep(0.001)


async def disturb_by_pauses(network: Network, until: float) -> None:
    """Pause one replica after another, for longer than a lease."""
    while time.monotonic() < until:
        replica = network.random.choice(["r0", "r1", "r2"])
        network.paused.add(replica)
        await asyncio.sleep(LEASE_MS / 1_000 * (0.5 + 2 * network.random.random()))
        network.paused.discard(replica)
        await asyncio.sleep(0.03)


async def play(seed: int, journal_of: Callable[[], MemoryJournal], *, restarts: bool) -> History:
    network = Network(seed)
    network.shell = make_shell(journal_of())
    await network.shell.start()
    await network.shell.execute(OpenAccount(ACCOUNT, "tenant", "PA1", Decimal(1_000_000)))
    batch = BatchSettings(wait_ns=2_000 * NS_PER_MS, retry_ns=2 * NS_PER_MS)
    links = [
        LedgerLink(network.port(name), name, batch, LEASE_MS, SystemClock())  # type: ignore[arg-type]
        for name in ("r0", "r1", "r2")
    ]
    followers = [asyncio.create_task(link.follow()) for link in links]
    history = History()
    until = time.monotonic() + 1.5
    work = [write(link, history, until) for link in links]
    work += [read(link, history, until) for link in links]
    work.append(disturb_by_pauses(network, until))
    if restarts:
        work.append(disturb_by_restarts(network, journal_of, until))
    await asyncio.gather(*work)
    for follower in followers:
        follower.cancel()
    await asyncio.gather(*followers, return_exceptions=True)
    assert network.shell is not None
    await network.shell.stop()
    return history


async def disturb_by_restarts(
    network: Network, journal_of: Callable[[], MemoryJournal], until: float
) -> None:
    """Let a new copy take over while the old one still serves one replica: a partition."""
    while time.monotonic() + 0.5 < until:
        await asyncio.sleep(0.2)
        old = network.shell
        assert old is not None
        isolated = network.random.choice(["r0", "r1", "r2"])
        network.cut_off[isolated] = old
        network.shell = None
        new = make_shell(journal_of())
        await new.start()
        network.shell = new
        await asyncio.sleep(LEASE_MS / 1_000 * 3 * network.random.random())
        del network.cut_off[isolated]
        await old.stop()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("restarts", [False, True], ids=["pauses", "pauses and restarts"])
async def test_no_read_misses_an_acknowledged_write(seed: int, restarts: bool) -> None:
    store = MemoryJournal()

    history = await play(seed, store.reopened, restarts=restarts)

    assert not history.stale
    assert len(history.acknowledged) > 20, "the test must have written"
    assert history.reads > 100, "and read"
