"""How many records a second the audit log takes in: from the ledger's journal to a checkpoint.

The ledger's journal holds orders already, so what is measured is the log alone: read, translate,
make each record a canonical document, hash, seal, commit on SQLite with every commit synced, index,
write tiles and bundles to a folder with every file synced, sign. Beside it stands a plain table
that keeps the same documents in batches of the same size: what a team without a provable log has.
At the end, records come one at a time: how long until each is in a signed checkpoint.

    .venv/bin/python bench/audit.py [--entries 100000] [--rounds 3]
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from decimal import Decimal
from pathlib import Path

import msgspec
import structlog

from actors.audit_key import SEAL_PURPOSE, log_signer
from actors.audit_publisher import AuditPublisher
from actors.audit_tail import ENTRIES_MAX, RECORDS_MAX, AuditSource, AuditTail
from actors.shell import Shell, ShellSettings
from adapters.database.engine import open_database
from adapters.database.migration import migrate
from adapters.database.sealed_journal import sealed_journal
from adapters.database.sql_journal import SqlJournal
from adapters.keys.data_keys import DataKeys
from adapters.keys.first_start import prepare_keys
from adapters.keys.root_key_choice import open_root_key
from adapters.objects.folder import FolderObjects
from adapters.system_clock import SystemClock
from tradeplane.audit.document import entry_document
from tradeplane.audit.log import AuditLog
from tradeplane.audit.verifier import verify_log
from tradeplane.journal import Record, Stream
from tradeplane.settings import Settings, resolved
from tradeplane.trading.audit_trail import TradingTrail
from tradeplane.trading.events import AccountOpened, LedgerEvent, OrderAccepted, OrderFilled
from tradeplane.trading.orders import Order, OrderStatus

LEDGER = Stream("ledger")
_ACCOUNT = "11111111-1111-4111-8111-111111111111"
_GOAL_PER_S = 10_000
EPOCH = 1
LONE = 30
"""Records that come one at a time."""


def events(count: int) -> list[LedgerEvent]:
    """Return the opening of an account, then orders, each accepted and filled."""
    made: list[LedgerEvent] = [AccountOpened(_ACCOUNT, "default", "PA1", Decimal(10**9), 0)]
    number = 0
    while len(made) < count:
        number += 1
        order_id = f"0195f3a0-{number >> 16 & 0xFFFF:04x}-7000-8000-{number:012x}"
        order = Order(
            order_id=order_id,
            account_id=_ACCOUNT,
            client_order_id=order_id,
            symbol="AAPL",
            side="buy",
            type="market",
            time_in_force="day",
            qty=Decimal(1),
            limit_price=None,
            reserve_price=Decimal("530.38"),
            status=OrderStatus.PENDING_NEW,
            submitted_ns=number,
            updated_ns=number,
            priority=number,
        )
        made.append(OrderAccepted(_ACCOUNT, order, "key:PKBENCHMARKBENCHMARK"))
        made.append(
            OrderFilled(_ACCOUNT, order_id, order_id, Decimal(1), Decimal("530.38"), 1, number)
        )
    return made[:count]


async def product(home: Path, count: int) -> tuple[float, float, float]:
    """Return entries a second to a checkpoint, to the commit, and a lone record's lag in ms."""
    settings = resolved(Settings(home=str(home)))
    engine = open_database(settings.database_url)
    migrate(engine)
    prepare_keys(engine, settings)
    keys = DataKeys(engine, open_root_key(settings.root_key_url, settings.home))
    ledger = SqlJournal(open_database(settings.database_url))
    fill(ledger, count)
    shell = Shell(
        AuditLog,
        Stream("audit"),
        sealed_journal(SqlJournal(open_database(settings.database_url)), keys),
        SystemClock(),
        ShellSettings(batch_max=settings.batch_max, snapshot_events=500),
    )
    await shell.start()
    signer = await log_signer(shell, keys.sealer(SEAL_PURPOSE))
    store = FolderObjects(home / "objects")
    publisher = AuditPublisher(shell, sealed_journal(SqlJournal(engine), keys), store, signer)
    await publisher.start()
    source = AuditSource(LEDGER, ledger, LedgerEvent, TradingTrail().entries)
    tail = AuditTail(shell, [source], lambda: max(publisher.published, 0), publisher.wake)
    publishing = asyncio.create_task(publisher.follow())
    started_s = time.perf_counter()
    while await tail.catch_up():
        # The log refuses what the store is too far behind for; here it waits instead.
        while shell.component.size - publisher.published > 4 * RECORDS_MAX:  # noqa: ASYNC110  # a measurement
            await asyncio.sleep(0.001)
    committed_s = time.perf_counter() - started_s
    await until(publisher, count)
    published_s = time.perf_counter() - started_s
    tailing = asyncio.create_task(tail.follow())
    lags_ms = [await lag_ms(ledger, publisher, count + number) for number in range(1, LONE + 1)]
    publishing.cancel()
    tailing.cancel()
    check(home, signer, count + LONE)
    await shell.stop()
    ledger.close()
    engine.dispose()
    return count / published_s, count / committed_s, statistics.median(lags_ms)


