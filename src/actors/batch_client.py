"""The batch: commands that arrive while a call is in flight travel together in the next one."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import structlog

from tradeplane.clock import NS_PER_MS, Clock
from tradeplane.errors import (
    ComponentUnavailable,
    JournalUnavailable,
    OutcomeUnknown,
    Overloaded,
    TradeplaneError,
    from_wire,
)
from tradeplane.protocol import Envelope, Result, SubmitReply, SubmitRequest

Send = Callable[[bytes], Awaitable[bytes]]
"""Delivers a request to the actor and returns its reply.

Raises ComponentUnavailable when the actor did not get it, OutcomeUnknown when it may have.
"""

_COMPLETE = 0.9
log = structlog.get_logger()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SubmitReply).decode


class BatchSettings(msgspec.Struct, frozen=True):
    """Limits of a batch client.

    Attributes:
        batch_max: commands in one call.
        queue_max: commands that may wait in this process; more are refused as Overloaded.
        calls_in_flight_max: calls at the same time; the second starts only when the first is late.
        late_ns: age at which a call no longer holds back the next one.
        linger_ns: how long a batch may wait for those who came with the last one. When a batch
            returns, its callers tend to come back together; without this the first of them would
            leave alone, and all others wait for a whole round. A lone caller never waits.
        wait_ns: longest time from the call to the answer, retries included.
        retry_ns: pause before a failed call is repeated.
    """

    batch_max: int = 512
    queue_max: int = 4_096
    calls_in_flight_max: int = 4
    late_ns: int = 20 * NS_PER_MS
    linger_ns: int = 5 * NS_PER_MS
    wait_ns: int = 8_000 * NS_PER_MS
    retry_ns: int = 50 * NS_PER_MS


class _Item(msgspec.Struct, eq=False):
    command: msgspec.Raw
    fresh: bool
    deadline_ns: int
    done: asyncio.Future[Result]
    maybe_done: bool = False


class BatchClient:
    """One replica's way to one shell. Used from one event loop.

    A command whose call failed is sent again under the same idempotency key until its time is up,
    so a restart of the actor is a pause for the caller and not an error.

    Args:
        name: the component, for messages.
        send: delivers a request.
        settings: limits.
        clock: monotonic time.
        subscriber: the name under which this process holds leases, or empty.
        on_reply: sees every reply before the callers do, with the commands' results.
        on_failure: told when a call may have run without its reply having arrived.
    """

    def __init__(  # noqa: PLR0913  # each is an independent collaborator
        self,
        name: str,
        send: Send,
        settings: BatchSettings,
        clock: Clock,
        *,
        subscriber: str = "",
        on_reply: Callable[[SubmitReply], None] = lambda _: None,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self._name = name
        self._send = send
        self._settings = settings
        self._clock = clock
        self._subscriber = subscriber
        self._on_reply = on_reply
        self._on_failure = on_failure
        self._waiting: deque[_Item] = deque()
        self._in_flight: dict[asyncio.Task[None], int] = {}
        self._late: asyncio.TimerHandle | None = None
        self._late_at = 0.0
        self._landed_ns = 0
        self._expected = 0

    async def call(self, command: Any, *, fresh: bool) -> Result:
        """Send *command* and return its result.

        Args:
            command: one of the component's commands.
            fresh: True when its idempotency key was made for this very call.

        Raises:
            Overloaded: too many are waiting, here or there; nothing was done.
            ComponentUnavailable: the actor was not reached in time; nothing was done.
            OutcomeUnknown: it may have been done; ask by its key.
            JournalUnavailable: the database failed; nothing was done.
            RequestRefused: the component refused it.
        """
        if len(self._waiting) >= self._settings.queue_max:
            raise Overloaded(
                f"{len(self._waiting)} commands wait for {self._name}, the most is "
                f"{self._settings.queue_max}; try again"
            )
        item = _Item(
            msgspec.Raw(_encode(command)),
            fresh,
            self._clock.monotonic_ns() + self._settings.wait_ns,
            asyncio.get_running_loop().create_future(),
        )
        self._waiting.append(item)
        self._pump()
        result = await item.done
        if result.error is not None:
            raise from_wire(result.error)
        return result

    @property
    def waiting(self) -> int:
        """How many commands wait for a call."""
        return len(self._waiting)

    def _pump(self) -> None:
        """Start a call when none is in flight, or when those that are have become late."""
        now_ns = self._clock.monotonic_ns()
        while self._waiting and len(self._in_flight) < self._settings.calls_in_flight_max:
            youngest_ns = max(self._in_flight.values(), default=-(1 << 62))
            age_ns = now_ns - youngest_ns
            if age_ns < self._settings.late_ns:
                self._look_again_in(self._settings.late_ns - age_ns)
                return
            linger_ns = self._landed_ns + self._settings.linger_ns - now_ns
            if linger_ns > 0 and len(self._waiting) < self._expected * _COMPLETE:
                self._look_again_in(linger_ns)
                return
            items = [
                self._waiting.popleft()
                for _ in range(min(len(self._waiting), self._settings.batch_max))
            ]
            task = asyncio.get_running_loop().create_task(self._deliver(items))
            self._in_flight[task] = now_ns
            task.add_done_callback(functools.partial(self._landed, size=len(items)))

    def _look_again_in(self, duration_ns: int) -> None:
        loop = asyncio.get_running_loop()
        when = loop.time() + duration_ns / 1e9
        if self._late is not None:
            if self._late_at <= when:
                return
            self._late.cancel()
        self._late = loop.call_at(when, self._look_again)
        self._late_at = when

    def _look_again(self) -> None:
        self._late = None
        self._pump()

    def _landed(self, task: asyncio.Task[None], size: int) -> None:
        del self._in_flight[task]
        self._landed_ns = self._clock.monotonic_ns()
        # Those who return now will want to travel with those who wait already.
        self._expected = size + len(self._waiting)
        if not task.cancelled() and task.exception() is not None:
            log.error("batch call broke", component=self._name, exc_info=task.exception())
        self._pump()

    async def _deliver(self, items: list[_Item]) -> None:
        """Send *items* until each has a result; their time limits end it."""
        try:
            await self._send_until_settled(items)
        finally:
            for item in items:
                if not item.done.done():
                    item.done.set_exception(OutcomeUnknown(f"the call to {self._name} broke"))

    async def _send_until_settled(self, items: list[_Item]) -> None:
        while items:
            now_ns = self._clock.monotonic_ns()
            items = [item for item in items if not self._overdue(item, now_ns)]
            if not items:
                return
            envelopes = tuple(Envelope(item.command, item.fresh) for item in items)
            try:
                reply = _decode(
                    await self._send(_encode(SubmitRequest(self._subscriber, envelopes)))
                )
            except ComponentUnavailable:
                pass
            except OutcomeUnknown:
                self._on_failure()
                for item in items:
                    item.maybe_done, item.fresh = True, False
            else:
                self._on_reply(reply)
                items = self._settle(items, reply.results)
                if not items:
                    return
            await asyncio.sleep(self._settings.retry_ns / 1e9)

    def _settle(self, items: list[_Item], results: Sequence[Result]) -> list[_Item]:
        """Hand out *results*; return the items whose outcome is still open."""
        open_items = []
        for item, result in zip(items, results, strict=True):
            kind = result.error[0] if result.error else ""
            if kind == OutcomeUnknown.__name__:
                item.maybe_done, item.fresh = True, False
                open_items.append(item)
            elif item.maybe_done and kind in _SAYS_NOTHING_OF_BEFORE:
                open_items.append(item)
            elif not item.done.done():
                item.done.set_result(result)
        return open_items

    def _overdue(self, item: _Item, now_ns: int) -> bool:
        if item.done.done():
            return True
        if now_ns < item.deadline_ns:
            return False
        error: TradeplaneError
        if item.maybe_done:
            error = OutcomeUnknown(
                f"{self._name} did not answer in time; the request may have been carried out"
            )
        else:
            error = ComponentUnavailable(
                f"{self._name} is not reachable; nothing was done, try again"
            )
        item.done.set_exception(error)
        return True


_SAYS_NOTHING_OF_BEFORE = frozenset(
    error.__name__ for error in (JournalUnavailable, ComponentUnavailable, Overloaded)
)
"""Errors that leave open what an earlier attempt of the same command did."""
