"""One WebSocket connection, below the protocols that are spoken on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import msgspec
from starlette.types import Receive, Scope, Send

from serve.streams.outbox import Outbox
from tradeplane.auth.principal import Principal

AUTHENTICATION_S = 10.0
"""How long a connection may stay without having said who it is."""

_CLOSE_S = 1.0
TOO_SLOW = 4407
REVOKED = 4401
SILENT = 4404
POLICY = 1008


class StreamSettings(msgspec.Struct, frozen=True):
    """Limits of one stream replica.

    Attributes:
        connections_max: connections of this replica.
        key_connections_max: connections of one key on each kind of stream of this replica.
        outbox_max: messages that may wait for one client before it is cut off as too slow.
        check_ms: how often a connection's credential is checked again.
    """

    connections_max: int = 2_000
    key_connections_max: int = 100
    outbox_max: int = 2_048
    check_ms: int = 500


class Credential(msgspec.Struct, frozen=True):
    """What a client said to come in, and who it is."""

    principal: Principal
    still_valid: Callable[[], bool]


class Connection:
    """What both protocols need of a connection: messages in, a bounded outbox, and an end.

    Args:
        scope: the ASGI scope.
        receive: the ASGI receiver.
        send: the ASGI sender.
        settings: limits.
    """

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, settings: StreamSettings
    ) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        self.wants_msgpack = headers.get(b"content-type", b"") == b"application/msgpack"
        self.outbox = Outbox(send, settings.outbox_max)
        self.credential: Credential | None = None
        self._receive = receive
        self._send = send
        self._settings = settings

    async def accept(self) -> bool:
        """Take the client's request to connect; return False when it has gone already."""
        first = await self._receive()
        if first["type"] != "websocket.connect":
            return False
        await self._send({"type": "websocket.accept"})
        return True

    async def serve(self, handle: Callable[[bytes], Awaitable[None]]) -> None:
        """Hand every message to *handle* until either side ends; then close."""
        tasks = [
            asyncio.create_task(self._read(handle)),
            asyncio.create_task(self.outbox.run()),
            asyncio.create_task(self._overflow()),
            asyncio.create_task(self._watch()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        ended = [task.result() for task in done if task.exception() is None]
        close = next((each for each in ended if each is not None), None)
        if close is not None:
            with suppress(TimeoutError):
                # A client that does not read does not take this either.
                async with asyncio.timeout(_CLOSE_S):
                    await self._send(
                        {"type": "websocket.close", "code": close[0], "reason": close[1]}
                    )

    async def _read(self, handle: Callable[[bytes], Awaitable[None]]) -> tuple[int, str] | None:
        while True:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return None
            text: Any = message.get("text")
            await handle(text.encode() if text is not None else message.get("bytes") or b"")

    async def _overflow(self) -> tuple[int, str]:
        await self.outbox.overflow()
        return TOO_SLOW, "slow client"

    async def _watch(self) -> tuple[int, str]:
        """End a connection that does not say who it is, and one whose credential has ended."""
        check_s = self._settings.check_ms / 1_000
        waited_s = 0.0
        while True:
            await asyncio.sleep(check_s)
            waited_s += check_s
            if self.credential is None:
                if waited_s >= AUTHENTICATION_S:
                    return SILENT, "auth timeout"
            elif not self.credential.still_valid():
                return REVOKED, "the credential has ended"
