"""From journals to a published log: nothing lost, nothing doubled, wherever it is abandoned."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from decimal import Decimal

import msgspec
import pytest
from audit_files import OTHER, SIGNER

from actors.audit_publisher import AuditPublisher
from actors.audit_tail import RECORDS_MAX, AuditSource, AuditTail
from actors.shell import Shell, ShellSettings
from adapters.database.faulty_journal import Fault, FaultyJournal
from adapters.database.memory_journal import MemoryJournal
from adapters.objects.folder import FolderObjects
from tradeplane.audit.checkpoint import parse_checkpoint
from tradeplane.audit.document import read_record
from tradeplane.audit.entry_bundle import decode_bundle
from tradeplane.audit.log import UNPUBLISHED_MAX, AuditLog
from tradeplane.audit.verifier import verify_log
from tradeplane.clock import NS_PER_MS, FakeClock
from tradeplane.errors import (
    AuditLogDamaged,
    JournalUnavailable,
    ObjectStoreUnavailable,
    OutcomeUnknown,
    Overloaded,
    TradeplaneError,
)
from tradeplane.journal import Record, Stream
from tradeplane.trading.audit_trail import TradingTrail
from tradeplane.trading.events import AccountOpened, LedgerEvent, OrderExpired

AUDIT = Stream("audit")
LEDGER = Stream("ledger")
QUICK = ShellSettings(
    lease_ns=40 * NS_PER_MS, verify_ns=10 * NS_PER_MS, retry_ns=NS_PER_MS, snapshot_events=3
)


class Objects:
    """A store in memory whose calls can fail, before they do anything or after."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.before: dict[int, type[TradeplaneError]] = {}
        self.after: dict[int, type[TradeplaneError]] = {}

    def _count(self, call: str, table: Mapping[int, type[TradeplaneError]], number: int) -> None:
        if number in table:
            raise table[number](f"{call} failed on purpose")

    def create(self, objects: Mapping[str, bytes]) -> tuple[str, ...]:
        number = self._begin("create")
        existing = tuple(name for name in objects if name in self.objects)
        for name, content in objects.items():
            self.objects.setdefault(name, content)
        self._count("create", self.after, number)
        return existing

    def swap(self, name: str, old: bytes | None, new: bytes) -> bool:
        number = self._begin("swap")
        if self.objects.get(name) != old:
            return False
        self.objects[name] = new
        self._count("swap", self.after, number)
        return True

    def remove(self, names: Collection[str]) -> None:
        self._begin("remove")
        for name in names:
            self.objects.pop(name, None)

    def _begin(self, call: str) -> int:
        self.calls.append(call)
        number = len(self.calls) - 1
        self._count(call, self.before, number)
        return number

    def read(self, name: str) -> bytes | None:
        return self.objects.get(name)

    def names(self, prefix: str) -> Iterator[str]:
        return iter([name for name in self.objects if name.startswith(prefix)])


