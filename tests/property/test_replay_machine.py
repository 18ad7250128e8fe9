"""What the replayed market never does, whatever happens to its process, its operator and its clock.

A subscriber watches: it holds the newest segment that was published, and reads the venue time off
it at any moment, also while the replay is down.
"""

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from adapters.marketdata.memory import MemoryMarketData
from tradeplane.clock import NS_PER_MS, NS_PER_S
from tradeplane.trading.market import (
    ClockMoved,
    MarketView,
    PrintPublished,
    SessionClosed,
    SessionOpened,
)
from tradeplane.trading.replay import (
    EVENTS_MAX,
    Advance,
    PauseReplay,
    Recover,
    Replay,
    ReplaySettings,
    ResumeReplay,
    SetReplayRate,
    SetVenueTime,
)
from tradeplane.trading.replay_schedule import session_prints

DATA = MemoryMarketData.sample(("AAPL", "MSFT"), ("2012-05-21", "2012-05-22", "2012-05-25"))
SESSIONS = DATA.sessions()
BARS = [bar for symbol in ("AAPL", "MSFT") for bar in DATA.bars(symbol, "raw")]
PRINTS = {
    session.date: session_prints(
        [bar for bar in BARS if bar.session == session.date], session, seed=7
    )
    for session in SESSIONS
}
SHORT = st.integers(0, 5_000).map(lambda ms: ms * NS_PER_MS)
LONG = st.integers(0, 1_500).map(lambda s: s * NS_PER_S + 1)
VENUE_TIMES = st.integers(SESSIONS[0].open_ns, SESSIONS[-1].close_ns - 1) | st.sampled_from(
    [s.open_ns for s in SESSIONS] + [s.close_ns - 1 for s in SESSIONS]
)
decode_event = msgspec.json.Decoder(Replay.event_type).decode


