from decimal import Decimal
from itertools import pairwise

import msgspec
import pytest

from adapters.marketdata.memory import MemoryMarketData
from adapters.marketdata.parquet_store import ParquetMarketData
from tradeplane.clock import NS_PER_MS, NS_PER_S, rfc3339
from tradeplane.errors import (
    ComponentUnavailable,
    CorruptJournal,
    InvalidRequest,
    Misconfigured,
    NotAllowed,
)
from tradeplane.trading.market import (
    ClockMoved,
    PrintPublished,
    SessionClosed,
    SessionOpened,
    Split,
)
from tradeplane.trading.replay import (
    EVENTS_MAX,
    NEVER_NS,
    Advance,
    Done,
    GetMarketView,
    PauseReplay,
    Recover,
    Replay,
    ReplayAdvanced,
    ReplaySettings,
    ResumeReplay,
    SetReplayRate,
    SetVenueTime,
)
from tradeplane.trading.replay_schedule import session_prints

START_NS = 1_700_000_000 * NS_PER_S
SAMPLE = MemoryMarketData.sample()
SETTINGS = ReplaySettings(first_session="2012-05-21", last_session="2012-05-25")
SESSIONS = SAMPLE.sessions()
SESSION_S = 390
HOUR_NS = 3_600 * NS_PER_S


def replay_of(data=SAMPLE, **changes):
    return Replay(data, msgspec.structs.replace(SETTINGS, **changes))


def started(data=SAMPLE, **changes):
    replay = replay_of(data, **changes)
    replay.apply(Advance(), START_NS)
    return replay


def wall(seconds):
    return START_NS + int(seconds * NS_PER_S)


def advance(replay, now_ns):
    events = []
    while True:
        applied = replay.apply(Advance(), now_ns)
        events += applied.events
        if not applied.reply.behind:
            return events


def venue(replay, now_ns):
    return replay.view.segment.venue_at(now_ns)


def recreated(replay, events, **changes):
    """Return the replay that a new process makes of the journal."""
    other = replay_of(**changes)
    decode = msgspec.json.Decoder(Replay.event_type).decode
    for event in events:
        other.evolve(decode(msgspec.json.encode(event)))
    if replay is not None and not changes:
        assert other.to_bytes() == replay.to_bytes()
    return other


def without_renewals(events):
    """Return *events* without the clock's renewals within a session."""
    kept, session = [], None
    for event in events:
        if isinstance(event, ClockMoved):
            if session is not None and event.segment.session == session and not event.jumped:
                continue
            session = event.segment.session
        kept.append(event)
    return kept


@pytest.fixture(scope="module")
def real_data(tmp_path_factory):
    return ParquetMarketData(tmp_path_factory.mktemp("home"))


def test_it_begins_at_the_open_of_the_first_session_with_prices():
    applied = replay_of().apply(Advance(), START_NS)
    moved, opened, *prints = applied.events
    assert applied.reply == ReplayAdvanced(behind=False)
    assert (moved.segment.venue_ns, moved.segment.wall_ns) == (SESSIONS[0].open_ns, START_NS)
    assert moved.jumped is False
    assert opened == SessionOpened(SESSIONS[0], ())
    assert [(p.print.symbol, p.print.kind) for p in prints] == [("AAPL", "open"), ("MSFT", "open")]


def test_a_session_closes_after_its_close_prints_and_the_next_opens_with_its_open_prints():
    replay = replay_of()
    events = [*advance(replay, START_NS), *advance(replay, wall(SESSION_S + 3))]
    kinds = [
        event.print.kind if isinstance(event, PrintPublished) else type(event)
        for event in without_renewals(events)
    ]
    assert kinds[8:] == [
        "close",
        "close",
        SessionClosed,
        ClockMoved,
        ClockMoved,
        SessionOpened,
        "open",
        "open",
    ]


def test_nothing_is_published_before_its_time():
    replay = started()
    now_ns = START_NS
    for _ in range(200):
        due_ns = replay.next_due_ns(now_ns)
        assert replay.apply(Advance(), due_ns - 1).events == ()
        events = advance(replay, due_ns)
        assert events
        prints = [event.print for event in events if isinstance(event, PrintPublished)]
        assert all(each.at_ns <= venue(replay, due_ns) for each in prints)
        now_ns = due_ns