async def until(publisher: AuditPublisher, size: int) -> None:
    """Wait until a checkpoint has *size* entries."""
    while publisher.published < size:  # noqa: ASYNC110  # a measurement
        await asyncio.sleep(0.001)


async def lag_ms(ledger: SqlJournal, publisher: AuditPublisher, number: int) -> float:
    """Return the time from the commit of the ledger's record *number* to its checkpoint."""
    event = OrderFilled(_ACCOUNT, "1", "1", Decimal(1), Decimal(1), 1, number)
    record = Record(number, msgspec.json.encode(event), None, time.time_ns())
    await asyncio.to_thread(ledger.append, LEDGER, EPOCH, [record])
    started_s = time.perf_counter()
    await until(publisher, number)
    return (time.perf_counter() - started_s) * 1e3


def fill(journal: SqlJournal, count: int) -> None:
    """Journal the orders, as the ledger would have."""
    assert journal.claim(LEDGER) == EPOCH, "the journal is new"
    encode = msgspec.json.Encoder().encode
    records = [
        Record(number, encode(event), None, time.time_ns())
        for number, event in enumerate(events(count), 1)
    ]
    for start in range(0, count, RECORDS_MAX):
        journal.append(LEDGER, EPOCH, records[start : start + RECORDS_MAX])


def check(home: Path, signer: object, count: int) -> None:
    """Verify what was published, or the figure would mean nothing."""

    def read(path: str) -> bytes | None:
        file = home / "objects" / "audit" / path
        return file.read_bytes() if file.is_file() else None

    report = verify_log(read, signer.verifier)
    if not report.sound or report.size != count:
        raise SystemExit(f"the published log is not sound: {report}")


def table(home: Path, count: int) -> float:
    """Return the rows a second of a plain table with the same documents, batches and syncs."""
    trail = TradingTrail()
    entries = [
        entry
        for event in events(count)
        for entry in trail.entries(event, time.time_ns(), "ledger/0")
    ]
    connection = sqlite3.connect(home / "table.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE audit (id INTEGER PRIMARY KEY, tenant TEXT, target TEXT, document TEXT)"
    )
    connection.execute("CREATE INDEX audit_target ON audit (target)")
    connection.execute("CREATE INDEX audit_tenant ON audit (tenant, id)")
    started_s = time.perf_counter()
    for start in range(0, count, RECORDS_MAX):
        rows = [
            (index, entry.tenant_id, entry.target_id, entry_document(entry, index, 0).decode())
            for index, entry in enumerate(entries[start : start + RECORDS_MAX], start)
        ]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO audit VALUES (?, ?, ?, ?)", rows)
        connection.execute("COMMIT")
    rate = count / (time.perf_counter() - started_s)
    connection.close()
    return rate


def main() -> None:
    """Run the rounds in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    published, plain, lags = [], [], []
    for number in range(given.rounds):
        with tempfile.TemporaryDirectory(prefix="tp-bench-audit-") as folder:
            home = Path(folder)
            one, other, lag = asyncio.run(product(home, given.entries))
            published.append(one)
            lags.append(lag)
            plain.append(table(home, given.entries))
            print(
                f"round {number + 1}: {one:,.0f} entries/s to a checkpoint, "
                f"{other:,.0f}/s committed, plain table {plain[-1]:,.0f} rows/s",
                flush=True,
            )
    rate, peer = statistics.median(published), statistics.median(plain)
    print(f"batches of {RECORDS_MAX} records, commands of {ENTRIES_MAX} entries")
    print(f"audit_append: {rate:,.0f} entries/s proof-ready, goal {_GOAL_PER_S:,}")
    print(f"a lone record is in a checkpoint after {statistics.median(lags):.0f} ms")
    print(f"plain table:  {peer:,.0f} rows/s, ratio {rate / peer:.2f}")


if __name__ == "__main__":
    main()
