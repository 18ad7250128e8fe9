"""The shell around a component: what it promises when the database, a batch or the shell fails."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from decimal import Decimal

import msgspec
import pytest

from actors.batch_run import reply_of
from actors.shell import Shell, ShellSettings
from adapters.database.faulty_journal import Fault, FaultyJournal
from adapters.database.memory_journal import MemoryJournal
from adapters.system_clock import SystemClock
from tradeplane.clock import NS_PER_MS
from tradeplane.errors import (
    ComponentUnavailable,
    InvalidRequest,
    JournalUnavailable,
    NotFound,
    OutcomeUnknown,
    Overloaded,
    ServiceFailed,
)
from tradeplane.feed import NO_OWNER
from tradeplane.journal import Stream
from tradeplane.protocol import (
    AskReply,
    AskRequest,
    Envelope,
    HistoryReply,
    HistoryRequest,
    PollReply,
    PollRequest,
    SubmitReply,
    SubmitRequest,
)
from tradeplane.trading.commands import LedgerCommand, OpenAccount, PlaceOrder
from tradeplane.trading.ledger import Ledger
from tradeplane.trading.ledger_limits import LedgerLimits
from tradeplane.trading.queries import GetAccount
from tradeplane.trading.replies import AccountFound, LedgerReply, OrderPlaced

ACCOUNT = "11111111-1111-4111-8111-111111111111"
QUICK = ShellSettings(
    lease_ns=40 * NS_PER_MS, verify_ns=10 * NS_PER_MS, retry_ns=NS_PER_MS, queue_max=50
)
encode = msgspec.msgpack.encode
Start = Callable[..., Awaitable[Shell]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Start shells on one store; stop them all at the end."""
    store = MemoryJournal()
    shells: list[Shell] = []

    async def one(
        faults: Iterable[Fault] = (), settings: ShellSettings = QUICK, **more: object
    ) -> Shell:
        journal = FaultyJournal(store.reopened(), faults)
        shell = Shell(
            lambda: Ledger(LedgerLimits()),
            Stream("ledger"),
            journal,
            SystemClock(),
            settings,
            **more,  # type: ignore[arg-type]
        )
        await shell.start()
        shells.append(shell)
        return shell

    yield one
    for shell in shells:
        await shell.stop()


def opened(cash: int = 1_000) -> OpenAccount:
    return OpenAccount(ACCOUNT, "tenant", "PA1", Decimal(cash))


def order(number: int, price: int = 1) -> PlaceOrder:
    order_id = f"00000000-0000-4000-8000-{number:012d}"
    return PlaceOrder(
        ACCOUNT, order_id, f"client-{number}", "AAPL", "buy", "limit", "gtc", Decimal(1),
        Decimal(price),
    )  # fmt: skip


async def submit(shell: Shell, *commands: LedgerCommand, subscriber: str = "") -> SubmitReply:
    envelopes = tuple(Envelope(msgspec.Raw(encode(command)), fresh=False) for command in commands)
    answer = await shell.submit(encode(SubmitRequest(subscriber, envelopes)))
    return msgspec.msgpack.decode(answer, type=SubmitReply)


async def account(shell: Shell, subscriber: str = "") -> tuple[AskReply, AccountFound]:
    query = msgspec.Raw(encode(GetAccount(ACCOUNT)))
    answer = await shell.ask(encode(AskRequest(query, subscriber, ACCOUNT)))
    reply = msgspec.msgpack.decode(answer, type=AskReply)
    assert reply.error is None, reply.error
    return reply, msgspec.msgpack.decode(reply.reply, type=AccountFound)


async def rebuilt(shell: Shell) -> None:
    while shell.check() is not None:
        await asyncio.sleep(0.001)


def kinds(reply: SubmitReply) -> list[str]:
    return [result.error[0] if result.error else "done" for result in reply.results]


async def test_a_new_copy_knows_what_the_old_one_committed(start: Start) -> None:
    first = await start()
    await submit(first, opened(), order(1), order(2))

    second = await start()

    assert second.component.to_bytes() == first.component.to_bytes()
    assert (second.ownership.epoch, second.sequence) == (2, first.sequence)


async def test_a_snapshot_and_its_tail_are_the_same_as_the_whole_journal(start: Start) -> None:
    first = await start()
    await submit(first, opened(), order(1))
    await first.snapshot()
    await submit(first, order(2))

    second = await start()

    assert second._snapshot_sequence == 2
    assert second.component.to_bytes() == first.component.to_bytes()


