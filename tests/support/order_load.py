"""A bounded load of orders over keep-alive connections, that keeps account of every answer."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """What became of the orders: each client_order_id is in exactly one of these."""

    acknowledged: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    statuses: dict[int, int] = field(default_factory=dict)
    broken: int = 0
    longest_pause_s: float = 0.0


class OrderLoad:
    """Posts market orders from many connections until told to stop.

    A connection that breaks is opened again, and the order that was on it is sent again under its
    client_order_id, as a careful client would.
    """

    def __init__(
        self, url: str, headers: dict[str, str], connections: int, orders_max: int
    ) -> None:
        host, port = url.removeprefix("http://").split(":")
        self._host, self._port = host, int(port)
        self._head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._connections = connections
        self._left = orders_max
        self._stopping = False
        self._last_answer = time.monotonic()
        self.outcome = Outcome()

    async def run(self, seconds: float) -> Outcome:
        self._last_answer = time.monotonic()
        workers = [asyncio.create_task(self._work()) for _ in range(self._connections)]
        await asyncio.sleep(seconds)
        self._stopping = True
        await asyncio.gather(*workers)
        return self.outcome

    async def _work(self) -> None:
        connection = None
        while not self._stopping and self._left > 0:
            self._left -= 1
            name = f"load-{uuid.uuid4()}"
            connection = await self._place(name, connection)
        if connection is not None:
            connection[1].close()

    async def _place(self, name: str, connection: object) -> object:
        """Post one order until its fate is known, or until the patience of a client ends."""
        self.outcome.unknown.add(name)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                if connection is None:
                    connection = await asyncio.open_connection(self._host, self._port)
                status, body = await asyncio.wait_for(self._post(name, connection), 20)
            except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
                self.outcome.broken += 1
                connection = None
                await asyncio.sleep(0.02)
                continue
            self._answered(status)
            if status == 200:
                self.outcome.unknown.discard(name)
                self.outcome.acknowledged[name] = json.loads(body)["id"]
                return connection
            if status == 422 and b"client_order_id must be unique" in body:
                # An earlier attempt got through, though its answer did not.
                self.outcome.unknown.discard(name)
                self.outcome.acknowledged[name] = ""
                return connection
            if status < 500 and status != 429:
                self.outcome.unknown.discard(name)
                self.outcome.refused[name] = body.decode()
                return connection
            await asyncio.sleep(0.02)
        return connection

    async def _post(self, name: str, connection: object) -> tuple[int, bytes]:
        reader, writer = connection  # type: ignore[misc]
        body = json.dumps(
            {
                "symbol": "AAPL",
                "qty": "1",
                "side": "buy",
                "type": "market",
                "time_in_force": "day",
                "client_order_id": name,
            }
        )
        writer.write(
            f"POST /v2/orders HTTP/1.1\r\nHost: {self._host}\r\n{self._head}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
        )
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        length = next(
            int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:")
        )
        answer = await reader.readexactly(length)
        if any(line.lower() == "connection: close" for line in lines):
            writer.close()
        return int(lines[0].split()[1]), answer

    def _answered(self, status: int) -> None:
        now = time.monotonic()
        if status == 200:
            pause = now - self._last_answer
            self.outcome.longest_pause_s = max(self.outcome.longest_pause_s, pause)
            self._last_answer = now
        self.outcome.statuses[status] = self.outcome.statuses.get(status, 0) + 1
