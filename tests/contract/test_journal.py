"""What every journal promises: in memory, on SQLite, and on a real PostgreSQL."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from adapters.database.sql_journal import FIND_BATCH, REPLAY_BATCH
from tradeplane.errors import CorruptJournal, Fenced, Misconfigured
from tradeplane.journal import Journal, Record, Snapshot, Stream

RECORDED_NS = 1_700_000_000_123_456_789


def record(sequence: int, key: str | None = None, event: bytes | None = None) -> Record:
    return Record(sequence, event or b'{"n":%d}' % sequence, key, RECORDED_NS + sequence)


def snapshot(sequence: int, state: bytes = b"\x00state\xff") -> Snapshot:
    return Snapshot(sequence, state, hashlib.sha256(state).hexdigest())


@pytest.fixture
def journal(store: Any) -> Journal:
    return store.journal()


def replayed(journal: Journal, stream: Stream, after: int = 0) -> list[Record]:
    return list(journal.replay(stream, after))


def test_claims_count_up_from_one_for_each_stream(journal, store, stream):
    other = Stream(stream.component, stream.shard + 1)

    assert [journal.claim(stream), store.journal().claim(stream), journal.claim(stream)] == [
        1,
        2,
        3,
    ]
    assert journal.claim(other) == 1


def test_a_claimed_epoch_verifies_and_every_other_is_fenced(journal, stream):
    with pytest.raises(Fenced):
        journal.verify(stream, 0)
    with pytest.raises(Fenced):
        journal.verify(stream, 1)
    epoch = journal.claim(stream)

    journal.verify(stream, epoch)

    for other in (0, epoch + 1):
        with pytest.raises(Fenced, match="not the newest, which is 1"):
            journal.verify(stream, other)


def test_what_was_appended_comes_back_byte_for_byte(journal, store, stream):
    events = [
        record(1, "key é 漢 🙂 ' \" \\ % :x", '{"text":"é漢🙂\\u0000 \\" %s ? :x"}'.encode()),
        record(2, None, b'{ "spaces" : [ 1.10 , 2 ] }'),
        Record(3, b"{}", "", 2**63 - 1),
    ]

    journal.append(stream, journal.claim(stream), events)

    assert replayed(journal, stream) == events
    assert replayed(store.journal(), stream) == events


def test_replay_begins_after_the_given_sequence_and_keeps_the_order(journal, stream):
    epoch = journal.claim(stream)
    journal.append(stream, epoch, [record(1), record(2)])
    journal.append(stream, epoch, [record(3), record(4)])

    assert [each.sequence for each in replayed(journal, stream, 1)] == [2, 3, 4]
    assert replayed(journal, stream, 4) == []
    assert replayed(journal, stream, 9) == []
    assert replayed(journal, Stream(stream.component, 99)) == []


@pytest.mark.parametrize("extra", [0, 1])
def test_replay_crosses_the_border_of_its_batches(journal, stream, extra):
    count = 2 * REPLAY_BATCH + extra
    journal.append(stream, journal.claim(stream), [record(n) for n in range(1, count + 1)])

    assert [each.sequence for each in journal.replay(stream, 0)] == list(range(1, count + 1))


def test_replay_holds_no_transaction_between_its_batches(journal, store, stream):
    epoch = journal.claim(stream)
    journal.append(stream, epoch, [record(n) for n in range(1, REPLAY_BATCH + 2)])
    replay = journal.replay(stream, 0)
    next(replay)

    store.journal().append(stream, epoch, [record(REPLAY_BATCH + 2)])

    assert sum(1 for _ in replay) >= REPLAY_BATCH


@pytest.mark.parametrize("lost", [1, 2, 4])
def test_a_lost_record_is_named_instead_of_skipped(journal, store, stream, lost):
    journal.append(stream, journal.claim(stream), [record(n) for n in range(1, 6)])
    store.lose_record(stream, lost)

    with pytest.raises(CorruptJournal, match=rf"{stream.component}/3 .*sequence {lost} is missing"):
        replayed(journal, stream)


def test_an_older_epoch_can_write_nothing(journal, store, stream, make_row):
    old = journal.claim(stream)
    journal.append(stream, old, [record(1)])
    store.journal().claim(stream)

    with pytest.raises(Fenced):
        journal.append(stream, old, [record(2)], [make_row()])
    with pytest.raises(Fenced):
        journal.save_snapshot(stream, old, snapshot(1))
    with pytest.raises(Fenced):
        journal.verify(stream, old)

    assert replayed(journal, stream) == [record(1)]
    assert journal.newest_snapshot(stream) is None
    assert store.row_count() == 0


def test_a_stream_that_nobody_claimed_takes_nothing(journal, stream):
    for epoch in (0, 1):
        with pytest.raises(Fenced):
            journal.append(stream, epoch, [record(1)])

    assert replayed(journal, stream) == []


@pytest.mark.parametrize("sequences", [[2], [1, 3], [1, 1], [2, 1], [0, 1]])
def test_records_that_do_not_follow_are_refused_whole(journal, stream, sequences):
    epoch = journal.claim(stream)

    with pytest.raises(CorruptJournal):
        journal.append(stream, epoch, [record(sequence) for sequence in sequences])

    assert replayed(journal, stream) == []


def test_a_sequence_is_written_once(journal, stream):
    epoch = journal.claim(stream)
    journal.append(stream, epoch, [record(1)])

    with pytest.raises(CorruptJournal):
        journal.append(stream, epoch, [record(1, event=b'{"other":1}')])

    assert replayed(journal, stream) == [record(1)]


@pytest.mark.parametrize(
    "records",
    [
        [record(2), record(3, "used")],
        [record(2, "twice"), record(3, "twice")],
    ],
    ids=["used before", "twice in the batch"],
)
def test_a_repeated_key_is_refused_whole(journal, store, stream, make_row, records):
    epoch = journal.claim(stream)
    journal.append(stream, epoch, [record(1, "used")])

    with pytest.raises(CorruptJournal):
        journal.append(stream, epoch, records, [make_row()])

    assert replayed(journal, stream) == [record(1, "used")]
    assert store.row_count() == 0
    journal.append(stream, epoch, [record(2, "other")])


def test_keys_are_of_their_stream(journal, stream):
    other = Stream(stream.component, stream.shard + 1)
    journal.append(stream, journal.claim(stream), [record(1, "key")])
    journal.append(other, journal.claim(other), [record(1), record(2, "key")])

    assert journal.find(stream, ["key"]) == {"key": record(1, "key")}
    assert journal.find(other, ["key"]) == {"key": record(2, "key")}


def test_find_returns_the_known_keys_alone(journal, store, stream):
    count = 2 * FIND_BATCH + 1
    records = [record(n, f"k{n}" if n % 2 else None) for n in range(1, count + 1)]
    journal.append(stream, journal.claim(stream), records)

    asked = [f"k{n}" for n in range(1, count + 3)] + ["k1", "no\0such", "\ud800", "K1", "k%"]
    found = store.journal().find(stream, asked)

    assert found == {each.key: each for each in records if each.key is not None}
    assert journal.find(stream, []) == {}


def test_rows_are_written_with_their_records_or_not_at_all(journal, store, stream, make_row):
    epoch = journal.claim(stream)
    first = make_row()
    journal.append(stream, epoch, [record(1)], [first, make_row()])
    assert store.row_count() == 2

    for repeated in (
        make_row(order_id=first.order_id),
        make_row(client_order_id=first.client_order_id),
    ):
        with pytest.raises(CorruptJournal):
            journal.append(stream, epoch, [record(2)], [make_row(), repeated])

    assert replayed(journal, stream) == [record(1)]
    assert store.row_count() == 2


def test_a_row_of_an_unknown_class_is_refused_before_anything_is_written(journal, stream):
    with pytest.raises(Misconfigured, match="rows of class dict"):
        journal.append(stream, journal.claim(stream), [record(1)], [{"no": "row"}])

    assert replayed(journal, stream) == []


def test_snapshots_come_back_newest_first_and_two_are_kept(journal, store, stream):
    epoch = journal.claim(stream)
    assert journal.newest_snapshot(stream) is None
    for sequence in (3, 7, 12):
        journal.save_snapshot(stream, epoch, snapshot(sequence, b"state %d" % sequence))

    assert store.journal().newest_snapshot(stream) == snapshot(12, b"state 12")

    store.spoil_snapshot(stream, 12)
    assert journal.newest_snapshot(stream) == snapshot(7, b"state 7")
    store.spoil_snapshot(stream, 7)
    assert journal.newest_snapshot(stream) is None, "the third was dropped"


def test_a_snapshot_of_the_same_sequence_replaces_the_first(journal, store, stream):
    journal.save_snapshot(stream, journal.claim(stream), snapshot(5, b"spoilt later"))
    store.spoil_snapshot(stream, 5)

    journal.save_snapshot(stream, journal.claim(stream), snapshot(5))

    assert journal.newest_snapshot(stream) == snapshot(5)


def test_snapshots_are_of_their_stream(journal, stream):
    other = Stream(stream.component, stream.shard + 1)
    journal.save_snapshot(stream, journal.claim(stream), snapshot(1))
    epoch = journal.claim(other)
    for sequence in (2, 3, 4):
        journal.save_snapshot(other, epoch, snapshot(sequence))

    assert journal.newest_snapshot(stream) == snapshot(1)


def test_everything_outlives_the_journal_that_wrote_it(journal, store, stream, make_row):
    epoch = journal.claim(stream)
    journal.append(stream, epoch, [record(1, "key")], [make_row()])
    journal.save_snapshot(stream, epoch, snapshot(1))
    journal.close()
    journal.close()

    reopened = store.journal()

    reopened.verify(stream, epoch)
    assert replayed(reopened, stream) == [record(1, "key")]
    assert reopened.find(stream, ["key"]) == {"key": record(1, "key")}
    assert reopened.newest_snapshot(stream) == snapshot(1)
    assert store.row_count() == 1
    assert reopened.claim(stream) == epoch + 1


def run_together(works: list[Callable[[], None]]) -> None:
    """Run *works* in a thread each, from the same moment, and raise what one of them raises."""
    barrier = threading.Barrier(len(works))
    failures: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            barrier.wait()
            work()
        except BaseException as error:  # noqa: BLE001  # raised again in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_nothing_of_the_old_copy_follows_the_first_write_of_the_new_one(store, stream):
    old, new = store.journal(), store.journal()
    old_epoch = old.claim(stream)
    has_begun = threading.Event()

    def write_for_ever() -> None:
        for sequence in itertools.count(1):
            old.append(stream, old_epoch, [record(sequence, event=b'"old"')])
            if sequence == 3:
                has_begun.set()

    def take_over() -> None:
        has_begun.wait()
        epoch = new.claim(stream)
        last = len(replayed(new, stream))
        for sequence in range(last + 1, last + 4):
            new.append(stream, epoch, [record(sequence, event=b'"new"')])

    with pytest.raises(Fenced):
        run_together([write_for_ever, take_over])

    authors = [each.event for each in replayed(new, stream)]
    assert authors[:3] == [b'"old"'] * 3
    assert authors == sorted(authors, reverse=True), "old ones first, then new ones"
    assert authors[-3:] == [b'"new"'] * 3


def test_of_racing_writers_with_one_epoch_a_single_one_wins_each_sequence(store, stream):
    epoch = store.journal().claim(stream)
    won: list[int] = []

    def race(writer: int) -> None:
        journal = store.journal()
        for sequence in range(1, 6):
            try:
                journal.append(stream, epoch, [record(sequence, f"{writer}-{sequence}")])
            except CorruptJournal:
                continue
            won.append(sequence)

    run_together([lambda writer=writer: race(writer) for writer in range(3)])

    found = [each.sequence for each in replayed(store.journal(), stream)]
    assert sorted(won) == found == list(range(1, len(found) + 1))
    assert found


def test_racing_claims_get_different_epochs(store, stream):
    epochs: list[int] = []

    def claim() -> None:
        journal = store.journal()
        epochs.extend(journal.claim(stream) for _ in range(5))

    run_together([claim] * 3)

    assert sorted(epochs) == list(range(1, 16))


def test_an_append_of_nothing_still_checks_the_epoch(journal, stream):
    epoch = journal.claim(stream)
    journal.append(stream, epoch, [])
    journal.claim(stream)

    with pytest.raises(Fenced):
        journal.append(stream, epoch, [])