def test_a_late_call_publishes_the_same_in_the_same_order_as_calls_in_time():
    punctual, late = started(), started()
    events = []
    now_ns = START_NS
    while now_ns <= wall(1_000):
        events += advance(punctual, now_ns)
        now_ns = punctual.next_due_ns(now_ns)
    assert advance(late, wall(1_000)) == events


def test_one_call_brings_a_bounded_number_of_events_and_says_that_more_are_due():
    replay = started()
    now_ns = START_NS + 24 * HOUR_NS
    applied = replay.apply(Advance(), now_ns)
    assert EVENTS_MAX - 3 < len(applied.events) <= EVENTS_MAX
    assert applied.reply == ReplayAdvanced(behind=True)
    assert replay.next_due_ns(now_ns) <= now_ns


def test_after_the_last_session_it_starts_over_with_a_jump():
    replay = started(last_session="2012-05-22")
    events = advance(replay, wall(2 * SESSION_S + 3))
    closed, moved, opened, *prints = events[-5:]
    assert closed == SessionClosed(SESSIONS[1])
    assert moved.jumped
    assert moved.segment.venue_ns == SESSIONS[0].open_ns
    assert opened == SessionOpened(SESSIONS[0], ())
    assert [event.print.kind for event in prints] == ["open", "open"]


def test_with_the_defaults_a_session_is_open_or_opens_within_three_seconds(real_data):
    replay = Replay(real_data, ReplaySettings())
    now_ns, closed_since_ns, longest_ns, sessions, jumps = START_NS, None, 0, 0, 0
    while jumps < 1:
        for event in advance(replay, now_ns):
            match event:
                case SessionClosed():
                    closed_since_ns = now_ns
                case SessionOpened():
                    sessions += 1
                    if closed_since_ns is not None:
                        longest_ns = max(longest_ns, now_ns - closed_since_ns)
                case ClockMoved(jumped=True):
                    jumps += 1
        now_ns = max(now_ns, replay.next_due_ns(now_ns))
    assert sessions == 196 + 1
    assert longest_ns == 3_000 * NS_PER_MS


def test_every_published_price_is_in_the_data_and_each_once(real_data):
    replay = Replay(real_data, ReplaySettings(last_session="2012-07-06"))
    expected = {
        (symbol, bar.session, kind, getattr(bar, kind))
        for symbol in ("AAPL", "FB", "GOOG", "IBM", "MSFT")
        for bar in real_data.bars(symbol, "raw")
        if "2012-05-18" <= bar.session <= "2012-07-06"
        for kind in ("open", "high", "low", "close")
    }
    seen = advance(replay, START_NS)
    while not any(isinstance(event, ClockMoved) and event.jumped for event in seen):
        seen += replay.apply(Advance(), START_NS + 100 * HOUR_NS).events
    jump = next(i for i, e in enumerate(seen) if isinstance(e, ClockMoved) and e.jumped)
    prints = [e.print for e in seen[:jump] if isinstance(e, PrintPublished)]
    published = [(p.symbol, p.session, p.kind, p.price) for p in prints]
    assert len(published) == len(set(published))
    assert set(published) == expected
    assert all(a.at_ns <= b.at_ns for a, b in pairwise(prints))


def test_an_early_close_and_the_end_of_daylight_saving_are_kept(real_data):
    replay = Replay(
        real_data, ReplaySettings(first_session="2012-11-02", last_session="2012-11-23")
    )
    replay.apply(Advance(), START_NS)
    times = {
        event.session.date: tuple(
            rfc3339(at_ns)[11:] for at_ns in (event.session.open_ns, event.session.close_ns)
        )
        for event in advance(replay, wall(15 * (SESSION_S + 3)))
        if isinstance(event, SessionClosed)
    }
    assert times["2012-11-02"] == ("13:30:00Z", "20:00:00Z")
    assert times["2012-11-05"] == ("14:30:00Z", "21:00:00Z")
    assert times["2012-11-23"] == ("14:30:00Z", "18:00:00Z")


