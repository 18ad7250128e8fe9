"""``tradeplane encryption``: what it prints, what it changes, and what it puts on record."""

from __future__ import annotations

import argparse
import asyncio
import json
from pathlib import Path

import pytest
from tests.support.encryption_system import EncryptionPort, EncryptionSystem

from actors.key_office import KeyOffice
from adapters.database.engine import open_database
from adapters.database.migration import migrate
from adapters.keys.data_keys import DataKeys
from adapters.keys.file_root_key import NAME, FileRootKey
from cli import encryption
from tradeplane.encryption.events import EncryptionEvent
from tradeplane.errors import InvalidRequest, NotFound
from tradeplane.settings import Settings, resolved


class Installation:
    """A home with a root key and a database, and an actor without a cluster."""

    def __init__(self, home: Path) -> None:
        self.settings = resolved(Settings(home=str(home)))
        self.engine = open_database(self.settings.database_url)
        migrate(self.engine)
        self.root = FileRootKey.create(home / NAME)
        self.data_keys = DataKeys(self.engine, self.root)
        self.store = EncryptionSystem().store

    def run(self, *arguments: str) -> int:
        parser = argparse.ArgumentParser()
        encryption.add_commands(parser.add_subparsers(required=True), self._in_office)
        given = parser.parse_args(["encryption", *arguments])
        return given.do(given)

    def _in_office(self, work) -> object:
        async def session() -> object:
            system = EncryptionSystem()
            system.store = self.store
            await system.start()
            try:
                async with KeyOffice(self.settings, EncryptionPort(system)) as office:
                    return await work(office)
            finally:
                await system.stop()

        return asyncio.run(session())

    def recorded(self) -> list[EncryptionEvent]:
        async def read() -> list[EncryptionEvent]:
            system = EncryptionSystem()
            system.store = self.store
            await system.start(finishing=False)
            try:
                assert system.shell is not None
                journal, stream = system.shell._journal, system.shell.stream
                decode = system.shell._decode_event
                return [decode(record.event) for record in journal.replay(stream, 0)]
            finally:
                await system.stop()

        return asyncio.run(read())


@pytest.fixture
def installation(tmp_path: Path):
    made = Installation(tmp_path)
    yield made
    made.engine.dispose()


def printed(capsys: pytest.CaptureFixture[str]) -> object:
    lines = capsys.readouterr().out.splitlines()
    # The actor under test runs in this process and logs to the same place.
    return json.loads("\n".join(line for line in lines if not line.startswith("20")))


def test_keys_are_made_rotated_configured_trimmed_listed_and_deleted(installation, capsys):
    why = ("--reason", "a test")
    installation.run("keys", "create", "k", "--type", "ed25519", *why)
    installation.run("keys", "rotate", "k", *why)
    assert printed(capsys) == {"name": "k", "latest_version": 2}
    installation.run("keys", "config", "k", "--min-decryption-version", "2", *why)
    installation.run("keys", "config", "k", "--min-encryption-version", "2", *why)
    installation.run("keys", "trim", "k", "2", *why)
    installation.run("keys", "list")
    assert printed(capsys) == [
        {
            "name": "k",
            "type": "ed25519",
            "latest_version": 2,
            "versions": [2],
            "min_decryption_version": 2,
            "min_encryption_version": 2,
            "deletion_allowed": False,
            "exportable": False,
        }
    ]
    with pytest.raises(InvalidRequest, match="deletion"):
        installation.run("keys", "delete", "k", *why)
    installation.run("keys", "config", "k", "--deletion-allowed", "true", *why)
    installation.run("keys", "delete", "k", *why)
    installation.run("keys", "list")
    assert printed(capsys) == []


def test_what_changes_something_needs_a_reason_and_what_reads_does_not(installation, capsys):
    for arguments in (
        ("keys", "create", "k"),
        ("keys", "rotate", "k"),
        ("keys", "config", "k"),
        ("keys", "trim", "k", "2"),
        ("keys", "delete", "k"),
        ("root", "rotate"),
        ("data-keys", "rotate", "journal"),
    ):
        with pytest.raises(SystemExit):
            installation.run(*arguments)
        assert "--reason" in capsys.readouterr().err
    assert installation.run("keys", "list") == installation.run("data-keys", "list") == 0


def test_a_new_root_key_wraps_every_data_key_and_the_old_one_is_gone(installation, capsys):
    sealed = installation.data_keys.sealer("journal").seal(b"text", b"place")
    before = installation.root.key_id

    installation.run("root", "rotate", "--reason", "the yearly rotation")

    assert printed(capsys) == {"rewrapped": len(installation.data_keys.rows())}
    assert {row.root_key_id for row in installation.data_keys.rows()} == {installation.root.key_id}
    assert installation.root.key_ids != (before,)
    fresh = DataKeys(installation.engine, FileRootKey(Path(installation.settings.home) / NAME))
    assert fresh.sealer("journal").open(sealed, b"place") == b"text"
    (noted,) = installation.recorded()
    assert (noted.work, noted.by.reason) == ("root_rotation", "the yearly rotation")


def test_a_data_key_that_is_rotated_still_opens_what_it_sealed(installation, capsys):
    sealed = installation.data_keys.sealer("journal").seal(b"text", b"place")

    installation.run("data-keys", "rotate", "journal", "--reason", "due")

    assert printed(capsys) == {"purpose": "journal", "version": 2}
    fresh = DataKeys(installation.engine, installation.root)
    assert fresh.newest("journal").version == 2
    assert fresh.sealer("journal").open(sealed, b"place") == b"text"
    with pytest.raises(NotFound, match="no data key"):
        installation.run("data-keys", "rotate", "nothing", "--reason", "due")


def test_nothing_that_is_printed_has_a_key(installation, capsys):
    secret = installation.data_keys.newest("journal").secret
    installation.run("keys", "create", "k", "--reason", "a test")
    installation.run("keys", "list")
    installation.run("data-keys", "list")

    out = capsys.readouterr().out
    assert secret.hex() not in out
    assert "wrapped" not in out
    assert "journal" in out
