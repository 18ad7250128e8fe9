"""The replica's own listener, over real sockets: shared, balanced, drained."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent

import pytest
from running_system import free_ports

from adapters.system_clock import SystemClock
from serve.listener import Listener
from serve.shared_port import SharedPort, rendezvous
from tradeplane.errors import Misconfigured

SRC = Path(__file__).resolve().parents[2] / "src"
REPLICA = """
import asyncio, os, signal, sys
from adapters.system_clock import SystemClock
from serve.listener import Listener

async def app(scope, receive, send):
    await asyncio.sleep(float(dict(scope["headers"]).get(b"x-take", b"0")))
    body = str(os.getpid()).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

async def main():
    listener = Listener(app, "127.0.0.1", int(sys.argv[1]), SystemClock())
    listener.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("up", flush=True)
    await stop.wait()
    await listener.drain(5)

asyncio.run(main())
"""


class Replica:
    """A process with a listener."""

    def __init__(self, port: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", dedent(REPLICA), str(port)],
            env={**os.environ, "PYTHONPATH": str(SRC)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "up\n"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


class Client:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.told_to_close = False

    @classmethod
    async def open(cls, port: int) -> "Client":
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def get(self, take_s: float = 0) -> int:
        """Ask, and return the process that answered."""
        self._writer.write(f"GET / HTTP/1.1\r\nHost: x\r\nX-Take: {take_s}\r\n\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = int(head.split("content-length: ")[1].split("\r\n")[0])
        self.told_to_close = "connection: close" in head
        return int(await self._reader.readexactly(length))

    async def close(self) -> None:
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    number = free_ports(1)[0]
    yield number
    for left in rendezvous("127.0.0.1", number).iterdir():
        left.unlink()


@pytest.fixture
def replicas(port: int) -> AsyncIterator[list[Replica]]:
    both = [Replica(port), Replica(port)]
    yield both  # type: ignore[misc]
    for replica in both:
        replica.end()


async def test_connections_are_spread_evenly(port: int, replicas: list[Replica]) -> None:
    clients = [await Client.open(port) for _ in range(32)]
    answered = Counter([await client.get() for client in clients])

    assert set(answered) == {replica.process.pid for replica in replicas}
    assert max(answered.values()) - min(answered.values()) <= 4
    for client in clients:
        await client.close()


async def test_a_stopped_process_does_not_keep_others_waiting(
    port: int, replicas: list[Replica]
) -> None:
    replicas[0].process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(0.6)

    clients = [await Client.open(port) for _ in range(8)]
    answered = {await asyncio.wait_for(client.get(), 5) for client in clients}

    assert answered == {replicas[1].process.pid}
    replicas[0].process.send_signal(signal.SIGCONT)
    for client in clients:
        await client.close()


async def test_a_killed_process_takes_no_waiting_connection_with_it(
    port: int, replicas: list[Replica]
) -> None:
    for replica in replicas:
        replica.process.send_signal(signal.SIGSTOP)
    waiting = [await Client.open(port) for _ in range(8)]
    answers = [asyncio.create_task(client.get()) for client in waiting]
    await asyncio.sleep(0.1)
    replicas[0].process.kill()
    replicas[1].process.send_signal(signal.SIGCONT)

    answered = await asyncio.wait_for(asyncio.gather(*answers), 10)

    assert set(answered) == {replicas[1].process.pid}
    for client in waiting:
        await client.close()


async def test_draining_fails_no_request(port: int, replicas: list[Replica]) -> None:
    failed: list[str] = []
    answered: Counter[int] = Counter()
    until = time.monotonic() + 3.0

    async def ask() -> None:
        client = await Client.open(port)
        while time.monotonic() < until:
            try:
                answered[await client.get(0.002)] += 1
            except (OSError, asyncio.IncompleteReadError) as error:
                failed.append(repr(error))
                client.told_to_close = True
            if client.told_to_close:
                await client.close()
                client = await Client.open(port)
        await client.close()

    asking = [asyncio.create_task(ask()) for _ in range(16)]
    await asyncio.sleep(1)
    replicas[0].process.terminate()
    await asyncio.gather(*asking)

    assert failed == []
    assert replicas[0].process.wait(10) == 0
    assert set(answered) == {replica.process.pid for replica in replicas}


async def test_a_request_that_runs_is_finished_before_the_end(
    port: int, replicas: list[Replica]
) -> None:
    clients = [await Client.open(port) for _ in range(8)]
    running = [asyncio.create_task(client.get(1.5)) for client in clients]
    await asyncio.sleep(0.3)
    for replica in replicas:
        replica.process.terminate()

    assert len(await asyncio.gather(*running)) == 8
    assert [replica.process.wait(10) for replica in replicas] == [0, 0]
    for client in clients:
        await client.close()


async def test_a_port_of_another_program_is_refused_by_name(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.shared_port._ATTEMPTS", 2)
    foreign = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)

    with pytest.raises(Misconfigured, match=f"port {port} .* taken"):
        SharedPort("127.0.0.1", port)
    foreign.close()


async def test_a_drained_listener_is_unhealthy(port: int) -> None:
    async def app(scope: object, receive: object, send: object) -> None:
        raise AssertionError

    listener = Listener(app, "127.0.0.1", port, SystemClock())  # type: ignore[arg-type]
    listener.start()
    assert listener.check() is None

    await listener.drain(1)
    await listener.drain(1)

    assert listener.check() == "the listener is draining"