def test_a_split_takes_effect_with_the_open_of_its_session(real_data):
    replay = Replay(
        real_data, ReplaySettings(first_session="2005-02-25", last_session="2005-03-01")
    )
    replay.apply(Advance(), START_NS)
    opened = [e for e in advance(replay, wall(800)) if isinstance(e, SessionOpened)]
    assert [(each.session.date, each.splits) for each in opened] == [
        ("2005-02-28", (Split("AAPL", "2005-02-28", 2, 1),)),
        ("2005-03-01", ()),
    ]


def test_a_session_without_prices_is_left_out_and_its_split_takes_effect_in_the_next():
    raw = [bar for bar in SAMPLE.bars("AAPL", "raw") if bar.session != "2012-05-22"]
    data = MemoryMarketData(
        raw, splits=[Split("AAPL", "2012-05-22", 2, 1)], sessions=SAMPLE.sessions()
    )
    replay = started(data)
    opened = [e for e in advance(replay, wall(400)) if isinstance(e, SessionOpened)]
    assert opened == [SessionOpened(SESSIONS[2], (Split("AAPL", "2012-05-22", 2, 1),))]


def test_a_jump_puts_no_split_in_effect():
    data = MemoryMarketData(
        SAMPLE.bars("AAPL", "raw"),
        splits=[Split("AAPL", "2012-05-21", 2, 1), Split("AAPL", "2012-05-22", 2, 1)],
    )
    replay = started(data, last_session="2012-05-22")
    applied = replay.apply(SetVenueTime("a", SESSIONS[1].open_ns), wall(1))
    over = advance(replay, wall(SESSION_S + 2))
    opened = [e for e in (*applied.events, *over) if isinstance(e, SessionOpened)]
    assert opened == [SessionOpened(SESSIONS[1], ()), SessionOpened(SESSIONS[0], ())]


def test_a_paused_replay_stands_still_and_goes_on_exactly_there():
    replay = started()
    advance(replay, wall(100))
    before = venue(replay, wall(100))
    assert replay.apply(PauseReplay("a"), wall(100)).reply == Done()
    assert venue(replay, wall(5_000)) == before
    assert replay.next_due_ns(wall(5_000)) == NEVER_NS
    assert advance(replay, wall(5_000)) == []
    replay.apply(ResumeReplay("b"), wall(5_000))
    assert venue(replay, wall(5_000)) == before
    assert venue(replay, wall(5_001)) == before + 60 * NS_PER_S


def test_a_pause_between_sessions_goes_on_at_the_same_speed():
    replay = started()
    advance(replay, wall(SESSION_S + 1))
    assert replay.view.segment.session is None
    replay.apply(PauseReplay("a"), wall(SESSION_S + 1))
    replay.apply(ResumeReplay("b"), wall(1_000))
    assert replay.next_due_ns(wall(1_000)) == wall(1_002)
    assert isinstance(advance(replay, wall(1_002))[1], SessionOpened)


def test_what_was_due_before_a_pause_is_published_in_it():
    replay = started()
    replay.apply(PauseReplay("a"), wall(25))
    at_ns = venue(replay, wall(25))
    events = advance(replay, wall(26))
    due = [p for p in session_prints(_bars("2012-05-21"), SESSIONS[0], 7) if p.at_ns <= at_ns]
    assert [event.print for event in events] == due[2:]


def _bars(day):
    return [b for s in ("AAPL", "MSFT") for b in SAMPLE.bars(s, "raw") if b.session == day]


def test_pausing_twice_and_resuming_twice_change_nothing():
    replay = started()
    replay.apply(PauseReplay("a"), wall(1))
    assert replay.apply(PauseReplay("b"), wall(2)).events == ()
    replay.apply(ResumeReplay("c"), wall(3))
    assert replay.apply(ResumeReplay("d"), wall(4)).events == ()


def test_the_rate_changes_from_now_on_without_a_jump():
    replay = started()
    before = venue(replay, wall(10))
    (moved,) = replay.apply(SetReplayRate("a", 600), wall(10)).events
    assert moved.jumped is False
    assert venue(replay, wall(10)) == before
    assert venue(replay, wall(11)) == before + 600 * NS_PER_S


