"""The batch client: one call for those who wait, limits, and an error for each way to fail."""

import asyncio

import msgspec
import pytest
import uvloop

from actors.batch_client import BatchClient, BatchSettings
from adapters.system_clock import SystemClock
from tradeplane.auth.commands import RevokeKey
from tradeplane.auth.principal import Origin
from tradeplane.auth.replies import Done
from tradeplane.clock import NS_PER_MS
from tradeplane.errors import (
    ComponentUnavailable,
    JournalUnavailable,
    NotFound,
    OutcomeUnknown,
    Overloaded,
    TradeplaneError,
    to_wire,
)
from tradeplane.protocol import Result, SubmitReply, SubmitRequest


def revoke(key_id: str) -> RevokeKey:
    return RevokeKey(by=Origin(), key_id=key_id, tenant_id="")


DONE = Result(reply=msgspec.Raw(msgspec.msgpack.encode(Done())))


class Actor:
    """Plays back one answer a call: results, an error to raise, or a default of success."""

    def __init__(self, *script: TradeplaneError | list[TradeplaneError | None]) -> None:
        self.script = list(script)
        self.calls: list[SubmitRequest] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def send(self, payload: bytes) -> bytes:
        request = msgspec.msgpack.decode(payload, type=SubmitRequest)
        self.calls.append(request)
        step = self.script.pop(0) if self.script else None
        await self.gate.wait()
        if isinstance(step, TradeplaneError):
            raise step
        results = [
            Result(error=to_wire(error)) if error else DONE
            for error in step or [None] * len(request.envelopes)
        ]
        return msgspec.msgpack.encode(SubmitReply(1, 0, tuple(results)))


def client(actor: Actor, **limits: int) -> BatchClient:
    settings = BatchSettings(**{"wait_ns": 300 * NS_PER_MS, "retry_ns": 5 * NS_PER_MS, **limits})
    return BatchClient("auth", actor.send, settings, SystemClock())


def sizes(actor: Actor) -> list[int]:
    return [len(call.envelopes) for call in actor.calls]


async def test_a_lone_caller_pays_no_delay() -> None:
    actor = Actor()

    await client(actor).call(revoke("a"), fresh=True)

    assert sizes(actor) == [1]


async def test_callers_that_wait_travel_together_and_in_order() -> None:
    actor = Actor()
    actor.gate.clear()
    batch = client(actor, late_ns=60_000 * NS_PER_MS)
    calls = [
        asyncio.create_task(batch.call(revoke(str(number)), fresh=True)) for number in range(50)
    ]
    await asyncio.sleep(0.01)
    actor.gate.set()
    await asyncio.gather(*calls)

    assert sizes(actor) == [1, 49]
    keys = [
        msgspec.msgpack.decode(envelope.command, type=RevokeKey).key_id
        for call in actor.calls
        for envelope in call.envelopes
    ]
    assert keys == [str(number) for number in range(50)]


def test_callers_in_rounds_travel_together_on_the_loop_of_production() -> None:
    actor = Actor()

    async def rounds(batch: BatchClient, caller: int) -> None:
        for number in range(20):
            await batch.call(revoke(f"{caller}-{number}"), fresh=True)

    async def main() -> None:
        actor.gate = asyncio.Event()
        actor.gate.set()
        batch = client(actor)
        await asyncio.gather(*(rounds(batch, caller) for caller in range(16)))

    uvloop.run(main())

    assert sum(sizes(actor)) == 320
    assert len(sizes(actor)) < 100, "most rounds are one call"


async def test_a_batch_is_never_larger_than_its_limit() -> None:
    actor = Actor()
    actor.gate.clear()
    batch = client(actor, batch_max=8, late_ns=60_000 * NS_PER_MS)
    calls = [
        asyncio.create_task(batch.call(revoke(str(number)), fresh=True)) for number in range(30)
    ]
    await asyncio.sleep(0.01)
    actor.gate.set()
    await asyncio.gather(*calls)

    assert max(sizes(actor)) == 8
    assert sum(sizes(actor)) == 30


