"""The reports of request counts, on a relay in the same process."""

import asyncio

import pytest

from actors.rate_relay import RateRelay, RateReporter
from serve.shared_counts import SharedCounts
from tradeplane.clock import NS_PER_S, FakeClock
from tradeplane.errors import ComponentUnavailable

MINUTE_NS = 60 * NS_PER_S


class Port:
    """Calls the relay, unless it is away."""

    def __init__(self, relay: RateRelay) -> None:
        self.relay = relay
        self.away = False
        self.calls = 0
        self.called = asyncio.Event()

    async def call(self, method: str, payload: bytes) -> bytes:
        self.calls += 1
        self.called.set()
        if self.away:
            raise ComponentUnavailable("rates is not running; try again")
        return await getattr(self.relay, method)(payload)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def replica(tmp_path, clock):
    opened = []

    def make(port: Port, node: str, name: str) -> tuple[SharedCounts, RateReporter]:
        folder = tmp_path / node
        folder.mkdir(exist_ok=True)
        counts = SharedCounts(folder)
        opened.append(counts)
        return counts, RateReporter(counts, port, node, name, clock)

    yield make
    for counts in opened:
        counts.close()


def window_of(clock: FakeClock) -> int:
    return clock.wall_ns() // MINUTE_NS


async def test_nodes_hear_of_each_others_requests_and_not_of_their_own_twice(replica, clock):
    port = Port(RateRelay())
    (one, report_one), (same, report_same) = replica(port, "a", "1"), replica(port, "a", "2")
    far, report_far = replica(port, "b", "3")
    window = window_of(clock)
    for counts, times in ((one, 3), (same, 4), (far, 5)):
        for _ in range(times):
            counts.add("key", window)

    for _ in range(2):
        nodes = [await each.exchange() for each in (report_one, report_same, report_far)]

    assert nodes == [2, 2, 2]
    assert [counts.passed("key", window) for counts in (one, same, far)] == [12, 12, 12]
    clock.advance(MINUTE_NS)
    assert far.passed("key", window_of(clock)) == 0


async def test_a_relay_that_starts_anew_is_told_everything_again(replica, clock):
    port = Port(RateRelay())
    (one, report_one), (far, report_far) = replica(port, "a", "1"), replica(port, "b", "2")
    window = window_of(clock)
    one.add("key", window)
    far.add("key", window)
    await report_one.exchange()

    port.relay = RateRelay()
    await report_one.exchange()
    await report_far.exchange()

    assert far.passed("key", window) == 2


async def test_while_the_relay_is_away_nothing_stops(replica, clock, monkeypatch):
    monkeypatch.setattr("actors.rate_relay.ALONE_INTERVAL_S", 0.001)
    port = Port(RateRelay())
    port.away = True
    counts, reporter = replica(port, "a", "1")
    counts.add("key", window_of(clock))
    running = asyncio.create_task(reporter.run())
    for _ in range(3):
        port.called.clear()
        await port.called.wait()
    port.away = False
    for _ in range(2):
        port.called.clear()
        await port.called.wait()

    assert not running.done()
    assert counts.passed("key", window_of(clock)) == 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