class World:
    """A ledger's journal, the audit log's journal, a store; they outlive what works on them."""

    def __init__(self) -> None:
        self.ledger = MemoryJournal()
        self.epoch = self.ledger.claim(LEDGER)
        self.audit = MemoryJournal()
        self.objects = Objects()
        self.clock = FakeClock()
        self.faults: list[Fault] = []
        self.shells: list[Shell] = []
        self.records = 0

    def happen(self, count: int) -> None:
        """Journal *count* events of the ledger; each becomes one record."""
        records = []
        for number in range(self.records, self.records + count):
            event: LedgerEvent = OrderExpired("account", f"order-{number}", number)
            if number == 0:
                event = AccountOpened("account", "firm", "PA1", Decimal(1), 0)
            records.append(Record(number + 1, msgspec.json.encode(event), None, number))
        self.ledger.append(LEDGER, self.epoch, records)
        self.records += count

    async def start(self) -> tuple[AuditTail, AuditPublisher]:
        """Come up as a new process would."""
        self.clock.advance(NS_PER_MS)
        faults, self.faults = self.faults, []
        shell = Shell(
            AuditLog, AUDIT, FaultyJournal(self.audit.reopened(), faults), self.clock, QUICK
        )
        await shell.start()
        self.shells.append(shell)
        publisher = AuditPublisher(shell, self.audit, self.objects, SIGNER, linger_s=0)  # type: ignore[arg-type]
        source = AuditSource(LEDGER, self.ledger, LedgerEvent, TradingTrail().entries)
        tail = AuditTail(shell, [source], lambda: max(publisher.published, 0), publisher.wake)
        return tail, publisher

    async def run(self) -> None:
        """Come up, take everything, publish it."""
        tail, publisher = await self.start()
        await publisher.start()
        while await tail.catch_up():
            await publisher.publish()

    def published(self, name: str) -> bytes | None:
        return self.objects.objects.get(f"audit/{name}")

    def expect_everything_once(self) -> None:
        """Assert that the files are sound and hold each record of the ledger exactly once."""
        report = verify_log(self.published, SIGNER.verifier)
        assert report.findings == ()
        assert report.size == self.records
        targets = []
        for number in range(-(-report.size // 256)):
            width = min(256, report.size - number * 256)
            suffix = "" if width == 256 else f".p/{width}"
            bundle = self.published(f"tile/entries/{number:03d}{suffix}")
            assert bundle is not None
            targets += [read_record(one).target_id for one in decode_bundle(bundle)]
        assert targets == ["account", *(f"order-{number}" for number in range(1, self.records))]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    for shell in made.shells:
        await shell.stop()


async def test_what_happened_is_published_once_and_can_be_verified(world: World) -> None:
    world.happen(700)
    await world.run()
    world.expect_everything_once()

    world.happen(3_000)
    await world.run()
    world.expect_everything_once()


async def test_the_firm_of_an_account_is_in_every_record_of_it(world: World) -> None:
    world.happen(2)
    await world.run()

    bundle = world.published("tile/entries/000.p/2")
    assert bundle is not None
    assert [read_record(one).tenant_id for one in decode_bundle(bundle)] == ["firm", "firm"]


async def test_an_empty_log_has_a_checkpoint_from_the_start_and_its_key_beside_it(
    world: World,
) -> None:
    await world.run()

    note = world.published("checkpoint")
    assert note is not None
    assert parse_checkpoint(note)[0].size == 0
    assert world.published("vkey") == SIGNER.verifier.vkey().encode() + b"\n"


@pytest.mark.parametrize("moment", range(9))
@pytest.mark.parametrize("side", ["before", "after"])
async def test_a_process_that_dies_at_any_call_of_the_store_loses_and_doubles_nothing(
    world: World, moment: int, side: str
) -> None:
    world.happen(700)
    getattr(world.objects, side)[moment] = ObjectStoreUnavailable
    with contextlib.suppress(TradeplaneError):
        await world.run()
    # Abandoned as it is: whoever comes next knows only the journals and the store.
    world.happen(300)
    getattr(world.objects, side).clear()

    await world.run()

    world.expect_everything_once()


@pytest.mark.parametrize(
    "fault", [Fault.UNAVAILABLE, Fault.UNKNOWN_WRITTEN, Fault.UNKNOWN_NOT_WRITTEN]
)
async def test_a_commit_that_fails_or_is_in_doubt_loses_and_doubles_nothing(
    world: World, fault: Fault
) -> None:
    world.happen(500)
    world.faults = [fault]
    tail, publisher = await world.start()
    await publisher.start()
    with pytest.raises((JournalUnavailable, OutcomeUnknown)):
        await tail.catch_up()

    while tail._shell.check() is not None:
        await asyncio.sleep(0.001)
    while await tail.catch_up():
        pass
    await publisher.publish()

    world.expect_everything_once()


async def test_an_old_copy_that_wakes_up_late_does_not_set_the_checkpoint_back(
    world: World,
) -> None:
    world.happen(10)
    old_tail, old_publisher = await world.start()
    await old_publisher.start()
    await old_tail.catch_up()
    world.happen(10)
    await world.run()

    with contextlib.suppress(TradeplaneError):
        await old_publisher.publish()

    world.expect_everything_once()


async def test_a_store_that_lost_everything_is_filled_again_from_the_journal(
    world: World,
) -> None:
    for _ in range(4):
        world.happen(5_000)
        await world.run()
    world.objects.objects.clear()

    await world.run()

    world.expect_everything_once()


async def test_a_store_that_was_set_back_is_brought_up_to_date(world: World) -> None:
    world.happen(900)
    await world.run()
    earlier = dict(world.objects.objects)
    for _ in range(3):
        world.happen(1_000)
        await world.run()
    world.objects.objects = earlier

    await world.run()

    world.expect_everything_once()


async def test_a_database_that_was_set_back_signs_nothing(world: World) -> None:
    world.happen(20)
    await world.run()
    world.audit = MemoryJournal()
    world.ledger, world.records = MemoryJournal(), 0
    world.epoch = world.ledger.claim(LEDGER)
    world.happen(5)
    before = dict(world.objects.objects)

    with pytest.raises(AuditLogDamaged, match="set back"):
        await world.run()

    assert world.objects.objects == before


async def test_a_store_with_another_log_in_it_is_not_written_over(world: World) -> None:
    checkpoint, _ = parse_checkpoint(b"".join([
        b"log.example/audit\n0\n", b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n",
        "— other AAAAAAAAAAAA\n".encode(),
    ]))  # fmt: skip
    world.objects.objects["audit/checkpoint"] = checkpoint.signed(OTHER)

    with pytest.raises(AuditLogDamaged, match="not signed by this log's key"):
        await world.run()


async def test_a_tile_that_was_changed_in_the_store_stops_the_signing(world: World) -> None:
    world.objects.objects["audit/tile/0/000"] = b"something else"
    world.happen(300)

    with pytest.raises(AuditLogDamaged, match="another content"):
        await world.run()


async def test_partial_tiles_are_there_until_the_full_one_is_and_not_longer(world: World) -> None:
    tail, publisher = await world.start()
    await publisher.start()
    for _ in range(40):
        world.happen(10)
        await tail.catch_up()
        await publisher.publish()

    partial = {name.rpartition("/")[0] for name in world.objects.objects if ".p/" in name}
    assert partial == {"audit/tile/0/001.p", "audit/tile/entries/001.p", "audit/tile/1/000.p"}
    world.expect_everything_once()


async def test_partial_tiles_that_a_dead_process_left_are_removed_by_the_next(
    world: World,
) -> None:
    world.happen(200)
    await world.run()
    world.happen(100)
    tail, publisher = await world.start()
    await publisher.start()
    await tail.catch_up()
    world.objects.before[len(world.objects.calls) + 2] = ObjectStoreUnavailable
    await publisher.publish()
    assert "audit/tile/0/000.p/200" in world.objects.objects, "its removal failed"

    await world.run()

    assert not [name for name in world.objects.objects if "/000.p/2" in name]
    world.expect_everything_once()


async def test_every_checkpoint_that_was_ever_signed_can_be_verified_later(world: World) -> None:
    tail, publisher = await world.start()
    await publisher.start()
    notes = []
    for _ in range(30):
        world.happen(37)
        await tail.catch_up()
        await publisher.publish()
        notes.append(world.published("checkpoint"))

    for note in notes:
        old = {"checkpoint": note}
        report = verify_log(lambda path: old.get(path) or world.published(path), SIGNER.verifier)  # noqa: B023  # called at once
        assert report.findings == ()


async def test_when_the_store_is_away_sources_wait_and_nothing_grows_without_end(
    world: World,
) -> None:
    tail, publisher = await world.start()
    await publisher.start()
    world.happen(UNPUBLISHED_MAX + 6_000)

    for _ in range(UNPUBLISHED_MAX // RECORDS_MAX):
        await tail.catch_up()
    with pytest.raises(Overloaded):
        await tail.catch_up()
    await publisher.publish()
    while await tail.catch_up():
        await publisher.publish()

    world.expect_everything_once()


async def test_following_publishes_what_happens_without_being_asked(world: World) -> None:
    tail, publisher = await world.start()
    await publisher.start()
    tasks = [asyncio.create_task(tail.follow()), asyncio.create_task(publisher.follow())]
    world.happen(30)

    while publisher.published < 30:
        await asyncio.sleep(0.005)

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    world.expect_everything_once()


async def test_the_same_log_on_a_folder(world: World, tmp_path) -> None:
    world.happen(600)
    store = FolderObjects(tmp_path)
    tail, _ = await world.start()
    publisher = AuditPublisher(tail._shell, world.audit, store, SIGNER)
    await publisher.start()
    while await tail.catch_up():
        await publisher.publish()

    def read(path: str) -> bytes | None:
        file = tmp_path / "audit" / path
        return file.read_bytes() if file.is_file() else None

    report = verify_log(read, SIGNER.verifier)
    assert (report.findings, report.size) == ((), 600)


async def test_a_source_that_cannot_be_read_is_told_and_holds_up_no_other(world: World) -> None:
    _, publisher = await world.start()
    await publisher.start()
    broken = AuditSource(Stream("auth"), world.ledger, LedgerEvent, TradingTrail().entries)
    epoch = world.ledger.claim(broken.stream)
    world.ledger.append(broken.stream, epoch, [Record(1, b'{"kind":"Unheard"}', None, 1)])
    sound = AuditSource(LEDGER, world.ledger, LedgerEvent, TradingTrail().entries)
    tail = AuditTail(world.shells[-1], [broken, sound], lambda: 0, publisher.wake)
    tasks = [asyncio.create_task(tail.follow()), asyncio.create_task(publisher.follow())]
    world.happen(30)

    while publisher.published < 30 or tail.problem is None:
        await asyncio.sleep(0.005)

    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert tail.problem == "auth/0 cannot be audited: ValidationError"
    world.expect_everything_once()
