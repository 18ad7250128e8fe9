"""The feed: a bounded, sequenced stream of events, and a subscriber's place in it.

A publisher numbers its events with the journal's sequence under its epoch. A subscriber asks for
what follows its last (epoch, sequence) and gets it, or ``resync`` when the publisher cannot prove
that nothing lies between: another epoch, or a sequence that has left the backlog.

**Invariant:** a subscriber that applies what it is given, and starts anew on ``resync``, has seen
every event of its topics up to its sequence.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable

import msgspec

PRIVATE_TOPIC = ""
"""The topic of events that subscribers must not see: they are published without their payload, so
that sequences have no gap."""

NO_OWNER = 0
"""The epoch in a batch of a publisher that was taken over: nothing it says counts."""


class FeedEvent(msgspec.Struct, frozen=True, array_like=True):
    """One published event.

    Attributes:
        sequence: the journal's sequence.
        topic: what it is about, such as an account id.
        payload: the event as JSON, as the journal has it; empty for a private one.
    """

    sequence: int
    topic: str
    payload: bytes


class FeedBatch(msgspec.Struct, frozen=True, array_like=True):
    """The answer to a subscriber.

    Attributes:
        epoch: the publisher's epoch.
        sequence: everything of the subscriber's topics up to this is known after this batch.
        events: the events after the subscriber's sequence, in order.
        resync: True when the subscriber must forget what it knew and start at *sequence*.
    """

    epoch: int
    sequence: int
    events: tuple[FeedEvent, ...] = ()
    resync: bool = False


class Feed:
    """The publisher's side: the newest *backlog_max* events of one epoch.

    Args:
        epoch: the publisher's epoch.
        sequence: the last sequence before the first event that will be published.
        backlog_max: events that are kept for late subscribers.
    """

    def __init__(self, epoch: int, sequence: int, backlog_max: int) -> None:
        self.epoch = epoch
        self.sequence = sequence
        self._backlog: deque[FeedEvent] = deque(maxlen=backlog_max)
        self._floor = sequence

    def publish(self, events: Iterable[FeedEvent]) -> None:
        """Append *events*, whose sequences follow the last one without a gap."""
        for event in events:
            assert event.sequence == self.sequence + 1, "the feed follows the journal"
            if len(self._backlog) == self._backlog.maxlen:
                self._floor = self._backlog[0].sequence
            self._backlog.append(event)
            self.sequence = event.sequence

    def after(
        self, epoch: int, sequence: int, topics: Collection[str] | None, events_max: int
    ) -> FeedBatch:
        """Return at most *events_max* events of *topics* after (*epoch*, *sequence*).

        Args:
            epoch: the subscriber's epoch.
            sequence: the subscriber's last sequence.
            topics: the topics it follows, or None for all.
            events_max: how many events a batch may carry.
        """
        if epoch != self.epoch or not self._floor <= sequence <= self.sequence:
            return FeedBatch(self.epoch, self.sequence, (), resync=True)
        found: list[FeedEvent] = []
        start = len(self._backlog) - (self.sequence - sequence)
        for index in range(start, len(self._backlog)):
            event = self._backlog[index]
            if topics is None or event.topic in topics:
                if len(found) == events_max:
                    return FeedBatch(self.epoch, found[-1].sequence, tuple(found))
                found.append(event)
        return FeedBatch(self.epoch, self.sequence, tuple(found))


class FeedCursor(msgspec.Struct):
    """The subscriber's side: where it is, and what a batch means for it.

    Attributes:
        epoch: epoch of the last batch; 0 before the first.
        sequence: the last sequence that was seen.
    """

    epoch: int = 0
    sequence: int = 0

    def take(self, batch: FeedBatch) -> tuple[FeedEvent, ...] | None:
        """Move to the end of *batch*.

        Returns:
            The events that are new, or None when everything known must be forgotten. A batch that
            arrives twice, or late, brings nothing.
        """
        if batch.epoch < self.epoch:
            return ()
        if batch.resync or batch.epoch > self.epoch:
            self.epoch, self.sequence = batch.epoch, batch.sequence
            return None
        fresh = tuple(event for event in batch.events if event.sequence > self.sequence)
        self.sequence = max(self.sequence, batch.sequence)
        return fresh
