"""The calls of one process to the ``auth`` actor, each with its limits and its repetitions."""

from __future__ import annotations

import asyncio
import functools
import os
import uuid
from collections.abc import Callable
from typing import Any

import msgspec

from actors.batch_client import BatchClient, BatchSettings
from actors.batch_run import reply_of
from actors.call_port import CallPort
from actors.follower import Follower
from tradeplane.auth.desk import DeskReply
from tradeplane.auth.queries import GetSequence
from tradeplane.auth.replies import IdentityReply, Refused
from tradeplane.clock import NS_PER_MS, Clock
from tradeplane.errors import ServiceFailed, from_wire
from tradeplane.protocol import AskReply, AskRequest

_encode = msgspec.msgpack.Encoder().encode
_SLOW_CALLS_MAX = 64
_CATCH_UP_S = 1.0
_CATCH_UP_POLL_S = 0.005


class AuthLink:
    """Sends commands, questions and requests of the desk.

    Args:
        port: the actor, for calls that take no password.
        desk_port: the same, with a time limit that leaves room for waiting and hashing.
        clock: monotonic time.
        wait_ms: longest time a call may take, repetitions included.
        random: makes random bytes.
    """

    def __init__(
        self,
        port: CallPort,
        desk_port: CallPort,
        clock: Clock,
        wait_ms: int,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        wait_ns = wait_ms * NS_PER_MS
        self._port = port
        self.random = random
        self._commands = BatchClient(
            "auth", functools.partial(port.call, "submit"), BatchSettings(wait_ns=wait_ns), clock
        )
        # One request a call, so that nobody waits for another's password.
        one_by_one = BatchSettings(
            batch_max=1, calls_in_flight_max=_SLOW_CALLS_MAX, late_ns=0, wait_ns=wait_ns
        )
        self._desk = BatchClient(
            "auth", functools.partial(desk_port.call, "desk"), one_by_one, clock
        )

    def new_id(self) -> str:
        """Return a new UUID from this link's randomness."""
        return str(uuid.UUID(bytes=self.random(16), version=4))

    async def execute(self, command: Any) -> Any:
        """Send a command of the component, and return its reply.

        Raises:
            TradeplaneError: it was refused, or it failed.
        """
        reply = reply_of(await self._commands.call(command, fresh=False), IdentityReply)
        if isinstance(reply, Refused):
            raise from_wire(reply.error)
        return reply

    async def request(self, request: Any) -> Any:
        """Send a request to the desk, and return its reply.

        Raises:
            TradeplaneError: it was refused, or it failed.
        """
        return reply_of(await self._desk.call(request, fresh=False), DeskReply)

    async def ask(self, query: Any) -> Any:
        """Ask the component.

        Raises:
            TradeplaneError: it was refused, or the actor was not reached.
        """
        reply = await self._asked(query)
        return msgspec.msgpack.decode(reply.reply, type=IdentityReply)

    async def _asked(self, query: Any) -> AskReply:
        payload = _encode(AskRequest(msgspec.Raw(_encode(query))))
        reply = msgspec.msgpack.decode(await self._port.call("ask", payload), type=AskReply)
        if reply.error is not None:
            raise from_wire(reply.error)
        return reply

    async def catch_up(self, follower: Follower) -> None:
        """Wait until *follower* knows what was committed by now, so that one reads one's writes.

        What was committed stays so when this takes too long: then the mirror is a moment behind.
        """
        try:
            sequence = (await self._asked(GetSequence())).sequence
            async with asyncio.timeout(_CATCH_UP_S):
                while follower.sequence < sequence:  # noqa: ASYNC110  # the feed has no event for it
                    await asyncio.sleep(_CATCH_UP_POLL_S)
        except (ServiceFailed, TimeoutError):
            return