class ReplayMachine(RuleBasedStateMachine):
    @initialize(
        rate=st.sampled_from([1, 60, 61, 7_000, 100_000]),
        closed_wall_ms=st.sampled_from([1, 700, 3_000]),
        downtime_max_ms=st.sampled_from([100, 30_000]),
    )
    def start(self, rate, closed_wall_ms, downtime_max_ms):
        self.settings = ReplaySettings(
            first_session=SESSIONS[0].date,
            last_session=SESSIONS[-1].date,
            rate=rate,
            closed_wall_ms=closed_wall_ms,
            downtime_max_ms=downtime_max_ms,
        )
        self.replay = Replay(DATA, self.settings)
        self.journal = []
        self.wall_ns = self.last_beat_ns = 1_700_000_000 * NS_PER_S
        self.commands = 0
        self.subscriber = MarketView()
        self.seen_ns = 0
        self.session = None
        self.published = []
        self.advance()

    def do(self, command):
        """Run *command*, and check what it brings as a subscriber sees it."""
        applied = self.replay.apply(command, self.wall_ns)
        assert len(applied.events) <= EVENTS_MAX
        for event in applied.events:
            encoded = msgspec.json.encode(event)
            self.journal.append(encoded)
            self.take(decode_event(encoded))
        return applied

    def take(self, event):
        match event:
            case ClockMoved(segment=segment, jumped=jumped):
                if jumped:
                    self.session, self.seen_ns = None, 0
                assert segment.session in {self.session, None} or self.session is None
                if self.subscriber.segment is not None and not jumped:
                    before = self.subscriber.segment.venue_at(self.wall_ns)
                    assert segment.venue_at(self.wall_ns) >= before
            case SessionOpened(session=session):
                assert self.session is None
                assert self.subscriber.segment.session == session
                self.session, self.published = session, []
            case PrintPublished(print=traded):
                assert self.session.date == traded.session
                assert traded == PRINTS[traded.session][len(self.published)]
                assert traded.at_ns <= self.subscriber.segment.venue_at(self.wall_ns)
                self.published.append(traded)
            case SessionClosed(session=session):
                assert self.session == session
                assert len(self.published) == len(PRINTS[session.date])
                self.session = None
        self.subscriber.evolve(event)

    def command_id(self):
        self.commands += 1
        return str(self.commands)

    def advance(self):
        # A rate of 100,000 and a long wait make many events; catching up with all of them would
        # test the same again and again.
        for _ in range(20):
            if not self.do(Advance()).reply.behind:
                assert self.replay.next_due_ns(self.wall_ns) > self.wall_ns
                return

    @rule(passed_ns=SHORT | LONG)
    def wait(self, passed_ns):
        self.wall_ns += passed_ns

    @rule()
    def come_in_time(self):
        due_ns = self.replay.next_due_ns(self.wall_ns)
        if due_ns < self.wall_ns + 10**15:
            if due_ns - 1 > self.wall_ns:
                self.wall_ns = due_ns - 1
                assert self.do(Advance()).events == ()
            self.wall_ns = max(self.wall_ns, due_ns)
            assert self.do(Advance()).events

    @rule()
    def catch_up(self):
        self.advance()
        self.last_beat_ns = self.wall_ns

    @rule()
    def pause(self):
        self.do(PauseReplay(self.command_id()))
        assert self.replay.view.segment.rate == 0

    @rule()
    def resume(self):
        before = self.replay.view.segment
        self.do(ResumeReplay(self.command_id()))
        assert self.replay.view.segment.rate > 0
        if before.rate == 0:
            assert self.replay.view.segment.venue_at(self.wall_ns) == before.venue_ns

    @rule(rate=st.sampled_from([1, 59, 60, 1_000, 99_991, 100_000]))
    def set_rate(self, rate):
        before = self.replay.view.segment.venue_at(self.wall_ns)
        self.do(SetReplayRate(self.command_id(), rate))
        segment = self.replay.view.segment
        assert segment.venue_at(self.wall_ns) == before
        if segment.session is not None:
            assert segment.rate in {0, rate}

    @rule(venue_ns=VENUE_TIMES)
    def jump(self, venue_ns):
        moved, *following = self.do(SetVenueTime(self.command_id(), venue_ns)).events
        assert moved.jumped
        assert moved.segment.venue_ns == venue_ns
        # A rest of a session that is too short for a wall nanosecond is over at once.
        if self.session is not None and not any(isinstance(e, SessionClosed) for e in following):
            due = [p for p in PRINTS[self.session.date] if p.at_ns <= venue_ns]
            assert self.published == due

    @rule(down_ns=SHORT | LONG, beat_age_ns=SHORT)
    def crash(self, down_ns, beat_age_ns):
        self.wall_ns += down_ns
        self.watch()
        before = self.subscriber.segment
        self.replay = Replay(DATA, self.settings)
        for event in self.journal:
            self.replay.evolve(decode_event(event))
        beat_ns = max(self.last_beat_ns, self.wall_ns - down_ns - beat_age_ns)
        self.do(Recover(beat_ns))
        counted_ns = self.settings.downtime_max_ms * NS_PER_MS
        # What ran on: to the end of what subscribers had seen, or for the allowed downtime.
        behind_ns = self.wall_ns - max(before.wall_end_ns, beat_ns + counted_ns)
        moved_ns = self.subscriber.segment.wall_ns - before.wall_ns
        assert moved_ns == (max(0, behind_ns) if before.rate else 0)

    @rule()
    def restore_a_snapshot(self):
        state = self.replay.to_bytes()
        self.replay = Replay(DATA, self.settings)
        self.replay.from_bytes(state)
        assert self.replay.to_bytes() == state

    @invariant()
    def watch(self):
        venue_ns = self.subscriber.segment.venue_at(self.wall_ns)
        assert venue_ns >= self.seen_ns
        self.seen_ns = venue_ns

    @invariant()
    def the_subscriber_knows_what_the_replay_knows(self):
        assert self.subscriber == self.replay.view

    @invariant()
    def the_session_is_open_as_long_as_the_clock_says_so(self):
        assert self.replay.view.session == self.replay.view.segment.session == self.session

    @invariant()
    def venue_time_stays_within_its_session(self):
        segment = self.subscriber.segment
        at_ns = segment.venue_at(self.wall_ns + 10**15)
        if segment.session is None:
            assert at_ns <= segment.next_session.open_ns
        else:
            assert segment.session.open_ns <= at_ns <= segment.session.close_ns

    @invariant()
    def no_segment_outlives_what_a_downtime_may_count(self):
        segment = self.subscriber.segment
        longest_ms = max(self.settings.downtime_max_ms, self.settings.closed_wall_ms)
        assert segment.wall_end_ns - segment.wall_ns <= longest_ms * NS_PER_MS


TestReplayMachine = ReplayMachine.TestCase
TestReplayMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_the_journal_rebuilds_the_replay_byte_for_byte():
    replay = Replay(DATA, ReplaySettings("2012-05-21", "2012-05-25"))
    now_ns = 1_700_000_000 * NS_PER_S
    rebuilt = Replay(DATA, ReplaySettings("2012-05-21", "2012-05-25"))
    for number in range(60):
        commands = [
            Advance(),
            PauseReplay(f"p{number}"),
            SetReplayRate(f"r{number}", 60 + number),
            ResumeReplay(f"q{number}"),
            SetVenueTime(f"t{number}", SESSIONS[number % 3].open_ns + number * 60 * NS_PER_S),
        ]
        for event in replay.apply(commands[number % 5], now_ns).events:
            rebuilt.evolve(decode_event(msgspec.json.encode(event)))
        assert rebuilt.to_bytes() == replay.to_bytes()
        now_ns += 47 * NS_PER_S
