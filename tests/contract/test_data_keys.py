"""Data keys on both databases: made once, rotated, rewrapped, and lost by no crash."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine, delete, select, update

from adapters.database.engine import open_database
from adapters.database.migration import downgrade, migrate
from adapters.database.schema import DATA_KEYS
from adapters.keys.data_keys import REFRESH_NS, DataKeys
from adapters.keys.file_root_key import FileRootKey
from adapters.keys.pseudonyms import Pseudonyms
from tradeplane.errors import Misconfigured, SealBroken


class FakeClock(msgspec.Struct):
    ns: int = 0

    def wall_ns(self) -> int:
        return self.ns

    def monotonic_ns(self) -> int:
        return self.ns


@pytest.fixture
def root(tmp_path: Path) -> FileRootKey:
    return FileRootKey.create(tmp_path / "root.key")


@pytest.fixture(autouse=True)
def empty(database: Engine) -> Iterator[None]:
    with database.begin() as connection:
        connection.execute(delete(DATA_KEYS))
    yield
    with database.begin() as connection:
        connection.execute(delete(DATA_KEYS))


@pytest.fixture
def open_keys(database: Engine, root: FileRootKey) -> Callable[..., DataKeys]:
    """Opens the keys as another process would do it."""
    return lambda clock=None: DataKeys(database, root, clock)


def test_the_first_use_makes_a_key_and_every_process_finds_it(open_keys):
    first = open_keys().newest("journal")

    assert open_keys().newest("journal") == first
    assert open_keys().first("journal") == first
    assert open_keys().newest("tokens").secret != first.secret


def test_all_who_ask_first_at_once_get_one_key(open_keys):
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: open_keys().newest("journal"), range(12)))

    assert len({key.secret for key in found}) == 1
    assert {key.version for key in found} == {1}


def test_after_a_rotation_new_data_is_sealed_by_the_new_key_and_old_data_opens(open_keys):
    keys = open_keys()
    sealer = keys.sealer("journal")
    old = sealer.seal(b"old", b"place")

    assert keys.rotate("journal").version == 2
    new = sealer.seal(b"new", b"place")

    other = open_keys().sealer("journal")
    assert (other.open(old, b"place"), other.open(new, b"place")) == (b"old", b"new")
    assert old[1:5] == bytes([0, 0, 0, 1])
    assert new[1:5] == bytes([0, 0, 0, 2])
    assert open_keys().first("journal").version == 1


def test_another_process_takes_the_new_key_up_within_the_refresh_time(open_keys):
    clock = FakeClock()
    running = open_keys(clock)
    running.newest("journal")
    open_keys().rotate("journal")

    clock.ns = REFRESH_NS - 1
    assert running.newest("journal").version == 1
    clock.ns = REFRESH_NS
    assert running.newest("journal").version == 2


def test_a_version_that_was_never_made_opens_nothing(open_keys):
    sealed = bytearray(open_keys().sealer("journal").seal(b"text", b"place"))
    sealed[4] = 9

    with pytest.raises(SealBroken):
        open_keys().sealer("journal").open(bytes(sealed), b"place")


def test_one_purpose_does_not_open_what_another_sealed(open_keys):
    keys = open_keys()
    sealed = keys.sealer("journal").seal(b"text", b"place")
    keys.newest("tokens")

    with pytest.raises(SealBroken):
        keys.sealer("tokens").open(sealed, b"place")


def test_rows_that_were_exchanged_are_refused(open_keys, database):
    open_keys().newest("journal")
    open_keys().newest("tokens")
    with database.begin() as connection:
        query = select(DATA_KEYS.c.wrapped).where(DATA_KEYS.c.purpose == "tokens")
        wrapped = connection.execute(query).scalar_one()
        connection.execute(
            update(DATA_KEYS).where(DATA_KEYS.c.purpose == "journal").values(wrapped=wrapped)
        )

    with pytest.raises(SealBroken):
        open_keys().newest("journal")


def test_rotating_the_root_key_rewraps_every_data_key_and_changes_none(open_keys, root):
    keys = open_keys()
    before = [keys.newest("journal"), keys.rotate("journal"), keys.newest("tokens")]
    old_id = root.key_id

    assert open_keys().rotate_file_root(root) == 3

    assert root.key_id != old_id
    assert root.key_ids == (root.key_id,)
    assert {row.root_key_id for row in open_keys().rows()} == {root.key_id}
    after = open_keys()
    assert [after.version(key.purpose, key.version) for key in before] == before


@pytest.mark.parametrize("crash", ["after the new key", "after the rewrap", "before the old ends"])
def test_a_rotation_that_was_cut_off_leaves_all_readable_and_is_finished_by_the_next(
    open_keys, root, monkeypatch, crash
):
    key = open_keys().newest("journal")
    keys = open_keys()
    if crash == "after the new key":
        monkeypatch.setattr(keys, "rewrap", _die)
    elif crash == "after the rewrap":
        monkeypatch.setattr(FileRootKey, "retire", _die)
    else:
        monkeypatch.setattr("adapters.keys.file_root_key._replace", _dying_second_time())
    with pytest.raises(ConnectionAbortedError):
        keys.rotate_file_root(root)
    monkeypatch.undo()

    assert open_keys().newest("journal") == key
    made_meanwhile = open_keys().newest("tokens")
    open_keys().rotate_file_root(root)

    assert len(root.key_ids) == 1
    assert open_keys().newest("journal") == key
    assert open_keys().newest("tokens") == made_meanwhile


def _die(*_: object) -> None:
    raise ConnectionAbortedError


def _dying_second_time() -> Callable[..., None]:
    from adapters.keys import file_root_key  # noqa: PLC0415  # the function under the patch

    whole, calls = file_root_key._replace, []

    def replace(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise ConnectionAbortedError
        whole(*arguments)

    return replace


def test_moving_to_another_root_key_is_all_or_nothing(open_keys, tmp_path, monkeypatch):
    other = FileRootKey.create(tmp_path / "other.key")
    open_keys().newest("journal")
    open_keys().newest("tokens")
    before = open_keys().rows()
    whole, calls = FileRootKey.wrap, []

    def wrap(self: FileRootKey, *arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == 2:
            raise ConnectionAbortedError
        return whole(self, *arguments)

    monkeypatch.setattr(FileRootKey, "wrap", wrap)
    with pytest.raises(ConnectionAbortedError):
        open_keys().rewrap(other)
    monkeypatch.undo()
    assert open_keys().rows() == before

    assert open_keys().rewrap(other) == 2
    assert open_keys().rewrap(other) == 0
    with pytest.raises(Misconfigured, match="has no root key"):
        open_keys().newest("journal")


def test_no_secret_is_shown(open_keys):
    key = open_keys().newest("journal")

    assert repr(key) == "DataKey(journal, 1)"
    assert repr(Pseudonyms(open_keys())) == "Pseudonyms()"


def test_a_pseudonym_tells_addresses_apart_and_is_the_same_in_every_process(open_keys):
    names = Pseudonyms(open_keys())

    assert names.of("192.0.2.1") == Pseudonyms(open_keys()).of("192.0.2.1")
    assert names.of("192.0.2.1") != names.of("192.0.2.2")
    assert len(names.of("192.0.2.1")) == 16
    assert names.of("") == ""


@pytest.fixture(params=["sqlite", "postgresql"])
def alone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A database whose schema a test may take back."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'alone.db'}"
    else:
        url = request.getfixturevalue("new_postgres_database")()
    engine = open_database(url)
    migrate(engine)
    yield engine
    engine.dispose()


def test_the_schema_goes_back_only_where_no_key_is_lost(alone, root):
    key = DataKeys(alone, root).newest("journal")

    with pytest.raises(Misconfigured, match="nothing that they sealed can be read"):
        downgrade(alone, "0002")
    assert DataKeys(alone, root).newest("journal") == key

    with alone.begin() as connection:
        connection.execute(delete(DATA_KEYS))
    downgrade(alone, "0002")
    migrate(alone)
    assert DataKeys(alone, root).newest("journal").secret != key.secret
