"""The schema's way forward and back, with data, on both databases."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from adapters.database.engine import open_database
from adapters.database.migration import downgrade, migrate
from adapters.database.schema import METADATA
from adapters.database.sql_journal import SqlJournal
from tradeplane.errors import JournalUnavailable, Misconfigured
from tradeplane.journal import Record, Stream
from tradeplane.trading.closed_orders import ClosedOrder
from tradeplane.trading.orders import OrderStatus

SOURCES = Path(__file__).parents[2] / "src"
STREAM = Stream("ledger")
ROW = ClosedOrder("account", "order", "client", "AAPL", "buy", OrderStatus.FILLED, 1, 2, 3, b"{}")
RECORDS = [Record(1, b"{}", "key", 7), Record(2, b"{}", None, 8)]


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'tradeplane.db'}"
    make: Callable[[], str] = request.getfixturevalue("new_postgres_database")
    return make()


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = open_database(url)
    yield engine
    engine.dispose()


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names()) - {"alembic_version"}


def set_revision(engine: Engine, revision: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :new"), {"new": revision})


def test_the_migrations_end_at_the_schema_of_the_code(engine):
    migrate(engine)

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    assert tables(engine) == set(METADATA.tables)


def test_migrating_twice_changes_nothing(engine):
    migrate(engine)
    journal = SqlJournal(engine)
    journal.append(STREAM, journal.claim(STREAM), RECORDS, [ROW])

    migrate(engine)

    assert list(journal.replay(STREAM, 0)) == RECORDS


def test_a_step_back_keeps_the_journal_and_a_step_forward_makes_it_whole(engine):
    migrate(engine)
    journal = SqlJournal(engine)
    epoch = journal.claim(STREAM)
    journal.append(STREAM, epoch, RECORDS, [ROW])

    downgrade(engine, "0001")

    assert tables(engine) == {"components", "journal", "snapshots"}
    assert list(journal.replay(STREAM, 0)) == RECORDS

    migrate(engine)
    journal.append(STREAM, epoch, [Record(3, b"{}", None, 9)], [ROW])
    assert len(list(journal.replay(STREAM, 0))) == 3


def test_the_way_back_to_nothing_leaves_nothing(engine):
    migrate(engine)
    journal = SqlJournal(engine)
    journal.append(STREAM, journal.claim(STREAM), RECORDS, [ROW])

    downgrade(engine, "base")

    assert tables(engine) == set()
    migrate(engine)
    assert list(journal.replay(STREAM, 0)) == []


def test_a_database_of_a_newer_version_is_refused_and_left_alone(engine):
    migrate(engine)
    set_revision(engine, "9999")

    with pytest.raises(Misconfigured, match="is at revision 9999, this version knows only up to"):
        migrate(engine)
    with pytest.raises(Misconfigured, match="9999"):
        downgrade(engine, "base")

    assert tables(engine) == set(METADATA.tables)


def test_an_unknown_revision_to_go_back_to_is_refused(engine):
    migrate(engine)

    with pytest.raises(Misconfigured, match="known are base, 0001, 0002"):
        downgrade(engine, "no-such")


def test_a_migration_that_fails_half_way_leaves_nothing(engine):
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE closed_orders (in_the_way INTEGER)")

    with pytest.raises(JournalUnavailable):
        migrate(engine)

    assert tables(engine) == {"closed_orders"}
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE closed_orders")
    migrate(engine)
    assert tables(engine) == set(METADATA.tables)


def test_processes_that_start_at_once_migrate_once(url, engine, tmp_path):
    """From another folder too: the steps are found in the package, not in the working folder."""
    program = (
        "import os; from adapters.database.engine import open_database;"
        "from adapters.database.migration import migrate;"
        "engine = open_database(os.environ['DATABASE']); migrate(engine); engine.dispose()"
    )
    environment = os.environ | {"PYTHONPATH": str(SOURCES), "DATABASE": url}
    processes = [
        subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, env=environment)
        for _ in range(3)
    ]

    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    assert tables(engine) == set(METADATA.tables)
