"""The journal on PostgreSQL when the server or the connection fails at the worst moment."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest
from sqlalchemy import event, make_url

from adapters.database.engine import open_database
from adapters.database.sql_journal import SqlJournal
from tradeplane.errors import CorruptJournal, Fenced, JournalUnavailable, OutcomeUnknown
from tradeplane.journal import Record, Stream

STREAM_LOCK = "SELECT 1 FROM components WHERE component = %s FOR NO KEY UPDATE"
OTHER_SESSIONS = "datname = current_database() AND pid <> pg_backend_pid()"


def record(sequence: int) -> Record:
    return Record(sequence, b"{}", f"key-{sequence}", 1)


@pytest.fixture
def journal(migrated_postgres_url: str) -> Iterator[SqlJournal]:
    journal = SqlJournal(open_database(migrated_postgres_url))
    yield journal
    journal.close()


@pytest.fixture
def administrator(migrated_postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(migrated_postgres_url, autocommit=True) as connection:
        yield connection


def end_sessions(administrator: psycopg.Connection) -> int:
    """End every other session of the database, and wait until they are gone."""
    ended = administrator.execute(
        f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {OTHER_SESSIONS}"
    ).fetchone()
    wait_for(administrator, f"NOT EXISTS (SELECT FROM pg_stat_activity WHERE {OTHER_SESSIONS})")
    assert ended is not None
    return int(ended[0])


def wait_for(administrator: psycopg.Connection, condition: str) -> None:
    while administrator.execute(f"SELECT {condition}").fetchone() != (True,):
        time.sleep(0.005)


def test_a_session_that_ended_between_two_calls_goes_unnoticed(journal, administrator, stream):
    epoch = journal.claim(stream)
    assert end_sessions(administrator) >= 1

    journal.append(stream, epoch, [record(1)])

    assert end_sessions(administrator) >= 1
    assert list(journal.replay(stream, 0)) == [record(1)]


def test_a_session_that_ends_before_the_commit_leaves_nothing(
    journal, administrator, migrated_postgres_url, stream
):
    epoch = journal.claim(stream)
    raised: list[BaseException] = []

    def append() -> None:
        try:
            journal.append(stream, epoch, [record(1)])
        except JournalUnavailable as error:
            raised.append(error)

    with psycopg.connect(migrated_postgres_url) as blocker:
        blocker.execute(STREAM_LOCK, (stream.component,))
        thread = threading.Thread(target=append)
        thread.start()
        waiting = f"FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND {OTHER_SESSIONS}"
        wait_for(administrator, f"EXISTS (SELECT {waiting})")
        administrator.execute(f"SELECT pg_terminate_backend(pid) {waiting}")
        thread.join()

    (error,) = raised
    assert str(error).endswith("(AdminShutdown 57P01)")
    assert list(journal.replay(stream, 0)) == []
    journal.append(stream, epoch, [record(1)])
    assert list(journal.replay(stream, 0)) == [record(1)]


def test_a_session_that_ends_at_the_commit_leaves_the_outcome_unknown(
    journal, administrator, stream
):
    epoch = journal.claim(stream)
    engine = journal._engine
    event.listen(engine, "commit", lambda _: end_sessions(administrator), once=True)

    with pytest.raises(OutcomeUnknown, match="may have taken place"):
        journal.append(stream, epoch, [record(1)])

    journal.verify(stream, epoch)
    assert list(journal.replay(stream, 0)) == [], "the commit never arrived"
    journal.append(stream, epoch, [record(1)])


def test_a_lock_held_too_long_is_unavailable(journal, migrated_postgres_url, stream):
    epoch = journal.claim(stream)
    engine = journal._engine
    event.listen(
        engine, "begin", lambda session: session.exec_driver_sql("SET LOCAL lock_timeout = 50")
    )

    with psycopg.connect(migrated_postgres_url) as blocker:
        blocker.execute(STREAM_LOCK, (stream.component,))
        with pytest.raises(JournalUnavailable, match=r"keeps the stream locked \(LockNotAvailable"):
            journal.append(stream, epoch, [record(1)])

    journal.append(stream, epoch, [record(1)])


def test_a_server_that_is_gone_is_unavailable_and_its_password_is_not_told(
    journal, migrated_postgres_url, stream
):
    password = make_url(migrated_postgres_url).password
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = make_url(migrated_postgres_url).set(port=unused.getsockname()[1])
        with pytest.raises(JournalUnavailable) as caught:
            open_database(url.render_as_string(hide_password=False))

    assert str(password) not in f"{caught.value!r} {caught.value} {caught.value.details}"
    assert str(password) not in repr(journal._engine)


def test_a_wrong_password_is_unavailable_and_not_told(migrated_postgres_url):
    url = make_url(migrated_postgres_url).set(password="wrong-one")

    with pytest.raises(JournalUnavailable) as caught:
        open_database(url.render_as_string(hide_password=False))

    chain: BaseException | None = caught.value
    while chain is not None:
        assert "wrong-one" not in f"{chain!r} {chain}"
        chain = chain.__cause__


def test_a_text_that_the_server_cannot_hold_is_refused_without_its_data(journal, stream):
    epoch = journal.claim(stream)

    with pytest.raises(JournalUnavailable) as caught:
        journal.append(stream, epoch, [Record(1, b"{}", "secret\0key", 1)])

    assert "secret" not in str(caught.value)
    journal.append(stream, epoch, [record(1)])


class Cable:
    """A connection through loopback that can be cut right after a commit has been sent.

    Args:
        target: the server's port.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cut_at_commit = False
        self._deaf: set[socket.socket] = set()
        self._sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            self._end(each)
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._target))
            self._sockets += [client, server]
            for work in (self._forward, self._return):
                thread = threading.Thread(target=work, args=(client, server), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(65_536):
                if self.cut_at_commit and b"COMMIT\0" in data:
                    self.cut_at_commit = False
                    self._deaf.add(server)
                    self._end(client)  # the client hears nothing any more
                server.sendall(data)
        except OSError:
            pass
        self._end(client)
        self._end(server)

    def _return(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := server.recv(65_536):
                if server not in self._deaf:
                    client.sendall(data)
        except OSError:
            pass
        self._end(server)
        self._end(client)

    @staticmethod
    def _end(each: socket.socket) -> None:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            each.close()
        else:
            each.close()


@pytest.fixture
def cable(migrated_postgres_url: str) -> Iterator[Cable]:
    port = make_url(migrated_postgres_url).port
    assert port is not None
    cable = Cable(port)
    yield cable
    cable.close()


@pytest.fixture
def journal_on_cable(cable: Cable, migrated_postgres_url: str) -> Iterator[SqlJournal]:
    url = make_url(migrated_postgres_url).set(port=cable.port)
    journal = SqlJournal(open_database(url.render_as_string(hide_password=False)))
    yield journal
    journal.close()


def test_a_commit_whose_answer_is_lost_is_unknown_and_found_afterwards(
    cable: Cable, journal_on_cable: SqlJournal, stream: Stream
) -> None:
    journal = journal_on_cable
    epoch = journal.claim(stream)
    cable.cut_at_commit = True

    with pytest.raises(OutcomeUnknown):
        journal.append(stream, epoch, [record(1)])

    journal.verify(stream, epoch)
    assert journal.find(stream, ["key-1"]) == {"key-1": record(1)}
    with pytest.raises(CorruptJournal):
        journal.append(stream, epoch, [record(1)])
    journal.append(stream, epoch, [record(2)])


def test_verify_waits_for_a_commit_in_doubt(
    journal: SqlJournal,
    administrator: psycopg.Connection,
    migrated_postgres_url: str,
    stream: Stream,
    make_late: Callable[[Callable[[], None]], threading.Thread],
) -> None:
    """The server may still commit after the client has given up; only the lock tells when not."""
    epoch = journal.claim(stream)
    engine = journal._engine
    event.listen(engine, "commit", lambda _: end_sessions(administrator), once=True)
    with pytest.raises(OutcomeUnknown):
        journal.append(stream, epoch, [record(1)])

    # Stands for the server's own session that is still busy with the commit.
    with psycopg.connect(migrated_postgres_url) as late:
        late.execute(STREAM_LOCK, (stream.component,))
        late.execute(
            "INSERT INTO journal (component, shard, sequence, epoch, recorded_ns, key, event) "
            "VALUES (%s, %s, 1, %s, 1, 'key-1', '{}')",
            (stream.component, stream.shard, epoch),
        )
        thread = make_late(late.commit)
        journal.verify(stream, epoch)
        thread.join()

    assert list(journal.replay(stream, 0)) == [record(1)]


@pytest.fixture
def make_late(
    administrator: psycopg.Connection,
) -> Callable[[Callable[[], None]], threading.Thread]:
    """Runs something as soon as another session waits for a lock."""

    def make(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            waiting = f"FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND {OTHER_SESSIONS}"
            wait_for(administrator, f"EXISTS (SELECT {waiting})")
            work()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    return make


def test_a_commit_in_doubt_does_not_hide_that_a_newer_copy_took_over(
    journal: SqlJournal,
    administrator: psycopg.Connection,
    migrated_postgres_url: str,
    stream: Stream,
) -> None:
    epoch = journal.claim(stream)
    event.listen(journal._engine, "commit", lambda _: end_sessions(administrator), once=True)
    with pytest.raises(OutcomeUnknown):
        journal.append(stream, epoch, [record(1)])
    other = SqlJournal(open_database(migrated_postgres_url))
    other.claim(stream)
    other.close()

    for _ in range(2):
        with pytest.raises(Fenced):
            journal.verify(stream, epoch)
