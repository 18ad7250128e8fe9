"""The journal on SQLite when the disk or another process is in the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from adapters.database.engine import open_database
from adapters.database.migration import migrate
from adapters.database.sql_journal import SqlJournal
from tradeplane.errors import CorruptJournal, JournalUnavailable, OutcomeUnknown
from tradeplane.journal import Record, Snapshot, Stream

STREAM = Stream("ledger")


def record(sequence: int, size: int = 1) -> Record:
    return Record(sequence, b'"%s"' % (b"x" * size), f"key-{sequence}", 1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tradeplane.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqlJournal]:
    engine = open_database(f"sqlite:///{path}")
    migrate(engine)
    journal = SqlJournal(engine)
    yield journal
    journal.close()


@pytest.fixture
def set_pragma(journal: SqlJournal) -> Callable[[str], None]:
    """Sets a pragma on every connection from now on."""
    pragmas: list[str] = []

    def on_checkout(connection: Any, *_: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    event.listen(journal._engine, "checkout", on_checkout)
    return pragmas.append


def test_a_full_disk_refuses_the_batch_whole_and_is_no_end(journal, set_pragma):
    epoch = journal.claim(STREAM)
    journal.append(STREAM, epoch, [record(1)])
    set_pragma("max_page_count=60")

    with pytest.raises(JournalUnavailable, match="disk is full"):
        journal.append(STREAM, epoch, [record(n, 10_000) for n in range(2, 100)])
    with pytest.raises(JournalUnavailable, match="disk is full"):
        journal.save_snapshot(STREAM, epoch, Snapshot(1, b"x" * 1_000_000, "digest"))

    assert list(journal.replay(STREAM, 0)) == [record(1)]
    journal.verify(STREAM, epoch)
    set_pragma("max_page_count=1000000")
    journal.append(STREAM, epoch, [record(n, 10_000) for n in range(2, 100)])
    assert len(list(journal.replay(STREAM, 0))) == 99


def test_a_database_that_another_process_keeps_locked_is_unavailable(journal, path, set_pragma):
    epoch = journal.claim(STREAM)
    set_pragma("busy_timeout=20")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    for refused in (
        lambda: journal.append(STREAM, epoch, [record(1)]),
        lambda: journal.claim(STREAM),
    ):
        with pytest.raises(JournalUnavailable, match="locked"):
            refused()

    journal.verify(STREAM, epoch)
    assert list(journal.replay(STREAM, 0)) == [], "readers do not wait for a writer"
    other.execute("ROLLBACK")
    other.close()
    journal.append(STREAM, epoch, [record(1)])


@pytest.mark.parametrize("written", [False, True])
def test_a_commit_that_fails_leaves_the_outcome_unknown(journal, monkeypatch, written):
    epoch = journal.claim(STREAM)
    dialect = journal._engine.dialect
    commit = dialect.do_commit

    def fail(connection: Any) -> None:
        if written:
            commit(connection)
        raise sqlite3.OperationalError("disk I/O error with 'data'")

    monkeypatch.setattr(dialect, "do_commit", fail)
    with pytest.raises(OutcomeUnknown) as caught:
        journal.append(STREAM, epoch, [record(1)])
    monkeypatch.undo()

    assert "data" not in str(caught.value)
    journal.verify(STREAM, epoch)
    assert list(journal.replay(STREAM, 0)) == ([record(1)] if written else [])
    journal.append(STREAM, epoch, [record(2 if written else 1)])


def test_a_claim_or_a_snapshot_whose_commit_fails_is_unavailable(journal, monkeypatch):
    epoch = journal.claim(STREAM)

    def fail(_: Any) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(journal._engine.dialect, "do_commit", fail)
    with pytest.raises(JournalUnavailable):
        journal.save_snapshot(STREAM, epoch, Snapshot(1, b"x", "digest"))
    with pytest.raises(JournalUnavailable):
        journal.claim(STREAM)
    monkeypatch.undo()

    assert journal.claim(STREAM) == epoch + 1


def test_a_damaged_file_is_corrupt_and_not_empty(journal, path):
    epoch = journal.claim(STREAM)
    journal.append(STREAM, epoch, [record(n, 1_000) for n in range(1, 200)])
    journal.close()
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * (path.stat().st_size - 4_096))

    with pytest.raises(CorruptJournal, match="damaged"):
        list(journal.replay(STREAM, 0))


def test_a_transaction_that_an_error_of_our_own_ends_releases_the_write_lock(journal, path):
    epoch = journal.claim(STREAM)
    with pytest.raises(CorruptJournal):
        journal.append(STREAM, epoch, [record(5)])

    other = sqlite3.connect(path, isolation_level=None, timeout=0)
    other.execute("BEGIN IMMEDIATE")
    other.close()


def test_a_number_too_large_for_the_database_is_refused_and_rolled_back(journal):
    epoch = journal.claim(STREAM)
    with pytest.raises(OverflowError):
        journal.append(STREAM, epoch, [record(1), Record(2, b"{}", None, 2**63)])

    journal.append(STREAM, epoch, [record(1)])
    assert list(journal.replay(STREAM, 0)) == [record(1)]
