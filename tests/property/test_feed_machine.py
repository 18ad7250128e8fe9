"""A subscriber that applies what the feed gives it knows what it must, or starts anew."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tradeplane.feed import Feed, FeedBatch, FeedCursor, FeedEvent

TOPICS = ("a", "b", "c")


class FeedMachine(RuleBasedStateMachine):
    """The model is the whole log; the subscriber must equal it, filtered, up to its sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[FeedEvent] = []
        self.feed = Feed(epoch=1, sequence=0, backlog_max=6)
        self.cursor = FeedCursor()
        self.base = 0
        self.seen: list[FeedEvent] = []
        self.followed: frozenset[str] | None = frozenset({"a", "b"})
        self.late: list[FeedBatch] = []

    @rule(topics=st.lists(st.sampled_from(TOPICS), min_size=1, max_size=4))
    def publish(self, topics: list[str]) -> None:
        sequence = len(self.log)
        events = [FeedEvent(sequence + i + 1, topic, b"{}") for i, topic in enumerate(topics)]
        self.log += events
        self.feed.publish(events)

    @rule(events_max=st.integers(1, 5), lose=st.booleans(), repeat=st.booleans())
    def poll(self, events_max: int, lose: bool, repeat: bool) -> None:
        batch = self.feed.after(self.cursor.epoch, self.cursor.sequence, self.followed, events_max)
        if lose:
            self.late.append(batch)
            return
        self.take(batch)
        if repeat and not batch.resync:
            assert self.cursor.take(batch) == ()

    @rule()
    def restart_the_publisher(self) -> None:
        self.feed = Feed(self.feed.epoch + 1, len(self.log), 6)

    @rule()
    def restart_the_subscriber(self) -> None:
        self.cursor, self.seen, self.late = FeedCursor(), [], []

    def take(self, batch: FeedBatch) -> None:
        events = self.cursor.take(batch)
        if events is None:
            self.seen, self.base = [], self.cursor.sequence
        else:
            self.seen += events

    @invariant()
    def the_subscriber_has_seen_everything_it_follows(self) -> None:
        if self.cursor.epoch == 0:
            return
        wanted = [
            event
            for event in self.log[self.base : self.cursor.sequence]
            if self.followed is None or event.topic in self.followed
        ]
        assert self.seen == wanted

    @invariant()
    def the_backlog_is_bounded(self) -> None:
        assert len(self.feed._backlog) <= 6


TestFeed = FeedMachine.TestCase
TestFeed.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_subscriber_that_fell_out_of_the_backlog_is_told() -> None:
    feed = Feed(epoch=1, sequence=0, backlog_max=2)
    feed.publish(FeedEvent(number, "a", b"{}") for number in (1, 2, 3))

    assert feed.after(1, 0, None, 10).resync
    assert [event.sequence for event in feed.after(1, 1, None, 10).events] == [2, 3]
    assert feed.after(1, 4, None, 10).resync, "a subscriber from the future is not trusted"