async def test_snapshots_are_taken_on_the_way(start: Start) -> None:
    shell = await start(settings=msgspec.structs.replace(QUICK, snapshot_events=5))

    await submit(shell, opened(), *(order(number) for number in range(8)))
    await submit(shell, order(9))

    assert shell._snapshot_sequence >= 5


async def test_a_copy_that_wakes_up_after_its_successor_started_writes_nothing(
    start: Start,
) -> None:
    old = await start()
    await submit(old, opened(), order(1))
    new = await start()

    reply = await submit(old, order(2))

    assert kinds(reply) == ["ComponentUnavailable"]
    assert "newer copy" in str(reply.results[0].error)
    assert kinds(await submit(old, order(3))) == ["ComponentUnavailable"]
    _, found = await account(new)
    assert list(found.account.open_orders) == [order(1).order_id]
    assert kinds(await submit(new, order(2))) == ["done"]


async def test_a_copy_that_was_taken_over_answers_no_read_and_no_subscriber(start: Start) -> None:
    old = await start()
    await submit(old, opened())
    await account(old, "replica")
    await start()
    await asyncio.sleep(0.02)

    query = msgspec.Raw(encode(GetAccount(ACCOUNT)))
    reply = msgspec.msgpack.decode(await old.ask(encode(AskRequest(query))), type=AskReply)
    polled = await old.poll(encode(PollRequest("x", 0, 1, 0, everything=True)))

    assert reply.error is not None
    assert reply.error[0] == "ComponentUnavailable"
    assert msgspec.msgpack.decode(polled, type=PollReply).batch.epoch == NO_OWNER


async def test_the_same_command_again_has_one_effect_and_the_same_answer(start: Start) -> None:
    shell = await start()
    first = await submit(shell, opened(), order(1))
    sequence = shell.sequence

    again = await submit(shell, order(1))

    assert shell.sequence == sequence
    assert reply_of(again.results[0], LedgerReply) == reply_of(first.results[1], LedgerReply)
    restarted = await start()
    later = await submit(restarted, order(1))
    assert reply_of(later.results[0], LedgerReply) == reply_of(first.results[1], LedgerReply)
    assert restarted.sequence == sequence


async def test_sixty_four_at_once_with_one_client_order_id_make_one_order(start: Start) -> None:
    shell = await start(settings=msgspec.structs.replace(QUICK, queue_max=100))
    await submit(shell, opened())
    commands = [
        msgspec.structs.replace(order(number), client_order_id="the same") for number in range(64)
    ]

    replies = await asyncio.gather(*(submit(shell, command) for command in commands))

    said = [kinds(reply)[0] for reply in replies]
    assert sorted(said) == ["DuplicateClientOrderId"] * 63 + ["done"]


@pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.UNKNOWN_NOT_WRITTEN])
async def test_a_commit_that_failed_left_nothing_behind(start: Start, fault: Fault) -> None:
    shell = await start([Fault.NONE, fault])
    await submit(shell, opened())
    before = shell.component.to_bytes()

    reply = await submit(shell, order(1), order(2))

    expected = JournalUnavailable if fault is Fault.UNAVAILABLE else OutcomeUnknown
    assert kinds(reply) == [expected.__name__] * 2
    await rebuilt(shell)
    _, found = await account(shell)
    assert found.account.open_orders == {}
    assert shell.component.to_bytes() == before
    assert kinds(await submit(shell, order(1))) == ["done"]


async def test_a_commit_of_unknown_outcome_that_happened_is_found_again(start: Start) -> None:
    shell = await start([Fault.NONE, Fault.UNKNOWN_WRITTEN])
    await submit(shell, opened())

    unknown = await submit(shell, order(1))
    await rebuilt(shell)
    again = await submit(shell, order(1))

    assert kinds(unknown) == ["OutcomeUnknown"]
    placed = reply_of(again.results[0], LedgerReply)
    assert isinstance(placed, OrderPlaced)
    assert placed.order.order_id == order(1).order_id
    assert shell.sequence == 2
    _, found = await account(shell)
    assert len(found.account.open_orders) == 1


