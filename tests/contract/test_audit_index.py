"""The index of the audit log against a list, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator

import msgspec
import pytest
from sqlalchemy import Engine

from adapters.database.audit_index import ENTRIES_MAX, SCAN_MAX, AuditIndex
from adapters.database.engine import open_database
from adapters.database.migration import migrate
from adapters.database.sql_journal import SqlJournal
from tradeplane.audit.document import AuditRecord
from tradeplane.audit.search import AuditPage, AuditSearch
from tradeplane.errors import CorruptJournal, ServiceFailed
from tradeplane.journal import Stream


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path / 'index.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("new_postgres_database")()
    opened = open_database(url)
    migrate(opened)
    yield opened
    opened.dispose()


@pytest.fixture
def index(engine: Engine) -> AuditIndex:
    return AuditIndex(engine)


def record(log_index: int, **changes) -> AuditRecord:
    fields = {
        "log_index": log_index,
        "tenant_id": "firm",
        "account_id": "a",
        "action": "order.accepted",
        "outcome": "success",
        "target_kind": "order",
        "target_id": f"order-{log_index}",
        "at_ns": 1_000 + log_index,
        "logged_ms": 1,
        **changes,
    }
    return AuditRecord(**fields)


def pages(index: AuditIndex, search: AuditSearch) -> list[AuditPage]:
    found = [index.find(search)]
    while found[-1].next_before is not None:
        found.append(index.find(msgspec.structs.replace(search, before=found[-1].next_before)))
    return found


def test_the_rows_of_a_batch_are_committed_with_its_events(engine, index):
    journal = SqlJournal(engine)
    stream = Stream(f"audit-{uuid.uuid4()}")
    epoch = journal.claim(stream)
    journal.append(stream, epoch, [], [record(0), record(1)])
    with pytest.raises(CorruptJournal):
        journal.append(stream, epoch, [], [record(2), record(1)])
    assert index.complete_up_to(2)


def test_pages_hold_every_entry_of_the_firm_once_newest_first(index):
    source = random.Random(7)
    records = [
        record(
            number,
            tenant_id=source.choice(["firm", "rival"]),
            account_id=source.choice(["a", "b"]),
            action=source.choice(["order.accepted", "order.filled"]),
            outcome=source.choice(["success", "failure"]),
        )
        for number in range(300)
    ]
    index.add(records)
    for changes in (
        {},
        {"action": "order.filled"},
        {"outcome": "failure", "account_id": "b"},
        {"target_id": "order-42"},
        {"since_ns": 1_100, "until_ns": 1_150},
        {"before": 77},
    ):
        search = AuditSearch(**{"tenant_id": "firm", "before": 300, "limit": 7, **changes})
        expected = [
            each
            for each in reversed(records)
            if each.tenant_id == "firm"
            and each.log_index < search.before
            and search.action in {"", each.action}
            and search.outcome in {"", each.outcome}
            and search.account_id in {"", each.account_id}
            and search.target_id in {"", each.target_id}
            and (search.since_ns is None or each.at_ns >= search.since_ns)
            and (search.until_ns is None or each.at_ns < search.until_ns)
        ]
        found = pages(index, search)
        assert [each for page in found for each in page.records] == expected
        assert all(len(page.records) <= 7 for page in found)


def test_one_search_looks_through_a_bounded_part_and_says_where_to_go_on(index):
    index.add([record(0, action="rare"), record(SCAN_MAX + 10)])
    search = AuditSearch("firm", SCAN_MAX + 11, 10, action="rare")
    first = index.find(search)
    assert first == AuditPage((), 11)
    assert index.find(msgspec.structs.replace(search, before=11)).records[0].log_index == 0


def test_a_limit_beyond_the_most_is_cut(index):
    index.add([record(number) for number in range(ENTRIES_MAX + 5)])
    assert len(index.find(AuditSearch("firm", 10_000, 10_000)).records) == ENTRIES_MAX


def test_the_first_record_of_an_order_is_found_by_its_id(index):
    index.add(
        [
            record(0, target_id="o", target_kind="account"),
            record(1, target_id="o"),
            record(2, target_id="o", action="order.filled"),
            record(3, target_id="o"),
        ]
    )
    found = index.of_target("order", "o", "order.accepted")
    assert found is not None
    assert found.log_index == 1
    assert index.of_target("order", "unknown", "order.accepted") is None


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "' OR 1=1 --", "%", "é"])
def test_texts_that_cannot_be_there_find_nothing_and_break_nothing(index, text):
    index.add([record(0)])
    assert index.of_target("order", text, "order.accepted") is None
    search = AuditSearch("firm", 10, 10)
    for name in ("tenant_id", "action", "target_id", "account_id"):
        assert index.find(msgspec.structs.replace(search, **{name: text})).records == ()


def test_it_is_known_whether_the_index_is_complete(index):
    assert index.complete_up_to(0)
    index.add([record(0), record(2)])
    assert not index.complete_up_to(2)
    assert not index.complete_up_to(3)
    index.add([record(1)])
    assert index.complete_up_to(3)
    assert not index.complete_up_to(2), "rows behind the end of the log are of another log"
    index.clear()
    assert index.complete_up_to(0)


def test_the_firms_of_accounts_come_from_their_openings(index):
    index.add(
        [
            record(0, action="account.opened", account_id="a", tenant_id="firm"),
            record(1, account_id="c"),
            record(2, action="account.opened", account_id="b", tenant_id="rival"),
        ]
    )
    assert index.tenants_of_accounts() == {"a": "firm", "b": "rival"}


def test_an_index_that_is_gone_is_a_failure_not_an_empty_answer(engine, index):
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE audit_index")
    for call in (
        lambda: index.complete_up_to(0),
        lambda: index.find(AuditSearch("firm", 1, 1)),
        lambda: index.of_target("order", "o", "order.accepted"),
        lambda: index.add([record(0)]),
        index.tenants_of_accounts,
        index.clear,
    ):
        with pytest.raises(ServiceFailed):
            call()
