"""The one loop that hosts every stateful component: journal, batch and feed around a pure core.

Guarantees, in the order of a write's life:

1. A command with a known idempotency key is answered from the journal and not applied again.
2. All events of a batch are committed in one transaction, fenced by the epoch; if that fails, the
   state is rebuilt from the journal before anything else is answered.
3. No query sees an event that is not committed.
4. The reply leaves when every live lease holder of the touched topics has seen the events.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
import structlog

from actors.batch_run import BatchRun, Known, Submission, reply_of
from actors.heartbeat import Heartbeat
from actors.ownership import Ownership
from actors.subscribers import Subscribers
from tradeplane.clock import NS_PER_MS, Clock
from tradeplane.component import Component
from tradeplane.errors import (
    ComponentUnavailable,
    Fenced,
    JournalUnavailable,
    Overloaded,
    ServiceFailed,
    TradeplaneError,
    to_wire,
)
from tradeplane.feed import NO_OWNER, FeedBatch, FeedEvent
from tradeplane.journal import Journal, Record, Snapshot, Stream
from tradeplane.protocol import (
    AskReply,
    AskRequest,
    Envelope,
    HistoryReply,
    HistoryRequest,
    PollReply,
    PollRequest,
    SubmitReply,
    SubmitRequest,
)

T = TypeVar("T")
log = structlog.get_logger()
_STOP_POLL_S = 0.005
_encode = msgspec.msgpack.Encoder().encode


class ShellSettings(msgspec.Struct, frozen=True):
    """Limits and durations of a shell.

    Attributes:
        batch_max: commands in one transaction.
        queue_max: commands that may wait; more are refused as Overloaded.
        keys_max: idempotency keys that are remembered without asking the journal.
        snapshot_events: events between two snapshots.
        backlog_max: events that the feed keeps for late subscribers.
        poll_events_max: events in one feed batch.
        lease_ns: how long a silent subscriber keeps its leases.
        verify_ns: how long the shell trusts that no newer copy has taken over.
        retry_ns: pause between two attempts to reach a database that is gone.
    """

    batch_max: int = 512
    queue_max: int = 4_096
    keys_max: int = 100_000
    snapshot_events: int = 20_000
    backlog_max: int = 50_000
    poll_events_max: int = 2_000
    lease_ns: int = 600 * NS_PER_MS
    verify_ns: int = 200 * NS_PER_MS
    retry_ns: int = 250 * NS_PER_MS


class Shell:
    """Hosts one component's shard.

    Args:
        factory: makes the empty component.
        stream: the journal stream that is the component's truth.
        journal: where it is kept; used from one thread of the shell's own.
        clock: wall and monotonic time.
        settings: limits and durations.
        component_now: the time that commands are applied at; the wall time unless the component
            lives in another, as the ledger does.
        on_failure: called when the loop cannot go on, as with a corrupt journal; it should end the
            process, so that a new one starts from the journal.
    """

    def __init__(  # noqa: PLR0913  # each is an independent collaborator
        self,
        factory: Callable[[], Component],
        stream: Stream,
        journal: Journal,
        clock: Clock,
        settings: ShellSettings,
        *,
        component_now: Callable[[], int] | None = None,
        on_failure: Callable[[], None] = lambda: None,
    ) -> None:
        self.component = factory()
        self.stream = stream
        self.ownership = Ownership(
            journal, stream, clock, self._in_thread, verify_ns=settings.verify_ns
        )
        self.subscribers = Subscribers(
            clock, settings.lease_ns, settings.backlog_max, settings.poll_events_max
        )
        self._factory = factory
        self._on_failure = on_failure
        self._journal = journal
        self._clock = clock
        self._settings = settings
        self._now = component_now or clock.wall_ns
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._queue: deque[Submission] = deque()
        self._queued = 0
        self._open_submissions = 0
        self._wake = asyncio.Event()
        self._settled = asyncio.Event()
        self._ready = False
        self._recent: OrderedDict[str, Known] = OrderedDict()
        self._quiet_until_ns = 0
        self._snapshot_sequence = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._decode_event = msgspec.json.Decoder(self.component.event_type).decode
        self._decode_query = msgspec.msgpack.Decoder(self.component.query_type).decode

    @property
    def sequence(self) -> int:
        """The last committed and published sequence."""
        return self.subscribers.feed.sequence

    async def start(self) -> None:
        """Claim the stream, rebuild the state and begin to work.

        Raises:
            JournalUnavailable: the database cannot be reached; the process should be restarted.
            CorruptJournal: the journal contradicts itself.
        """
        await self.ownership.claim()
        if self.ownership.epoch > 1:
            # Leases that an earlier copy granted may be alive until then; see Ownership.
            silence_ns = self._settings.lease_ns + self._settings.verify_ns
            self._quiet_until_ns = self.ownership.claimed_ns + silence_ns
        await self._load()
        self._tasks = [
            asyncio.create_task(self._run(), name="shell"),
            asyncio.create_task(self.subscribers.sweep(), name="leases"),
        ]
        log.info("started", stream=self.stream, epoch=self.ownership.epoch, at=self.sequence)

    async def stop(self) -> None:
        """Finish the batch in hand, refuse what waits, and release the database. Idempotent."""
        self._close()
        # A batch in hand is committed, and its replies wait for lease holders one term at most.
        while self._open_submissions:  # noqa: ASYNC110  # bounded, and only at the end
            await asyncio.sleep(_STOP_POLL_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._thread.submit(self._journal.close)
        self._thread.shutdown(wait=True)

    def check(self) -> str | None:
        """Return None when commands can be taken, else what is wrong."""
        return None if self._ready else str(self._unavailable())

    async def submit(self, payload: bytes) -> bytes:
        """Take a :class:`SubmitRequest`, return its :class:`SubmitReply`."""
        request = msgspec.msgpack.decode(payload, type=SubmitRequest)
        return _encode(await self._submit(request))

    async def _submit(self, request: SubmitRequest) -> SubmitReply:
        count = len(request.envelopes)
        error: TradeplaneError | None = None
        if not self._ready:
            error = self._unavailable()
        elif self._queued + count > self._settings.queue_max:
            error = Overloaded(
                f"{self.stream.component} has {self._queued} commands waiting, the most is "
                f"{self._settings.queue_max}; try again"
            )
        submission = Submission(request, asyncio.get_running_loop().create_future())
        if error is not None:
            submission.fail(error, self.ownership.epoch)
        else:
            self._queue.append(submission)
            self._queued += count
            self._wake.set()
        self._open_submissions += 1
        try:
            return await submission.done
        finally:
            self._open_submissions -= 1

    async def execute(self, command: Any) -> Any:
        """Apply a *command* of the actor itself, and return the component's reply.

        Raises:
            TradeplaneError: it was refused, or it failed.
        """
        envelope = Envelope(msgspec.Raw(_encode(command)), fresh=False)
        reply = await self._submit(SubmitRequest("", (envelope,)))
        return reply_of(reply.results[0], self.component.reply_type)

    async def look(self, query: Any) -> Any:
        """Answer a *query*, which may be one of the actor's own that no message can carry.

        Raises:
            TradeplaneError: it was refused, or it failed.
        """
        await self.ownership.verify()
        while not self._settled.is_set():
            # Another batch may begin between the event and this task's turn.
            await self._settled.wait()
        if not self._ready:
            raise self._unavailable()
        return self.component.query(query, self._now())

    async def ask(self, payload: bytes) -> bytes:
        """Take an :class:`AskRequest`, return its :class:`AskReply`; may grant a lease."""
        request = msgspec.msgpack.decode(payload, type=AskRequest)
        epoch = self.ownership.epoch
        try:
            reply = await self.look(self._decode_query(request.query))
        except TradeplaneError as error:
            told = self._unavailable() if isinstance(error, Fenced) else error
            return _encode(AskReply(epoch, self.sequence, 0, error=to_wire(told)))
        lease = (0, 0, 0)
        if request.subscriber and self.ownership.holds():
            lease = self.subscribers.grant(request.subscriber, request.topic)
        raw = msgspec.Raw(_encode(reply))
        return _encode(AskReply(epoch, self.sequence, *lease, reply=raw))

    async def poll(self, payload: bytes) -> bytes:
        """Take a :class:`PollRequest`, return its ``PollReply``; also an acknowledgement."""
        request = msgspec.msgpack.decode(payload, type=PollRequest)
        if self.ownership.fenced:
            return _encode(PollReply(0, FeedBatch(NO_OWNER, 0, resync=True)))
        session = None
        if not request.everything:
            with contextlib.suppress(JournalUnavailable, Fenced):
                await self.ownership.verify()
            if self.ownership.holds():
                session = self.subscribers.hear(request)
        return _encode(await self.subscribers.poll(request, session))

    async def history(self, payload: bytes) -> bytes:
        """Take a :class:`HistoryRequest`, return its :class:`HistoryReply` from the journal."""
        request = msgspec.msgpack.decode(payload, type=HistoryRequest)
        committed = self.sequence

        def read() -> list[Record]:
            found: list[Record] = []
            for record in self._journal.replay(self.stream, request.after):
                if record.sequence > committed or len(found) >= request.limit:
                    break
                found.append(record)
            return found

        events = tuple(self._published(record) for record in await self._in_thread(read))
        return _encode(HistoryReply(self.ownership.epoch, committed, events))

    def heartbeat(self) -> Heartbeat:
        """Return this component's heartbeat, not started yet."""
        return Heartbeat(self._journal, self.stream, self._clock, self._in_thread)

    async def snapshot(self) -> None:
        """Store the state as of now; failing to is no failure of the writes it contains."""
        if not self._ready or not self._settled.is_set():
            return
        state = self.component.to_bytes()
        self._snapshot_sequence = self.sequence
        snapshot = Snapshot(self.sequence, state, hashlib.sha256(state).hexdigest())
        epoch = self.ownership.epoch
        try:
            await self._in_thread(self._journal.save_snapshot, self.stream, epoch, snapshot)
        except JournalUnavailable as error:
            log.warning("snapshot failed", stream=self.stream, why=str(error))

    async def _run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self._queue:
                    await self._process(self._take())
                    if self.sequence - self._snapshot_sequence >= self._settings.snapshot_events:
                        await self.snapshot()
        except Fenced as error:
            # This copy stays, closed for good: were it to exit, it would be restarted and take the
            # stream back from its successor, again and again.
            log.warning("fenced", stream=self.stream, why=str(error))
            self.ownership.fenced = True
            self._close()
        except Exception:
            log.exception("the loop cannot go on", stream=self.stream)
            self._close()
            self._on_failure()

    def _close(self) -> None:
        self._ready = False
        self._settled.set()
        self._refuse_queued(self._unavailable())

    def _take(self) -> list[Submission]:
        taken: list[Submission] = []
        count = 0
        while self._queue and (
            not taken or count + len(self._queue[0].request.envelopes) <= self._settings.batch_max
        ):
            taken.append(self._queue.popleft())
            count += len(taken[-1].request.envelopes)
        self._queued -= count
        return taken

    async def _process(self, submissions: list[Submission]) -> None:
        epoch = self.ownership.epoch
        run = BatchRun(self.component, submissions, self._recent, self.sequence)
        try:
            keys = run.unknown_keys()
            if keys:
                run.found = await self._in_thread(self._journal.find, self.stream, keys)
            now_ns = self._now()
        except ServiceFailed as error:
            for submission in submissions:
                submission.fail(error, epoch)
            return
        self._settled.clear()
        try:
            asked_ns = self._clock.monotonic_ns()
            run.apply(now_ns, self._clock.wall_ns())
            if run.poisoned:
                # The state may be half changed. The broken command keeps its error, the others
                # run again on a state rebuilt from the journal.
                self._queue.extendleft(reversed(submissions))
                self._queued += sum(len(item.request.envelopes) for item in submissions)
                await self._rebuild()
                return
            if run.records:
                records, rows = run.records, run.rows
                await self._in_thread(self._journal.append, self.stream, epoch, records, rows)
                self.ownership.confirm(asked_ns)
        except Fenced:
            self.ownership.fenced = True
            told = self._unavailable()
            for submission in submissions:
                submission.fail(told, epoch)
            raise
        except ServiceFailed as error:
            for submission in submissions:
                submission.fail(error, epoch)
            await self._rebuild()
            return
        self._commit(run)
        self._settled.set()
        await self._reply(run)

    def _commit(self, run: BatchRun) -> None:
        self._recent.update(run.new_keys)
        while len(self._recent) > self._settings.keys_max:
            self._recent.popitem(last=False)
        self.subscribers.publish(run.published(), run.touched)

    async def _reply(self, run: BatchRun) -> None:
        wait_ns = self._quiet_until_ns - self._clock.monotonic_ns()
        if run.touched and wait_ns > 0:
            await asyncio.sleep(wait_ns / 1e9)
        waits: dict[int, list[asyncio.Future[None]]] = {}
        for touched in run.touched:
            seen = self.subscribers.seen(touched)
            if seen is not None:
                waits.setdefault(id(touched.owner), []).append(seen)
        for submission in run.submissions:
            subscriber = submission.request.subscriber
            session_id = self.subscribers.session_id(subscriber) if subscriber else 0
            reply = run.reply_to(submission, self.ownership.epoch, session_id)
            pending = waits.get(id(submission))
            if pending:
                submission.reply_after(pending, reply)
            else:
                submission.reply(reply)

    async def _rebuild(self) -> None:
        """Rebuild the state from the journal: memory holds events that are not committed.

        Raises:
            Fenced: a newer copy has taken over meanwhile.
        """
        self._ready = False
        while True:
            try:
                await self._in_thread(self._journal.verify, self.stream, self.ownership.epoch)
                await self._load()
            except JournalUnavailable:
                self._close()
                await asyncio.sleep(self._settings.retry_ns / 1e9)
            else:
                return

    async def _load(self) -> None:
        """Restore the newest snapshot and evolve it by the journal's tail."""

        def load() -> tuple[Component, int, int]:
            component = self._factory()
            snapshot = self._journal.newest_snapshot(self.stream)
            base = 0
            if snapshot is not None:
                component.from_bytes(snapshot.state)
                base = snapshot.sequence
            sequence = base
            for record in self._journal.replay(self.stream, base):
                component.evolve(self._decode_event(record.event))
                sequence = record.sequence
            return component, base, sequence

        self.component, self._snapshot_sequence, sequence = await self._in_thread(load)
        self.subscribers.restart(self.ownership.epoch, sequence)
        self._recent.clear()
        self._ready = True
        self._settled.set()

    def _unavailable(self) -> ServiceFailed:
        name = self.stream.component
        if self.ownership.fenced:
            return ComponentUnavailable(f"{name} was taken over by a newer copy; try again")
        return JournalUnavailable(f"{name} cannot reach its database; nothing was done, try again")

    def _refuse_queued(self, error: ServiceFailed) -> None:
        while self._queue:
            self._queue.popleft().fail(error, self.ownership.epoch)
        self._queued = 0

    def _published(self, record: Record) -> FeedEvent:
        topic = self.component.topic(self._decode_event(record.event))
        return FeedEvent(record.sequence, topic, record.event)

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, function, *arguments)