async def test_no_query_sees_what_is_not_committed(start: Start) -> None:
    gate = threading.Event()
    store = MemoryJournal()
    faults = [Fault.NONE, Fault.SLOW]
    journal = FaultyJournal(store, faults, pause=lambda: gate.wait(5) and None)
    shell = Shell(lambda: Ledger(LedgerLimits()), Stream("ledger"), journal, SystemClock(), QUICK)
    await shell.start()
    await submit(shell, opened())
    writing = asyncio.create_task(submit(shell, order(1)))
    await asyncio.sleep(0.02)
    reading = asyncio.create_task(account(shell))
    await asyncio.sleep(0.02)

    assert not reading.done(), "the order is applied in memory and not yet committed"
    gate.set()
    await writing
    _, found = await reading
    assert len(found.account.open_orders) == 1
    await shell.stop()


async def test_over_the_queue_limit_nothing_is_done(start: Start) -> None:
    shell = await start()
    await submit(shell, opened())

    reply = await submit(shell, *(order(number) for number in range(51)))

    assert set(kinds(reply)) == {Overloaded.__name__}
    _, found = await account(shell)
    assert found.account.open_orders == {}


async def test_a_command_that_breaks_the_component_does_not_take_others_with_it(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = await start()
    await submit(shell, opened())
    whole = Ledger.apply

    def breaking(self: Ledger, command: LedgerCommand, now_ns: int) -> object:
        applied = whole(self, command, now_ns)
        if isinstance(command, PlaceOrder) and command.client_order_id == "client-2":
            raise RuntimeError
        return applied

    monkeypatch.setattr(Ledger, "apply", breaking)
    reply = await submit(shell, order(1), order(2), order(3))

    assert kinds(reply) == ["done", ServiceFailed.__name__, "done"]
    _, found = await account(shell)
    assert list(found.account.open_orders) == [order(1).order_id, order(3).order_id]


async def test_nonsense_is_refused_and_the_shell_goes_on(start: Start) -> None:
    shell = await start()
    nonsense = Envelope(msgspec.Raw(encode({"kind": "DropAllTables"})), fresh=True)
    good = Envelope(msgspec.Raw(encode(opened())), fresh=False)

    answer = await shell.submit(encode(SubmitRequest("", (nonsense, good))))

    reply = msgspec.msgpack.decode(answer, type=SubmitReply)
    assert kinds(reply) == [InvalidRequest.__name__, "done"]


async def test_a_refusal_writes_nothing(start: Start) -> None:
    shell = await start()

    reply = await submit(shell, order(1))

    assert kinds(reply) == [NotFound.__name__]
    assert shell.sequence == 0


async def test_a_write_waits_for_a_lease_holder_and_no_longer_than_its_lease(
    start: Start,
) -> None:
    shell = await start(settings=msgspec.structs.replace(QUICK, lease_ns=300 * NS_PER_MS))
    await submit(shell, opened())
    asked, _ = await account(shell, "silent replica")
    assert asked.session_id > 0
    loop = asyncio.get_running_loop()
    started = loop.time()

    await submit(shell, order(1), subscriber="writing replica")

    assert loop.time() - started >= 0.2, "the silent replica may have answered from its copy"
    await asyncio.wait_for(submit(shell, order(2), subscriber="writing replica"), 0.2)


async def test_a_successor_acknowledges_nothing_while_old_leases_may_live(start: Start) -> None:
    slow = msgspec.structs.replace(QUICK, lease_ns=300 * NS_PER_MS)
    first = await start(settings=slow)
    await submit(first, opened())
    await account(first, "replica")
    loop = asyncio.get_running_loop()
    started = loop.time()

    second = await start(settings=slow)
    await submit(second, order(1))

    assert loop.time() - started >= 0.3


async def test_history_is_the_journal_in_order_and_only_what_is_committed(start: Start) -> None:
    shell = await start()
    await submit(shell, opened(), order(1), order(2))

    answer = await shell.history(encode(HistoryRequest(1, 10)))

    page = msgspec.msgpack.decode(answer, type=HistoryReply)
    assert [event.sequence for event in page.events] == [2, 3]
    assert {event.topic for event in page.events} == {ACCOUNT}


async def test_without_a_time_nothing_is_done(start: Start) -> None:
    def unknown() -> int:
        raise ComponentUnavailable("the venue clock is not known yet")

    shell = await start(component_now=unknown)

    assert kinds(await submit(shell, opened())) == [ComponentUnavailable.__name__]
    assert shell.check() is None
