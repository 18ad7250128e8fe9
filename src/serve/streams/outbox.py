"""What waits to be sent on one connection: bounded, so that a slow reader costs only itself."""

from __future__ import annotations

import asyncio
from collections import deque

from starlette.types import Message, Send


class Outbox:
    """Messages on their way to one client, sent by one task in their order.

    Args:
        send: the connection.
        messages_max: messages that may wait; with one more the client is too slow and is cut off.
    """

    def __init__(self, send: Send, messages_max: int) -> None:
        self._send = send
        self._messages_max = messages_max
        self._waiting: deque[Message] = deque()
        self._news = asyncio.Event()
        self._overflow = asyncio.Event()

    def put(self, message: bytes | str) -> None:
        """Queue a message; text for ``str``, binary for ``bytes``."""
        if self._overflow.is_set():
            return
        if len(self._waiting) >= self._messages_max:
            self._overflow.set()
            self._waiting.clear()
        elif isinstance(message, str):
            self._waiting.append({"type": "websocket.send", "text": message})
        else:
            self._waiting.append({"type": "websocket.send", "bytes": message})
        self._news.set()

    async def run(self) -> None:
        """Send what is put, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._waiting:
                await self._send(self._waiting.popleft())

    async def overflow(self) -> None:
        """Wait until the client is too slow; nothing is queued from then on."""
        await self._overflow.wait()