@pytest.mark.parametrize(("when", "later_s"), [("closed", 30), ("paused", 50), ("open", 50)])
def test_a_commanded_rate_holds_in_later_sessions_and_after_a_restart(when, later_s):
    replay = replay_of()
    events = advance(replay, START_NS)
    now_ns = wall(SESSION_S + 1 if when == "closed" else 10)
    events += advance(replay, now_ns)
    if when == "paused":
        events += replay.apply(PauseReplay("p"), now_ns).events
    events += replay.apply(SetReplayRate("a", 600), now_ns).events
    if when == "paused":
        assert replay.view.segment.rate == 0
        events += replay.apply(ResumeReplay("r"), now_ns).events
    again = recreated(replay, events)
    advance(again, now_ns + later_s * NS_PER_S)
    assert again.view.segment.session == SESSIONS[1]
    assert again.view.segment.rate == 600


def test_a_commanded_rate_holds_when_the_replay_starts_over():
    replay = started(last_session="2012-05-21")
    replay.apply(SetReplayRate("a", 600), wall(0))
    events = advance(replay, wall(SESSION_S / 10))
    assert [e.jumped for e in events if isinstance(e, ClockMoved)][-1]
    assert replay.view.segment.rate == 600
    other = replay_of(first_session="2012-05-23")
    other.evolve(ClockMoved(replay.view.segment, jumped=False))
    advance(other, wall(SESSION_S / 10))
    assert (other.view.segment.session, other.view.segment.rate) == (SESSIONS[2], 600)


def test_other_settings_after_a_restart_take_effect_unless_a_rate_was_commanded():
    replay = replay_of()
    events = advance(replay, START_NS)
    faster = recreated(replay, events, rate=1_000)
    advance(faster, wall(20))
    assert faster.view.segment.rate == 1_000


@pytest.mark.parametrize("rate", [0, -1, 100_001])
def test_a_rate_out_of_range_is_refused(rate):
    replay = started()
    before = replay.to_bytes()
    with pytest.raises(InvalidRequest, match="rate must lie between 1 and 100000"):
        replay.apply(SetReplayRate("a", rate), wall(1))
    assert replay.to_bytes() == before


def test_a_jump_into_a_session_publishes_what_lies_before():
    replay = started()
    at_ns = SESSIONS[3].open_ns + 4 * HOUR_NS
    moved, opened, *prints = replay.apply(SetVenueTime("a", at_ns), wall(50)).events
    assert moved.jumped
    assert (moved.segment.venue_ns, moved.segment.next_session) == (at_ns, SESSIONS[4])
    assert opened == SessionOpened(SESSIONS[3], ())
    expected = session_prints(_bars("2012-05-24"), SESSIONS[3], 7)
    assert [event.print for event in prints] == [p for p in expected if p.at_ns <= at_ns]
    assert len(prints) > 2


def test_a_jump_back_within_a_session_publishes_it_again():
    replay = started()
    advance(replay, wall(300))
    events = replay.apply(SetVenueTime("a", SESSIONS[0].open_ns), wall(300)).events
    assert [type(event) for event in events] == [ClockMoved, SessionOpened] + [PrintPublished] * 2


def test_a_jump_between_sessions_leads_to_the_next_open():
    replay = started()
    (moved,) = replay.apply(SetVenueTime("a", SESSIONS[1].close_ns + HOUR_NS), wall(5)).events
    assert (moved.jumped, moved.segment.session) == (True, None)
    assert replay.view.session is None
    assert advance(replay, wall(8))[1] == SessionOpened(SESSIONS[2], ())


def test_a_paused_replay_stays_paused_over_a_jump():
    replay = started()
    replay.apply(PauseReplay("a"), wall(1))
    at_ns = SESSIONS[1].open_ns + HOUR_NS
    replay.apply(SetVenueTime("b", at_ns), wall(2))
    assert venue(replay, wall(100)) == at_ns
    assert replay.view.session == SESSIONS[1]


@pytest.mark.parametrize("at_ns", [SESSIONS[0].open_ns - 1, SESSIONS[4].close_ns, 0])
def test_a_jump_out_of_the_data_is_refused_with_the_range(at_ns):
    replay = started()
    before = replay.to_bytes()
    with pytest.raises(InvalidRequest, match="2012-05-21T13:30:00Z to before 2012-05-25T20:00:00Z"):
        replay.apply(SetVenueTime("a", at_ns), wall(1))
    assert replay.to_bytes() == before


