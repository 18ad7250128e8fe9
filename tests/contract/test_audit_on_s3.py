"""The audit log in a bucket: published, taken over, exported and verified as in a folder."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import boto3
import pytest
from audit_files import SIGNER, entry
from aws_server import aws_server

from actors.audit_publisher import AuditPublisher
from actors.shell import Shell, ShellSettings
from adapters.database.memory_journal import MemoryJournal
from adapters.objects.opening import open_objects
from cli.main import main
from tradeplane.audit.checkpoint import parse_checkpoint
from tradeplane.audit.commands import AppendEntries
from tradeplane.audit.log import AuditLog
from tradeplane.audit.verifier import verify_log
from tradeplane.clock import NS_PER_MS, FakeClock
from tradeplane.errors import AuditLogDamaged, Fenced
from tradeplane.journal import Stream

SETTINGS = ShellSettings(lease_ns=NS_PER_MS, verify_ns=10_000 * NS_PER_MS)


@pytest.fixture(scope="module", autouse=True)
def s3_server() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, aws_server(patch) as url:
        yield url


@pytest.fixture
def url() -> str:
    bucket = f"audit-{uuid.uuid4()}"
    client = boto3.client("s3")
    client.create_bucket(Bucket=bucket)
    client.close()
    return f"s3://{bucket}/firm"


class Installation:
    """A log whose journal outlives its processes."""

    def __init__(self, url: str) -> None:
        self.journal = MemoryJournal()
        self.clock = FakeClock()
        self.store = open_objects(url, "/nowhere")
        self.shells: list[Shell] = []

    async def start(self) -> AuditPublisher:
        shell = Shell(AuditLog, Stream("audit"), self.journal.reopened(), self.clock, SETTINGS)
        self.clock.advance(10 * NS_PER_MS)
        await shell.start()
        self.shells.append(shell)
        return AuditPublisher(shell, self.journal, self.store, SIGNER)

    async def append(self, after: int, count: int) -> None:
        entries = tuple(entry(number) for number in range(after, after + count))
        await self.shells[-1].execute(AppendEntries("ledger/0", after, after + count, entries))

    def read(self, path: str) -> bytes | None:
        return self.store.read(f"audit/{path}")


@pytest.fixture
async def installation(url: str) -> AsyncIterator[Installation]:
    made = Installation(url)
    yield made
    for shell in made.shells:
        await shell.stop()
    made.store.close()


async def test_a_log_in_a_bucket_is_published_exported_and_verified(
    installation: Installation, url: str, tmp_path, monkeypatch
) -> None:
    publisher = await installation.start()
    await publisher.start()
    for after, count in ((0, 300), (300, 500)):
        await installation.append(after, count)
        assert await publisher.publish() == after + count
    assert verify_log(installation.read, SIGNER.verifier).findings == ()

    monkeypatch.setenv("TRADEPLANE_OBJECT_STORE_URL", url)
    monkeypatch.setenv("TRADEPLANE_HOME", str(tmp_path / "home"))
    out = tmp_path / "out"
    assert main(["audit", "export", str(out)]) == 0
    assert main(["audit", "verify", str(out), "--key", str(out / "audit.vkey")]) == 0


async def test_a_copy_that_was_taken_over_cannot_set_the_bucket_back(
    installation: Installation,
) -> None:
    old = await installation.start()
    await old.start()
    await installation.append(0, 10)
    new = await installation.start()
    await new.start()
    await installation.append(10, 10)
    await new.publish()

    with pytest.raises((Fenced, AuditLogDamaged)):
        await old.publish()

    note = installation.read("checkpoint")
    assert note is not None
    assert parse_checkpoint(note)[0].size == 20
    assert verify_log(installation.read, SIGNER.verifier).findings == ()
