"""The root key's file: made once, private, refused when anything about it is wrong."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.database.engine import open_database
from adapters.database.migration import migrate
from adapters.keys.data_keys import DataKeys
from adapters.keys.file_root_key import FileRootKey
from adapters.keys.first_start import prepare_keys
from adapters.keys.root_key_choice import open_root_key
from tradeplane.errors import Misconfigured
from tradeplane.settings import Settings

CONTEXT = {"purpose": "test"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "root.key"


def test_only_its_owner_can_read_it(path):
    FileRootKey.create(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_making_it_again_keeps_it(path):
    first = FileRootKey.create(path)
    key_id, wrapped = first.wrap(b"secret", CONTEXT)

    assert FileRootKey.create(path).unwrap(key_id, wrapped, CONTEXT) == b"secret"


def test_all_who_make_it_at_once_get_one_key(path):
    with ThreadPoolExecutor(8) as pool:
        roots = list(pool.map(lambda _: FileRootKey.create(path), range(16)))

    assert len({root.key_id for root in roots}) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o660, 0o700, 0o644])
def test_a_file_that_others_can_reach_is_refused(path, mode):
    FileRootKey.create(path)
    path.chmod(mode)

    with pytest.raises(Misconfigured, match=f"mode {mode:04o}"):
        FileRootKey(path)


@pytest.mark.parametrize("text", ["", "x", "tradeplane-root-key-1\n", "a b\n", "\xff\xfe"])
def test_a_damaged_file_is_refused_and_not_quoted(path, text):
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(Misconfigured, match=r"is no root key; restore it") as caught:
        FileRootKey(path)
    assert caught.value.__cause__ is None


def test_a_shortened_key_is_refused(path):
    FileRootKey.create(path)
    path.write_text(path.read_text()[:-10])

    with pytest.raises(Misconfigured, match="is no root key"):
        FileRootKey(path)


def test_its_repr_has_no_secret(path):
    root = FileRootKey.create(path)
    secret = path.read_text().split()[-1]

    assert secret not in repr(root)
    assert secret not in repr(root._generations())


def test_a_key_that_was_added_wraps_and_the_old_one_still_unwraps(path):
    root = FileRootKey.create(path)
    old_id, old = root.wrap(b"secret", CONTEXT)

    root.add()
    root.add()

    assert len(root.key_ids) == 2, "a rotation that is under way is not begun again"
    new_id, _ = root.wrap(b"secret", CONTEXT)
    assert new_id != old_id
    assert root.unwrap(old_id, old, CONTEXT) == b"secret"
    root.retire()
    with pytest.raises(Misconfigured, match=old_id):
        root.unwrap(old_id, old, CONTEXT)


def test_a_new_installation_gets_one_and_an_old_one_never_a_second(tmp_path):
    settings = Settings(home=str(tmp_path), database_url=f"sqlite:///{tmp_path / 'a.db'}")
    engine = open_database(settings.database_url)
    migrate(engine)
    prepare_keys(engine, settings)
    DataKeys(engine, open_root_key("", str(tmp_path))).newest("journal")
    prepare_keys(engine, settings)
    root = tmp_path / "root.key"
    root.rename(tmp_path / "elsewhere")

    with pytest.raises(Misconfigured, match="restore the file from its backup"):
        prepare_keys(engine, settings)
    assert not root.exists()

    FileRootKey.create(root)
    with pytest.raises(Misconfigured, match="has no root key"):
        prepare_keys(engine, settings)
    engine.dispose()


@pytest.mark.parametrize("url", ["awskms://", "awskms:///", "vault://x", "root.key"])
def test_a_malformed_url_is_refused(url, tmp_path):
    with pytest.raises(Misconfigured):
        open_root_key(url, str(tmp_path))
    with pytest.raises(Misconfigured):
        Settings(root_key_url=url)
