"""The sink of a replica: bounded, in batches, each once, and honest about what it dropped."""

import asyncio

import msgspec
import pytest
from audit_files import entry
from prometheus_client import CollectorRegistry, generate_latest

from actors.audit_sink import BATCH_MAX, ReplicaAuditSink
from actors.shell import Shell, ShellSettings
from adapters.database.memory_journal import MemoryJournal
from tradeplane.audit.commands import GetPublication
from tradeplane.audit.document import read_record
from tradeplane.audit.entry_bundle import decode_bundle
from tradeplane.audit.log import AuditLog
from tradeplane.clock import FakeClock
from tradeplane.errors import (
    ComponentUnavailable,
    LimitReached,
    OutcomeUnknown,
    TradeplaneError,
    to_wire,
)
from tradeplane.journal import Stream
from tradeplane.protocol import Result, SubmitReply


class Port:
    """The audit actor, with calls that fail before or after they ran."""

    actor_name = "audit"

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.before: list[TradeplaneError | None] = []
        self.after: list[TradeplaneError | None] = []
        self.refusal: TradeplaneError | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.calls = 0

    async def call(self, method: str, payload: bytes) -> bytes:
        self.calls += 1
        await self.gate.wait()
        if self.before and (failure := self.before.pop(0)) is not None:
            raise failure
        if self.refusal is not None:
            result = Result(error=to_wire(self.refusal))
            return msgspec.msgpack.encode(SubmitReply(1, 0, (result,)))
        answer: bytes = await getattr(self.shell, method)(payload)
        if self.after and (failure := self.after.pop(0)) is not None:
            raise failure
        return answer


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("actors.audit_sink._RETRY_S", 0.001)
    monkeypatch.setattr("actors.audit_sink._LINGER_S", 0.0)
    shell = Shell(AuditLog, Stream("audit"), MemoryJournal(), FakeClock(), ShellSettings())
    await shell.start()
    yield Port(shell)
    await shell.stop()


async def logged(port: Port) -> list[str]:
    found = await port.shell.look(GetPublication(0))
    entries = [
        one
        for path, content in found.objects
        if path.startswith("tile/entries/")
        for one in decode_bundle(content)
    ]
    return [f"{read_record(one).action} {read_record(one).target_id[-4:]}" for one in entries]


async def test_what_was_observed_is_in_the_log_in_its_order(port: Port) -> None:
    sink = ReplicaAuditSink(port, FakeClock())
    sink.start()
    for number in range(BATCH_MAX * 2 + 3):
        sink.observe(entry(number))

    while sink.accepted < BATCH_MAX * 2 + 3:
        await asyncio.sleep(0.001)
    await sink.stop()

    assert await logged(port) == [
        f"order.accepted {number:04d}" for number in range(BATCH_MAX * 2 + 3)
    ]
    assert port.calls == 3


async def test_a_batch_whose_answer_was_lost_is_in_the_log_once(port: Port) -> None:
    sink = ReplicaAuditSink(port, FakeClock())
    port.before = [ComponentUnavailable("not there")]
    port.after = [OutcomeUnknown("it died"), OutcomeUnknown("it died again")]
    sink.observe(entry(1))

    await sink.flush()

    assert await logged(port) == ["order.accepted 0001"]
    assert port.calls == 4


async def test_what_does_not_fit_is_dropped_counted_and_told_in_the_log(port: Port) -> None:
    sink = ReplicaAuditSink(port, FakeClock(), waiting_max=3)
    for number in range(10):
        sink.observe(entry(number))

    await sink.flush()

    assert sink.dropped == 7
    assert await logged(port) == [
        "order.accepted 0000", "order.accepted 0001", "order.accepted 0002", "audit.dropped ",
    ]  # fmt: skip


async def test_a_sink_that_is_stopped_in_the_middle_of_a_call_doubles_nothing(port: Port) -> None:
    sink = ReplicaAuditSink(port, FakeClock())
    sink.start()
    port.after = [OutcomeUnknown("lost")] * 3
    sink.observe(entry(1))
    while port.calls < 2:
        await asyncio.sleep(0)

    await sink.stop()

    assert await logged(port) == ["order.accepted 0001"]


async def test_a_sink_that_stops_while_the_log_is_away_says_what_it_lost(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.audit_sink._LAST_CALL_S", 0.02)
    sink = ReplicaAuditSink(port, FakeClock())
    port.gate.clear()
    sink.start()
    for number in range(4):
        sink.observe(entry(number))
    while not port.calls:
        await asyncio.sleep(0)

    await sink.stop()

    assert sink.dropped == 4


async def test_a_refused_batch_is_counted_and_does_not_stop_the_next(port: Port) -> None:
    sink = ReplicaAuditSink(port, FakeClock())
    port.refusal = LimitReached("too many")
    sink.observe(entry(1))
    await sink.flush()
    port.refusal = None
    sink.observe(entry(2))
    await sink.flush()

    assert (sink.dropped, sink.accepted) == (1, 1)
    assert await logged(port) == ["order.accepted 0002"]


async def test_the_counts_are_metrics(port: Port) -> None:
    sink = ReplicaAuditSink(port, FakeClock(), waiting_max=1)
    registry = CollectorRegistry()
    registry.register(sink)  # type: ignore[arg-type]
    sink.observe(entry(1))
    sink.observe(entry(2))

    text = generate_latest(registry).decode()

    assert "tradeplane_audit_entries_dropped_total 1.0" in text
    assert "tradeplane_audit_entries_waiting 1.0" in text
