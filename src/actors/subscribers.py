"""The feed's side of a shell: who follows it, who holds leases, and what replies wait for."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Sequence

from actors.acknowledgements import Acknowledgements
from actors.batch_run import Touched
from tradeplane.clock import Clock
from tradeplane.feed import Feed, FeedBatch, FeedEvent
from tradeplane.leases import Leases, Session
from tradeplane.protocol import PollReply, PollRequest

_TRACKED_TOPICS_MAX = 100_000


class Subscribers:
    """Feeds, leases and parked polls of one shell; a new epoch starts it anew.

    Args:
        clock: monotonic time.
        lease_ns: how long a silent subscriber keeps its leases.
        backlog_max: events kept for late subscribers.
        poll_events_max: events in one batch.
    """

    def __init__(self, clock: Clock, lease_ns: int, backlog_max: int, poll_events_max: int) -> None:
        self.leases = Leases(lease_ns)
        self.acknowledgements = Acknowledgements(self.leases)
        self.feed = Feed(0, 0, backlog_max)
        self._clock = clock
        self._lease_ns = lease_ns
        self._backlog_max = backlog_max
        self._poll_events_max = poll_events_max
        self._parked: dict[str, tuple[asyncio.Event, PollRequest]] = {}
        self._topic_sequence: dict[str, int] = {}

    def restart(self, epoch: int, sequence: int) -> None:
        """Begin anew at *sequence*: every subscriber gets ``resync`` unless nothing changed."""
        if self.feed.epoch == epoch and self.feed.sequence == sequence:
            return
        if self.feed.epoch == epoch:
            # Events may lie between that were never published: end all leases, so that every
            # mirror is fetched again.
            self.leases.expire(1 << 62)
            self._topic_sequence.clear()
        self.feed = Feed(epoch, sequence, self._backlog_max)
        self._wake(None)

    def publish(self, events: Sequence[FeedEvent], touched: Sequence[Touched]) -> None:
        """Publish committed *events* and fill in what the *touched* topics had reached before."""
        for item in touched:
            if item.repeated:
                continue
            item.after = self._topic_sequence.get(item.topic, 0)
            if item.topic in self._topic_sequence:
                self._topic_sequence[item.topic] = item.sequence
        self.feed.publish(events)
        if events:
            self._wake({event.topic for event in events})

    def seen(self, touched: Touched) -> asyncio.Future[None] | None:
        """Return a future for the moment at which every lease holder has seen *touched*."""
        # A repeated command brings no events with its reply, so its own client is awaited too.
        exempt = "" if touched.repeated else touched.owner.request.subscriber
        return self.acknowledgements.seen(
            (touched.topic,), touched.sequence, exempt, self._clock.monotonic_ns()
        )

    def session_id(self, subscriber: str) -> int:
        """Return the live session of *subscriber*, or 0."""
        session = self.leases.session(subscriber, self._clock.monotonic_ns())
        return session.session_id if session else 0

    def grant(self, subscriber: str, topic: str) -> tuple[int, int, int]:
        """Give *subscriber* a lease on *topic* as of now.

        Returns:
            Session, grant and remaining time in nanoseconds; zeros when there is no room. Only
            polls renew a session: one that asks and never acknowledges must run out.
        """
        now_ns = self._clock.monotonic_ns()
        session = self.leases.open(subscriber, self.feed.sequence, now_ns)
        grant_id = 0 if session is None else self.leases.grant(subscriber, topic)
        if session is None or grant_id == 0:
            return 0, 0, 0
        self._topic_sequence.setdefault(topic, self.feed.sequence)
        return session.session_id, grant_id, session.expires_ns - now_ns

    def hear(self, request: PollRequest) -> Session | None:
        """Take a poll as an acknowledgement; return its session, or None when that has ended."""
        if request.epoch != self.feed.epoch:
            return None
        now_ns = self._clock.monotonic_ns()
        self.leases.release(request.subscriber, request.released)
        session = self.leases.hear(request.subscriber, request.session_id, request.sequence, now_ns)
        if session is not None:
            self.acknowledgements.heard(request.subscriber, request.sequence)
        return session

    async def poll(self, request: PollRequest, session: Session | None) -> PollReply:
        """Answer a poll, at once when there is news, else after at most ``hold_ms``."""
        if not request.everything and session is None:
            return PollReply(0, FeedBatch(self.feed.epoch, self.feed.sequence, resync=True))
        batch = self._after(request, session)
        if not batch.events and not batch.resync and request.hold_ms > 0:
            await self._park(request)
            batch = self._after(request, session)
        if session is None:
            return PollReply(0, batch)
        alive = self.session_id(request.subscriber) == session.session_id
        return PollReply(session.session_id if alive else 0, batch)

    def _after(self, request: PollRequest, session: Session | None) -> FeedBatch:
        topics: Collection[str] | None = frozenset(request.topics) or None
        if session is not None:
            topics = session.topics.keys()
        return self.feed.after(request.epoch, request.sequence, topics, self._poll_events_max)

    async def _park(self, request: PollRequest) -> None:
        news = asyncio.Event()
        self._parked[request.subscriber] = (news, request)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(news.wait(), request.hold_ms / 1_000)
        if self._parked.get(request.subscriber, (None,))[0] is news:
            del self._parked[request.subscriber]

    def _wake(self, topics: set[str] | None) -> None:
        holders: set[str] = set()
        for topic in topics or ():
            holders |= self.leases.holders(topic)
        for subscriber, (news, request) in self._parked.items():
            concerned = subscriber in holders
            if request.everything and topics is not None:
                concerned = not request.topics or not topics.isdisjoint(request.topics)
            if topics is None or concerned:
                news.set()

    async def sweep(self) -> None:
        """End silent leases, for ever."""
        while True:
            await asyncio.sleep(self._lease_ns / 4e9)
            self.acknowledgements.expire(self._clock.monotonic_ns())
            if len(self._topic_sequence) > _TRACKED_TOPICS_MAX:
                self._topic_sequence = {
                    topic: sequence
                    for topic, sequence in self._topic_sequence.items()
                    if self.leases.holders(topic)
                }