def test_the_view_is_whole_after_any_prefix_of_the_journal():
    replay = replay_of()
    events = [*advance(replay, START_NS), *advance(replay, wall(2_000))]
    expected = advance(recreated(replay, events), wall(4_000))
    # What one step brings is journaled at once, so no prefix ends before these.
    within = {
        index
        for index, event in enumerate(events)
        if isinstance(event, SessionOpened) or isinstance(events[index - 1], SessionClosed)
    }
    for cut in sorted(set(range(1, len(events))) - within):
        part = recreated(None, events[:cut])
        assert advance(part, wall(2_000)) + advance(part, wall(4_000)) == events[cut:] + expected


def test_a_restored_snapshot_is_the_same_byte_for_byte_and_goes_on_the_same():
    replay = started()
    advance(replay, wall(777))
    other = replay_of()
    other.from_bytes(replay.to_bytes())
    assert other.to_bytes() == replay.to_bytes()
    assert advance(other, wall(1_500)) == advance(replay, wall(1_500))


def test_bytes_that_are_no_state_are_refused():
    with pytest.raises(CorruptJournal):
        replay_of().from_bytes(b"nonsense")


def test_a_short_downtime_counts_in_full():
    replay = started()
    assert replay.apply(Recover(wall(5)), wall(25)).events == ()
    advance(replay, wall(25))
    assert venue(replay, wall(25)) == SESSIONS[0].open_ns + 25 * 60 * NS_PER_S


def test_of_a_long_downtime_no_more_counts_than_the_settings_allow():
    replay = replay_of()
    events = advance(replay, START_NS)
    events += advance(replay, wall(40))
    replay = recreated(replay, events)
    now_ns = wall(100_000)
    (moved,) = replay.apply(Recover(wall(40)), now_ns).events
    assert moved.jumped is False
    missed = [e for e in advance(replay, now_ns) if isinstance(e, PrintPublished)]
    assert venue(replay, now_ns) == SESSIONS[0].open_ns + 70 * 60 * NS_PER_S
    expected = session_prints(_bars("2012-05-21"), SESSIONS[0], 7)
    times = (SESSIONS[0].open_ns + 40 * 60 * NS_PER_S, venue(replay, now_ns))
    assert [e.print for e in missed] == [p for p in expected if times[0] < p.at_ns <= times[1]]


def test_a_downtime_sends_no_subscribers_clock_back():
    replay = started()
    advance(replay, wall(15))
    seen = max(venue(replay, wall(s)) for s in range(100))
    # The last beat was long before the last segment: what subscribers saw counts, not the beat.
    replay.apply(Recover(wall(-500)), wall(100))
    assert venue(replay, wall(100)) >= seen


def test_recovering_twice_is_recovering_once():
    replay = started()
    replay.apply(Recover(wall(1)), wall(900))
    assert replay.apply(Recover(wall(899)), wall(900)).events == ()


def test_a_paused_or_new_replay_has_nothing_to_recover():
    assert replay_of().apply(Recover(wall(0)), wall(900)).events == ()
    replay = started()
    replay.apply(PauseReplay("a"), wall(1))
    assert replay.apply(Recover(wall(0)), wall(900)).events == ()


def test_another_seed_after_a_restart_publishes_every_print_of_the_session_once():
    replay = replay_of()
    events = [*advance(replay, START_NS), *advance(replay, wall(200))]
    other = recreated(replay, events, seed=8)
    events += advance(other, wall(SESSION_S + 1))
    kinds = [(e.print.symbol, e.print.kind) for e in events if isinstance(e, PrintPublished)]
    assert len(kinds) == 8
    assert len(set(kinds)) == 8


def test_a_range_that_no_longer_contains_the_position_makes_it_start_over():
    replay = replay_of()
    events = advance(replay, START_NS)
    other = recreated(replay, events, first_session="2012-05-23")
    assert other.next_due_ns(wall(1)) == wall(1)
    moved, opened, *_ = advance(other, wall(1))
    assert moved.jumped
    assert opened == SessionOpened(SESSIONS[2], ())


