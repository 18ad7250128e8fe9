"""How a replica hands in what it saw and nobody journaled: denials, the use of keys, reads."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections import deque
from collections.abc import Callable, Iterator

import msgspec
import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from actors.batch_run import reply_of
from actors.call_port import CallPort
from tradeplane.audit.commands import AuditReply, ObserveEntries
from tradeplane.audit.entry import AuditEntry
from tradeplane.auth.principal import HOME_TENANT, Origin
from tradeplane.clock import Clock
from tradeplane.errors import ServiceFailed, TradeplaneError
from tradeplane.protocol import Envelope, SubmitReply, SubmitRequest

WAITING_MAX = 20_000
"""Entries that wait in a replica; more are dropped and counted."""

BATCH_MAX = 500
_LINGER_S = 0.05
_RETRY_S = 0.25
_LAST_CALL_S = 2.0

log = structlog.get_logger()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(SubmitReply).decode


class ReplicaAuditSink(Collector):
    """Satisfies :class:`tradeplane.ports.AuditSink`: bounded, in batches, never in the way.

    A batch keeps its id until the actor has it, so one whose answer was lost is not doubled. What
    had to be dropped is counted, and the count goes into the log itself.

    Args:
        port: the audit actor.
        clock: wall time, for the record of what was dropped.
        waiting_max: entries that may wait.
        new_id: makes the ids of batches.
    """

    def __init__(
        self,
        port: CallPort,
        clock: Clock,
        waiting_max: int = WAITING_MAX,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._port = port
        self._clock = clock
        self._waiting_max = waiting_max
        self._new_id = new_id
        self._waiting: deque[AuditEntry] = deque()
        self._in_hand: ObserveEntries | None = None
        self._unreported = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0
        self.accepted = 0

    def observe(self, entry: AuditEntry) -> None:
        """Take *entry*; when too many wait, it is dropped and counted."""
        if len(self._waiting) >= self._waiting_max:
            self.dropped += 1
            self._unreported += 1
            return
        self._waiting.append(entry)
        self._wake.set()

    def start(self) -> None:
        """Begin to hand in."""
        self._task = asyncio.create_task(self._run(), name="audit sink")

    async def stop(self) -> None:
        """Hand in what waits, for a short while at most; what is left is dropped and counted."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_CALL_S):
                await self.flush()
        left = len(self._waiting) + (len(self._in_hand.entries) if self._in_hand else 0)
        if left:
            self.dropped += left
            log.warning("audit entries were dropped", count=left)

    async def flush(self) -> None:
        """Hand in everything that waits now."""
        while self._in_hand or self._waiting or self._unreported:
            if self._in_hand is None:
                self._in_hand = self._batch()
            await self._hand_in(self._in_hand)
            self._in_hand = None

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(_LINGER_S)
            self._wake.clear()
            await self.flush()

    def _batch(self) -> ObserveEntries:
        entries = [self._waiting.popleft() for _ in range(min(BATCH_MAX, len(self._waiting)))]
        if self._unreported:
            entries.append(self._dropped_entry(self._unreported))
            self._unreported = 0
        return ObserveEntries(self._new_id(), tuple(entries))

    async def _hand_in(self, batch: ObserveEntries) -> None:
        """Hand *batch* in, again and again under its one id, until it is taken or refused."""
        envelope = Envelope(msgspec.Raw(_encode(batch)), fresh=False)
        payload = _encode(SubmitRequest("", (envelope,)))
        while True:
            try:
                reply = _decode(await self._port.call("submit", payload))
                reply_of(reply.results[0], AuditReply)
            except ServiceFailed as error:
                log.warning("audit entries wait", count=len(batch.entries), why=str(error))
                await asyncio.sleep(_RETRY_S)
            except TradeplaneError as error:
                self.dropped += len(batch.entries)
                log.warning("audit entries were refused", count=len(batch.entries), why=str(error))
                return
            else:
                self.accepted += len(batch.entries)
                return

    def _dropped_entry(self, count: int) -> AuditEntry:
        return AuditEntry(
            action="audit.dropped",
            outcome="failure",
            at_ns=self._clock.wall_ns(),
            by=Origin(),
            tenant_id=HOME_TENANT,
            details={"count": str(count)},
        )

    def collect(self) -> Iterator[Metric]:
        """Yield the sink's metrics, as a collector of prometheus_client."""
        yield CounterMetricFamily(
            "tradeplane_audit_entries_dropped",
            "Audit entries of this replica that were dropped because too many waited.",
            value=self.dropped,
        )
        yield CounterMetricFamily(
            "tradeplane_audit_entries_accepted",
            "Audit entries of this replica that the audit log has taken.",
            value=self.accepted,
        )
        yield GaugeMetricFamily(
            "tradeplane_audit_entries_waiting",
            "Audit entries of this replica that wait for the audit log.",
            value=len(self._waiting),
        )
