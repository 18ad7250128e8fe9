"""The component ``audit`` beside a plain list: replay, snapshots, repeats, a clock that jumps."""

import hashlib

import msgspec
import pytest
from audit_files import NOW_NS, entry
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tradeplane.audit.commands import (
    AppendEntries,
    FoundLog,
    GetLog,
    GetPublication,
    ObserveEntries,
    Publication,
)
from tradeplane.audit.document import read_record
from tradeplane.audit.entry_bundle import decode_bundle
from tradeplane.audit.events import AuditEvent
from tradeplane.audit.log import (
    CLOCK_STEP_NS,
    ENTRIES_MAX,
    UNPUBLISHED_MAX,
    AuditLog,
)
from tradeplane.errors import CorruptJournal, InvalidRequest, LimitReached, NotFound, Overloaded
from tradeplane.feed import PRIVATE_TOPIC

SOURCES = ("ledger/0", "auth/0")


def naive_root(leaves: list[bytes]) -> bytes:
    """The definition in RFC 6962, section 2.1."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(
        b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])
    ).digest()


class AuditLogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.log = AuditLog()
        self.now_ns = NOW_NS
        self.journal: list[bytes] = []
        self.documents: list[bytes] = []
        self.marks = dict.fromkeys(SOURCES, 0)
        self.published = 0
        self.numbers = 0

    def apply(self, command: object) -> int:
        applied = self.log.apply(command, self.now_ns)  # type: ignore[arg-type]
        for event in applied.events:
            self.journal.append(msgspec.json.encode(event))
            entries = getattr(event, "entries", ())
            self.documents += [bytes(one) for one in entries]
            assert self.log.topic(event) == PRIVATE_TOPIC
        assert [row.log_index for row in applied.rows] == list(
            range(len(self.documents) - len(applied.rows), len(self.documents))
        )
        return len(applied.events)

    def fresh(self, count: int) -> tuple:
        self.numbers += count
        return tuple(entry(number) for number in range(self.numbers - count, self.numbers))

    @initialize()
    def found(self) -> None:
        assert self.apply(FoundLog("log", "log+0+key", b"sealed")) == 1
        assert self.apply(FoundLog("other", "other", b"other")) == 0

    @rule(
        source=st.sampled_from(SOURCES),
        count=st.integers(0, 400),
        records=st.integers(1, 500),
        told=st.booleans(),
    )
    def append(self, source: str, count: int, records: int, told: bool) -> None:
        after = self.marks[source]
        if told:
            self.published = len(self.documents)
        command = AppendEntries(source, after, after + records, self.fresh(count), self.published)
        assert self.apply(command) == 1
        self.marks[source] += records
        assert self.apply(command) == 0, "the same again does nothing"

    @rule(source=st.sampled_from(SOURCES), gap=st.integers(1, 9))
    def leave_a_gap(self, source: str, gap: int) -> None:
        after = self.marks[source] + gap
        with pytest.raises(InvalidRequest):
            self.apply(AppendEntries(source, after, after + 5, self.fresh(1)))

    @rule(count=st.integers(1, 300))
    def observe(self, count: int) -> None:
        command = ObserveEntries(f"command-{self.numbers}", self.fresh(count))
        assert self.log.idempotency_key(command) == f"observed:{command.command_id}"
        assert self.apply(command) == 1
        event = msgspec.json.decode(self.journal[-1], type=AuditEvent)
        assert self.log.repeat(command, event).size == len(self.documents)  # type: ignore[union-attr]

    @rule(step_ns=st.integers(-5 * CLOCK_STEP_NS, 5 * CLOCK_STEP_NS))
    def move_the_clock(self, step_ns: int) -> None:
        self.now_ns += step_ns

    @rule()
    def restart_from_the_snapshot(self) -> None:
        state = self.log.to_bytes()
        self.log = AuditLog()
        self.log.from_bytes(state)
        assert self.log.to_bytes() == state

    @rule()
    def replay_the_journal(self) -> None:
        again = AuditLog()
        for event in self.journal:
            again.evolve(msgspec.json.decode(event, type=AuditEvent))
        assert again.to_bytes() == self.log.to_bytes()

    @precondition(lambda self: self.documents)
    @rule(data=st.data())
    def publish_from_somewhere(self, data: st.DataObject) -> None:
        after = data.draw(st.integers(self.published, len(self.documents)))
        found = self.log.query(GetPublication(after), 0)
        assert isinstance(found, Publication)
        leaves = [hashlib.sha256(b"\0" + one).digest() for one in self.documents]
        assert found.after_root == naive_root(leaves[:after])
        for path, content in found.objects:
            if path.startswith("tile/entries/"):
                number = int(path.split("/")[2].split(".")[0])
                entries = decode_bundle(content)
                assert entries == self.documents[number * 256 : number * 256 + len(entries)]

    @invariant()
    def it_is_the_list(self) -> None:
        found = self.log.query(GetLog(), 0)
        leaves = [hashlib.sha256(b"\0" + one).digest() for one in self.documents]
        assert found.size == len(self.documents)
        assert found.root == naive_root(leaves)
        assert found.marks == {name: mark for name, mark in self.marks.items() if mark}

    def teardown(self) -> None:
        records = [read_record(one) for one in self.documents]
        assert [one.log_index for one in records] == list(range(len(records)))
        times = [one.logged_ms for one in records]
        assert times == sorted(times), "what the clock does, the log's time never goes back"


AuditLogMachine.TestCase.settings = settings(deadline=None, max_examples=40, stateful_step_count=20)
test_the_log_is_its_entries_in_order_whatever_happens = AuditLogMachine.TestCase


def test_a_clock_that_goes_back_is_recorded_once_each_time() -> None:
    log = AuditLog()
    acts: list[str] = []
    for mark, now_ns in enumerate((10, 4, 3, 11, 12, 5), 1):
        command = AppendEntries("ledger/0", mark - 1, mark, (entry(mark),))
        applied = log.apply(command, NOW_NS + now_ns * CLOCK_STEP_NS)
        acts += [row.action for row in applied.rows]

    assert acts == ["order.accepted", "clock.stepped_back", *["order.accepted"] * 4,
                    "clock.stepped_back", "order.accepted"]  # fmt: skip


def test_too_many_entries_for_one_command_are_refused_whole() -> None:
    log = AuditLog()
    entries = tuple(entry(number) for number in range(ENTRIES_MAX + 1))

    with pytest.raises(LimitReached):
        log.apply(AppendEntries("ledger/0", 0, 1, entries), NOW_NS)
    assert (log.size, log.mark("ledger/0")) == (0, 0)


def test_entries_that_no_store_takes_are_refused_and_marks_still_move() -> None:
    log = AuditLog()
    entries = tuple(entry(number) for number in range(2_000))
    count = UNPUBLISHED_MAX // 2_000
    for mark in range(count):
        log.apply(AppendEntries("ledger/0", mark, mark + 1, entries), NOW_NS)

    with pytest.raises(Overloaded):
        log.apply(AppendEntries("ledger/0", count, count + 1, entries), NOW_NS)
    log.apply(AppendEntries("auth/0", 0, 5_000, ()), NOW_NS)
    assert log.mark("auth/0") == 5_000
    log.apply(AppendEntries("ledger/0", count, count + 1, entries, published=20_000), NOW_NS)
    assert log.size == (count + 1) * 2_000


def test_a_tree_that_was_published_and_forgotten_is_not_found() -> None:
    log = AuditLog()
    entries = tuple(entry(number) for number in range(1_000))
    log.apply(AppendEntries("ledger/0", 0, 1, entries), NOW_NS)
    log.apply(AppendEntries("ledger/0", 1, 2, entries, published=1_000), NOW_NS)

    with pytest.raises(NotFound):
        log.query(GetPublication(500), 0)
    with pytest.raises(NotFound):
        log.query(GetPublication(5_000), 0)


def test_a_state_that_is_none_is_refused_and_the_present_one_kept() -> None:
    log = AuditLog()
    log.apply(AppendEntries("ledger/0", 0, 1, (entry(1),)), NOW_NS)

    with pytest.raises(CorruptJournal):
        log.from_bytes(b"nothing")
    assert log.size == 1