def test_a_wall_clock_that_is_set_back_does_not_stop_the_venue():
    replay = started()
    advance(replay, wall(60))
    back_ns = wall(60) - HOUR_NS
    before = replay.view.segment.venue_ns
    (moved,) = advance(replay, back_ns)
    assert moved.jumped is False
    assert venue(replay, back_ns) >= before
    assert venue(replay, back_ns + NS_PER_S) == venue(replay, back_ns) + 60 * NS_PER_S


def test_a_wall_clock_that_is_a_little_behind_is_waited_for():
    replay = started()
    assert advance(replay, wall(-1)) == []
    assert venue(replay, wall(-1)) == SESSIONS[0].open_ns


@pytest.mark.parametrize(
    "command",
    [PauseReplay("a"), ResumeReplay("a"), SetReplayRate("a", 5), SetVenueTime("a", 0)],
)
def test_before_the_first_advance_a_command_is_told_to_come_again(command):
    with pytest.raises(ComponentUnavailable):
        replay_of().apply(command, START_NS)


def test_operators_commands_are_known_by_their_id_and_the_others_are_not():
    replay = replay_of()
    assert replay.idempotency_key(Advance()) is None
    assert replay.idempotency_key(Recover(0)) is None
    for command in (
        PauseReplay("x1"),
        ResumeReplay("x1"),
        SetReplayRate("x1", 5),
        SetVenueTime("x1", 0),
    ):
        assert replay.idempotency_key(command) == "replay:x1"


@pytest.mark.parametrize(
    "command",
    [
        PauseReplay("a"),
        SetReplayRate("a", 5),
        SetVenueTime("a", SESSIONS[1].open_ns + HOUR_NS),
    ],
)
def test_a_repeated_command_is_answered_by_its_first_event_and_another_one_is_refused(command):
    replay = started()
    first = replay.apply(command, wall(3)).events[0]
    assert replay.repeat(command, first) == Done()
    for other in (ResumeReplay("a"), SetReplayRate("a", 6), SetVenueTime("a", 7)):
        if not (isinstance(other, ResumeReplay) and isinstance(command, SetReplayRate)):
            with pytest.raises(NotAllowed):
                replay.repeat(other, first)


def test_the_view_is_what_a_query_finds():
    replay = started()
    assert replay.query(GetMarketView(), wall(1)).view is replay.view
    assert replay.view.last["AAPL"].price == Decimal(100)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate": 0}, "rate is 0"),
        ({"rate": 100_001}, "rate is 100001"),
        ({"closed_wall_ms": 0}, "closed_wall_ms is 0"),
        ({"downtime_max_ms": 0}, "downtime_max_ms is 0"),
        ({"first_session": "21 May 2012"}, "must be a date"),
        ({"first_session": "20120521"}, "must be a date"),
        ({"last_session": "2012-02-30"}, "must be a date"),
        ({"first_session": "2012-05-22", "last_session": "2012-05-21"}, "before first_session"),
        ({"first_session": "2012-05-20"}, "from 2012-05-21 to 2012-05-25"),
        ({"last_session": "2012-05-26"}, "from 2012-05-21 to 2012-05-25"),
    ],
)
def test_wrong_settings_are_named_with_what_would_be_right(changes, message):
    with pytest.raises(Misconfigured, match=message):
        replay_of(**changes)


def test_data_without_prices_as_traded_cannot_be_replayed():
    with pytest.raises(Misconfigured, match="nothing to replay"):
        Replay(MemoryMarketData([], sessions=SESSIONS), SETTINGS)


@pytest.mark.parametrize("closed_wall_ms", [1, 7, 3_000, 3_001, 9_000])
def test_a_closed_period_lasts_no_longer_than_set_and_ends_just_before_the_open(closed_wall_ms):
    replay = started(closed_wall_ms=closed_wall_ms)
    now_ns = START_NS
    while replay.view.session is not None:
        now_ns = max(now_ns, replay.next_due_ns(now_ns))
        replay.apply(Advance(), now_ns)
    segment = replay.view.segment
    assert segment.wall_end_ns - segment.wall_ns <= closed_wall_ms * NS_PER_MS
    short_ns = SESSIONS[1].open_ns - segment.venue_at(segment.wall_end_ns)
    assert 0 <= short_ns < segment.rate
