"""Encrypted fields in both databases: what a writer of the database can and cannot do to them."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    insert,
    select,
    update,
)

from adapters.database.engine import open_database
from adapters.database.migration import migrate
from adapters.database.sealed_columns import SEAL_PURPOSE, SealedColumn, SealedTable
from adapters.keys.data_keys import DataKeys
from adapters.keys.file_root_key import FileRootKey
from tradeplane.errors import SealBroken


class People:
    """Two tables of people whose e-mail addresses and notes are sealed."""

    def __init__(self, engine: Engine, keys: DataKeys) -> None:
        self.engine = engine
        metadata = MetaData()
        suffix = uuid.uuid4().hex
        self.tables = [
            Table(
                f"{name}_{suffix}",
                metadata,
                Column("firm", Text, primary_key=True),
                Column("number", Integer, primary_key=True),
                Column("role", Text),
                Column("email", LargeBinary, nullable=False),
                Column("email_index", Text, index=True),
                Column("note", LargeBinary, nullable=False),
            )
            for name in ("people", "guests")
        ]
        metadata.create_all(engine)
        self.emails = [
            SealedColumn(table.c.email, keys, table.c.email_index) for table in self.tables
        ]
        self.sealed = [
            SealedTable(table, [email, SealedColumn(table.c.note, keys)])
            for table, email in zip(self.tables, self.emails, strict=True)
        ]

    def add(self, number: int, email: str, note: str | None = None, which: int = 0) -> None:
        row = {"firm": "f", "number": number, "role": "r", "email": email, "note": note}
        with self.engine.begin() as connection:
            connection.execute(insert(self.tables[which]), self.sealed[which].sealed(row))

    def stored(self, number: int, which: int = 0) -> dict[str, object]:
        table = self.tables[which]
        with self.engine.connect() as connection:
            found = connection.execute(select(table).where(table.c.number == number))
            return dict(found.mappings().one())

    def read(self, number: int, which: int = 0) -> dict[str, object]:
        return self.sealed[which].opened(self.stored(number, which))

    def overwrite(self, number: int, column: str, value: object, which: int = 0) -> None:
        table = self.tables[which]
        with self.engine.begin() as connection:
            connection.execute(
                update(table).where(table.c.number == number).values({column: value})
            )


@pytest.fixture
def keys(database: Engine, tmp_path: Path) -> DataKeys:
    # One PostgreSQL serves a whole module, so its root key must outlive a test.
    shared = database.dialect.name == "postgresql"
    path = tmp_path.parent / "shared-root.key" if shared else tmp_path / "root.key"
    return DataKeys(database, FileRootKey.create(path))


@pytest.fixture
def people(database: Engine, keys: DataKeys) -> Iterator[People]:
    made = People(database, keys)
    yield made
    for table in made.tables:
        table.drop(database)


def test_a_row_comes_back_and_the_database_never_sees_it(people):
    people.add(1, "ann@example.org", "likes tea")

    assert people.read(1) == {
        "firm": "f", "number": 1, "role": "r", "email": "ann@example.org", "note": "likes tea",
    }  # fmt: skip
    stored = repr(people.stored(1))
    assert "ann" not in stored
    assert "tea" not in stored


def test_nothing_is_told_from_something_only_by_who_can_open_it(people):
    people.add(1, "ann@example.org", None)

    assert people.stored(1)["note"] is not None
    assert people.read(1)["note"] is None


def test_a_row_is_found_by_its_blind_index_alone(people):
    people.add(1, "ann@example.org")
    people.add(2, "bob@example.org")
    table, email = people.tables[0], people.emails[0]

    with people.engine.connect() as connection:
        query = select(table.c.number).where(table.c.email_index == email.blind("bob@example.org"))
        assert connection.execute(query).scalars().all() == [2]
    assert len({each.blind("ann@example.org") for each in people.emails}) == 2, "of its column"


@pytest.mark.parametrize("target", ["another row", "another column", "another table"])
def test_a_ciphertext_that_was_moved_is_refused(people, target):
    people.add(1, "same@example.org", "same@example.org")
    people.add(2, "same@example.org", "same@example.org")
    people.add(1, "same@example.org", "same@example.org", which=1)
    taken = people.stored(1)["email"]

    number, column, which = {
        "another row": (2, "email", 0),
        "another column": (1, "note", 0),
        "another table": (1, "email", 1),
    }[target]
    people.overwrite(number, column, taken, which)

    with pytest.raises(SealBroken) as refusal:
        people.read(number, which)
    assert refusal.value.message == "sealed data cannot be opened"


def test_two_rows_that_are_swapped_are_both_refused(people):
    people.add(1, "ann@example.org")
    people.add(2, "bob@example.org")
    first, second = people.stored(1)["email"], people.stored(2)["email"]
    people.overwrite(1, "email", second)
    people.overwrite(2, "email", first)

    for number in (1, 2):
        with pytest.raises(SealBroken):
            people.read(number)


def test_a_row_under_another_primary_key_is_refused(people):
    people.add(1, "ann@example.org")
    people.overwrite(1, "number", 7)

    with pytest.raises(SealBroken):
        people.read(7)


def test_a_changed_bit_or_a_lost_byte_is_refused(people):
    people.add(1, "ann@example.org")
    taken = bytes(people.stored(1)["email"])
    for position in range(0, len(taken), 5):
        changed = bytearray(taken)
        changed[position] ^= 1
        for broken in (bytes(changed), taken[:position]):
            people.overwrite(1, "email", broken)
            with pytest.raises(SealBroken):
                people.read(1)


def test_after_a_rotation_old_rows_open_and_new_ones_have_the_new_version(people, keys):
    people.add(1, "ann@example.org")
    before = keys.newest(SEAL_PURPOSE).version
    keys.rotate(SEAL_PURPOSE)
    people.add(2, "bob@example.org")

    assert [people.read(number)["email"] for number in (1, 2)] == [
        "ann@example.org",
        "bob@example.org",
    ]
    versions = [int.from_bytes(bytes(people.stored(number)["email"])[1:5]) for number in (1, 2)]
    assert versions == [before, before + 1]
    table = people.tables[0]
    started_later = SealedColumn(table.c.email, keys, table.c.email_index)
    assert started_later.blind("x") == people.emails[0].blind("x")


@pytest.fixture(scope="module")
def column(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealedColumn]:
    folder = tmp_path_factory.mktemp("fields")
    engine = open_database(f"sqlite:///{folder / 'tradeplane.db'}")
    migrate(engine)
    table = Table(
        "t", MetaData(), Column("id", Integer, primary_key=True), Column("v", LargeBinary)
    )
    yield SealedColumn(table.c.v, DataKeys(engine, FileRootKey.create(folder / "root.key")))
    engine.dispose()


@given(values=st.lists(st.none() | st.text() | st.binary(), max_size=8))
def test_batches_keep_every_value_and_its_row(column, values):
    rows = [((number,), value) for number, value in enumerate(values)]
    stored = column.seal_many(rows)

    places = [(number,) for number in range(len(values))]
    assert column.open_many(list(zip(places, stored, strict=True))) == values
    assert len(set(stored)) == len(stored)
    for (one, _), (other, sealed) in itertools.permutations(zip(places, stored, strict=True), 2):
        with pytest.raises(SealBroken):
            column.open(one, sealed)
        assert other != one