async def test_a_late_call_does_not_hold_back_the_others() -> None:
    actor = Actor()
    actor.gate.clear()
    batch = client(actor, late_ns=10 * NS_PER_MS, calls_in_flight_max=2)
    calls = [asyncio.create_task(batch.call(revoke("a"), fresh=True))]
    await asyncio.sleep(0)
    calls.append(asyncio.create_task(batch.call(revoke("b"), fresh=True)))
    await asyncio.sleep(0.05)
    calls.append(asyncio.create_task(batch.call(revoke("c"), fresh=True)))
    await asyncio.sleep(0.05)

    assert sizes(actor) == [1, 1], "the third waits: two calls in flight are the limit"
    actor.gate.set()
    await asyncio.gather(*calls)


async def test_over_the_queue_limit_nothing_is_sent() -> None:
    actor = Actor()
    actor.gate.clear()
    batch = client(actor, queue_max=3, late_ns=60_000 * NS_PER_MS)
    calls = [asyncio.create_task(batch.call(revoke(str(n)), fresh=True)) for n in range(4)]
    await asyncio.sleep(0.01)

    with pytest.raises(Overloaded, match="the most is 3"):
        await batch.call(revoke("too many"), fresh=True)
    actor.gate.set()
    await asyncio.gather(*calls)
    assert sum(sizes(actor)) == 4


async def test_each_result_reaches_its_own_caller() -> None:
    actor = Actor([NotFound("no such key")], [None])
    batch = client(actor)

    with pytest.raises(NotFound, match="no such key"):
        await batch.call(revoke("a"), fresh=True)
    await batch.call(revoke("b"), fresh=True)


async def test_an_actor_that_restarts_is_a_pause_and_the_repeat_is_not_fresh() -> None:
    actor = Actor(OutcomeUnknown("died"), ComponentUnavailable("not yet"))

    await client(actor).call(revoke("a"), fresh=True)

    assert [call.envelopes[0].fresh for call in actor.calls] == [True, False, False]


async def test_a_commit_of_unknown_outcome_is_asked_again() -> None:
    actor = Actor([OutcomeUnknown("commit broke")], [JournalUnavailable("rebuilding")])

    await client(actor).call(revoke("a"), fresh=True)

    assert [call.envelopes[0].fresh for call in actor.calls] == [True, False, False]


async def test_a_database_failure_reaches_the_caller_as_itself() -> None:
    actor = Actor([JournalUnavailable("disk full")])

    with pytest.raises(JournalUnavailable, match="disk full"):
        await client(actor).call(revoke("a"), fresh=True)
    assert len(actor.calls) == 1


async def test_an_actor_that_was_never_reached_is_told_from_one_that_may_have_run() -> None:
    never = Actor(*[ComponentUnavailable("gone")] * 1_000)
    maybe = Actor(OutcomeUnknown("died"), *[ComponentUnavailable("gone")] * 1_000)

    with pytest.raises(ComponentUnavailable, match="nothing was done"):
        await client(never).call(revoke("a"), fresh=True)
    with pytest.raises(OutcomeUnknown, match="may have been carried out"):
        await client(maybe).call(revoke("a"), fresh=True)


async def test_a_caller_that_left_before_the_call_is_not_sent() -> None:
    actor = Actor()
    actor.gate.clear()
    batch = client(actor, late_ns=60_000 * NS_PER_MS)
    first = asyncio.create_task(batch.call(revoke("a"), fresh=True))
    await asyncio.sleep(0.01)
    second = asyncio.create_task(batch.call(revoke("b"), fresh=True))
    await asyncio.sleep(0.01)
    second.cancel()
    actor.gate.set()
    await first
    await asyncio.sleep(0.02)

    assert sizes(actor) == [1]
