"""The index of the audit log, lost in every way, is made again from the log's journal."""

from collections.abc import Callable, Iterator

import msgspec
import pytest
from audit_files import NOW_NS, entry
from sqlalchemy import Engine, delete

from actors.audit_index_repair import repair_index
from adapters.database.audit_index import AuditIndex
from adapters.database.engine import open_database
from adapters.database.migration import migrate
from adapters.database.schema import AUDIT_INDEX
from adapters.database.sql_journal import SqlJournal
from tradeplane.audit.commands import AppendEntries
from tradeplane.audit.log import AuditLog
from tradeplane.audit.search import AuditPage, AuditSearch
from tradeplane.journal import Record, Stream

STREAM = Stream("audit")
SIZE = 700


@pytest.fixture
def engine(tmp_path) -> Iterator[Engine]:
    opened = open_database(f"sqlite:///{tmp_path / 'audit.db'}")
    migrate(opened)
    journal, log = SqlJournal(opened), AuditLog()
    epoch = journal.claim(STREAM)
    for number in range(7):
        entries = tuple(entry(number * 100 + one) for one in range(100))
        applied = log.apply(AppendEntries("ledger/0", number, number + 1, entries), NOW_NS)
        event = msgspec.json.encode(applied.events[0])
        journal.append(STREAM, epoch, [Record(number + 1, event, None, NOW_NS)], applied.rows)
    yield opened
    opened.dispose()


def everything(engine: Engine) -> AuditPage:
    return AuditIndex(engine).find(AuditSearch(tenant_id="firm", before=SIZE, limit=500))


def keep_all(_: Engine) -> None:
    pass


def drop(*conditions: object) -> Callable[[Engine], None]:
    def run(engine: Engine) -> None:
        with engine.begin() as connection:
            connection.execute(delete(AUDIT_INDEX).where(*conditions))  # type: ignore[arg-type]

    return run


@pytest.mark.parametrize(
    ("lose", "repaired"),
    [
        (keep_all, False),
        (drop(), True),
        (drop(AUDIT_INDEX.c.log_index == 350), True),
        (drop(AUDIT_INDEX.c.log_index >= 600), True),
    ],
)
def test_whatever_is_lost_comes_back(
    engine: Engine, lose: Callable[[Engine], None], repaired: bool
) -> None:
    before = everything(engine)
    lose(engine)

    assert repair_index(AuditIndex(engine), SqlJournal(engine), STREAM, SIZE) is repaired

    assert everything(engine) == before
    assert AuditIndex(engine).complete_up_to(SIZE)


def test_rows_that_do_not_belong_to_the_log_are_removed(engine: Engine) -> None:
    before = everything(engine)
    record = msgspec.structs.replace(before.records[0], log_index=SIZE + 5)
    AuditIndex(engine).add([record])

    assert repair_index(AuditIndex(engine), SqlJournal(engine), STREAM, SIZE)

    assert everything(engine) == before
