"""The journal that fails on purpose does what its script says."""

from __future__ import annotations

from itertools import islice

import pytest

from adapters.database.faulty_journal import Fault, FaultyJournal, seeded_faults
from adapters.database.memory_journal import MemoryJournal
from tradeplane.errors import Fenced, JournalUnavailable, OutcomeUnknown
from tradeplane.journal import Record, Snapshot, Stream

STREAM = Stream("ledger")
FIRST = Record(1, b"{}", None, 1)


@pytest.mark.parametrize(
    ("fault", "raises", "written"),
    [
        (Fault.UNAVAILABLE, JournalUnavailable, False),
        (Fault.UNKNOWN_WRITTEN, OutcomeUnknown, True),
        (Fault.UNKNOWN_NOT_WRITTEN, OutcomeUnknown, False),
        (Fault.FENCED, Fenced, False),
    ],
)
def test_a_faulty_append_raises_and_writes_as_told(fault, raises, written):
    journal = FaultyJournal(MemoryJournal(), [fault])
    epoch = journal.claim(STREAM)

    with pytest.raises(raises):
        journal.append(STREAM, epoch, [FIRST])

    assert list(journal.replay(STREAM, 0)) == ([FIRST] if written else [])
    journal.append(STREAM, epoch, [Record(2 if written else 1, b"{}", None, 1)])


def test_a_slow_append_works_after_its_pause():
    pauses: list[int] = []
    journal = FaultyJournal(MemoryJournal(), [Fault.SLOW], pause=lambda: pauses.append(1))

    journal.append(STREAM, journal.claim(STREAM), [FIRST])

    assert pauses == [1]
    assert list(journal.replay(STREAM, 0)) == [FIRST]


def test_other_calls_fail_when_they_are_named_and_only_then():
    operations = ("claim", "verify", "replay", "find", "save_snapshot", "newest_snapshot")
    inner = MemoryJournal()
    calls = {
        "claim": lambda journal: journal.claim(STREAM),
        "verify": lambda journal: journal.verify(STREAM, inner.store.epochs[STREAM]),
        "replay": lambda journal: list(journal.replay(STREAM, 0)),
        "find": lambda journal: journal.find(STREAM, ["key"]),
        "save_snapshot": lambda journal: journal.save_snapshot(
            STREAM, inner.store.epochs[STREAM], Snapshot(1, b"", "")
        ),
        "newest_snapshot": lambda journal: journal.newest_snapshot(STREAM),
    }
    inner.claim(STREAM)
    for operation in operations:
        unnamed = FaultyJournal(inner, [Fault.UNAVAILABLE])
        calls[operation](unnamed)
        for fault in (Fault.UNAVAILABLE, Fault.UNKNOWN_NOT_WRITTEN, Fault.UNKNOWN_WRITTEN):
            named = FaultyJournal(inner, [fault], operations=[operation])
            with pytest.raises(JournalUnavailable):
                calls[operation](named)
            calls[operation](named)


def test_seeded_faults_repeat_for_their_seed_and_follow_their_weights():
    weights = {Fault.NONE: 3.0, Fault.UNAVAILABLE: 1.0, Fault.FENCED: 0.0}

    def draw(seed: int) -> list[Fault]:
        return list(islice(seeded_faults(seed, weights), 1_000))

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)
    assert 600 < draw(1).count(Fault.NONE) < 900
    assert Fault.FENCED not in draw(1)


def test_closing_never_fails():
    FaultyJournal(MemoryJournal(), [Fault.UNAVAILABLE]).close()
