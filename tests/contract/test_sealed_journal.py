"""Beyond the contract of every journal: what is at rest says nothing, and cannot be moved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, text, update

from adapters.database.engine import open_database
from adapters.database.migration import migrate
from adapters.database.schema import JOURNAL, SNAPSHOTS
from adapters.database.sealed_journal import SealedJournal, sealed_journal
from adapters.database.sql_journal import SqlJournal
from adapters.keys.data_keys import DataKeys
from adapters.keys.file_root_key import FileRootKey
from tradeplane.errors import CorruptJournal
from tradeplane.journal import Record, Snapshot, Stream

PLANTED = "alice@venue.example"
STATE = f'{{"user":"{PLANTED}"}}'.encode()
STREAM, OTHER = Stream("auth"), Stream("auth", 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'tradeplane.db'}"
    else:
        url = request.getfixturevalue("new_postgres_database")()
    engine = open_database(url)
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def keys(engine: Engine, tmp_path: Path) -> DataKeys:
    return DataKeys(engine, FileRootKey.create(tmp_path / "root.key"))


@pytest.fixture
def journal(engine: Engine, keys: DataKeys) -> SealedJournal:
    journal = sealed_journal(SqlJournal(engine), keys)
    for stream in (STREAM, OTHER):
        epoch = journal.claim(stream)
        records = [Record(n, STATE, f"{PLANTED} {n}", 7) for n in (1, 2)]
        journal.append(stream, epoch, records)
        snapshot = Snapshot(2, STATE, hashlib.sha256(STATE).hexdigest())
        journal.save_snapshot(stream, epoch, snapshot)
    return journal


def at(stream: Stream, sequence: int) -> tuple[object, ...]:
    c = JOURNAL.c
    return c.component == stream.component, c.shard == stream.shard, c.sequence == sequence


def test_nothing_of_it_can_be_read_in_any_table(engine, journal):
    with engine.connect() as connection:
        for table in (JOURNAL, SNAPSHOTS):
            for row in connection.execute(select(table)).all():
                for value in row:
                    stored = value if isinstance(value, bytes) else str(value).encode()
                    assert PLANTED.encode() not in stored
                    assert PLANTED.encode().hex().encode() not in stored
                    assert hashlib.sha256(STATE).hexdigest().encode() != stored


def test_nothing_of_it_is_in_any_file_of_the_home(tmp_path, journal):
    journal.close()
    for path in tmp_path.iterdir():
        assert PLANTED.encode() not in path.read_bytes()


@pytest.mark.parametrize("source", [(STREAM, 2), (OTHER, 1)], ids=["of the stream", "of another"])
def test_an_event_at_the_place_of_another_is_refused(engine, journal, source):
    with engine.begin() as connection:
        event = connection.execute(select(JOURNAL.c.event).where(*at(*source))).scalar_one()
        connection.execute(update(JOURNAL).where(*at(STREAM, 1)).values(event=event))

    with pytest.raises(CorruptJournal, match="event 1 of auth/0 cannot be opened"):
        list(journal.replay(STREAM, 0))


def test_another_time_of_an_event_is_refused(engine, journal):
    with engine.begin() as connection:
        connection.execute(update(JOURNAL).where(*at(STREAM, 1)).values(recorded_ns=8))

    with pytest.raises(CorruptJournal):
        list(journal.replay(STREAM, 0))


@pytest.mark.parametrize("event", ["", "{}", "AAAA", "é", "A" * 200])
def test_what_is_not_sealed_is_refused(engine, journal, event):
    with engine.begin() as connection:
        connection.execute(update(JOURNAL).where(*at(STREAM, 2)).values(event=event))

    with pytest.raises(CorruptJournal, match="event 2 of auth/0"):
        list(journal.replay(STREAM, 0))


def test_a_key_that_was_moved_finds_its_event_under_its_own_name_or_not_at_all(engine, journal):
    """The column is a hint; the key that counts is sealed with the event."""
    with engine.begin() as connection:
        key = connection.execute(select(JOURNAL.c.key).where(*at(STREAM, 1))).scalar_one()
        connection.execute(update(JOURNAL).where(*at(STREAM, 1)).values(key="gone"))
        connection.execute(update(JOURNAL).where(*at(STREAM, 2)).values(key=key))

    with pytest.raises(CorruptJournal, match="event 2 of auth/0"):
        journal.find(STREAM, [f"{PLANTED} 1"])


def test_a_forged_snapshot_with_a_right_digest_is_refused(engine, journal):
    forged = b"forged state"
    digest = hashlib.sha256(forged).hexdigest()
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM snapshots WHERE shard = 1"))
        connection.execute(update(SNAPSHOTS).values(state=forged, digest=digest))

    with pytest.raises(CorruptJournal, match="snapshot 2 of auth/0 cannot be opened"):
        journal.newest_snapshot(STREAM)


def test_after_a_rotation_of_the_data_key_all_can_be_read_and_found(engine, keys, journal):
    keys.rotate("journal")
    keys.rotate("journal-key")
    journal.append(STREAM, 1, [Record(3, b"{}", "new", 9)])

    reopened = sealed_journal(SqlJournal(engine), keys)
    assert [record.sequence for record in reopened.replay(STREAM, 0)] == [1, 2, 3]
    assert set(reopened.find(STREAM, [f"{PLANTED} 1", "new"])) == {f"{PLANTED} 1", "new"}


def test_the_keys_of_another_installation_open_nothing(engine, journal, tmp_path):
    path = tmp_path / "b.db"
    other = open_database(f"sqlite:///{path}")
    migrate(other)
    theirs = DataKeys(other, FileRootKey.create(tmp_path / "other.key"))

    with pytest.raises(CorruptJournal):
        list(sealed_journal(SqlJournal(engine), theirs).replay(STREAM, 0))
    other.dispose()
