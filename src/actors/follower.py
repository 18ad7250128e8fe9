"""A process's copy of a small, shared view: fetched once, kept by the feed, fetched on a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from actors.call_port import CallPort
from tradeplane.clock import NS_PER_S, Clock
from tradeplane.errors import ComponentUnavailable, OutcomeUnknown, from_wire
from tradeplane.feed import NO_OWNER, PRIVATE_TOPIC, FeedCursor
from tradeplane.protocol import AskReply, AskRequest, PollReply, PollRequest

log = structlog.get_logger()
_SILENT_NS = 5 * NS_PER_S
_encode = msgspec.msgpack.Encoder().encode


class Follower:
    """Follows everything that one component publishes.

    Args:
        port: the component's actor.
        subscriber: this process's name; unique.
        query: what to ask for the whole view.
        reply_type: how to decode the answer.
        event_type: how to decode the events.
        install: takes the whole view.
        evolve: takes one event.
        hold_ms: how long a poll waits for news.
        clock: monotonic time.
    """

    def __init__(  # noqa: PLR0913  # each is an independent collaborator
        self,
        port: CallPort,
        subscriber: str,
        *,
        query: Any,
        reply_type: Any,
        event_type: Any,
        install: Callable[[Any], None],
        evolve: Callable[[Any], None],
        clock: Clock,
        hold_ms: int = 300,
    ) -> None:
        self._port = port
        self._subscriber = subscriber
        self._query = msgspec.Raw(_encode(query))
        self._decode_reply = msgspec.msgpack.Decoder(reply_type).decode
        self._decode_event = msgspec.json.Decoder(event_type).decode
        self._install = install
        self._evolve = evolve
        self._clock = clock
        self._hold_ms = hold_ms
        self._cursor = FeedCursor()
        self._heard_ns: int | None = None

    def silent_ns(self) -> int | None:
        """Return for how long nothing was heard, or None before the first view."""
        if self._heard_ns is None:
            return None
        return self._clock.monotonic_ns() - self._heard_ns

    def problem(self, name: str) -> str | None:
        """Return None while the component, called *name*, is heard, else what is wrong."""
        silent_ns = self.silent_ns()
        if silent_ns is None:
            return f"{name} has not been heard yet"
        if silent_ns > _SILENT_NS:
            return f"{name} has been silent for {silent_ns // NS_PER_S} s"
        return None

    @property
    def sequence(self) -> int:
        """Everything up to this sequence of the component is known here; 0 before the first."""
        return self._cursor.sequence

    async def follow(self) -> None:
        """Fetch, then follow, for ever; survives restarts of either side."""
        while True:
            try:
                if self._cursor.epoch == 0:
                    await self._fetch()
                await self._poll()
            except (ComponentUnavailable, OutcomeUnknown):
                await asyncio.sleep(0.05)

    async def _fetch(self) -> None:
        answer = await self._port.call("ask", _encode(AskRequest(self._query)))
        reply = msgspec.msgpack.decode(answer, type=AskReply)
        if reply.error is not None:
            log.warning("view not available", actor=self._port.actor_name, why=reply.error[1])
            raise ComponentUnavailable(str(from_wire(reply.error)))
        self._install(self._decode_reply(reply.reply))
        self._cursor = FeedCursor(reply.epoch, reply.sequence)
        self._heard_ns = self._clock.monotonic_ns()

    async def _poll(self) -> None:
        request = PollRequest(
            self._subscriber,
            0,
            self._cursor.epoch,
            self._cursor.sequence,
            everything=True,
            hold_ms=self._hold_ms,
        )
        answer = await self._port.call("poll", _encode(request))
        batch = msgspec.msgpack.decode(answer, type=PollReply).batch
        if batch.epoch == NO_OWNER:
            raise ComponentUnavailable(f"{self._port.actor_name} was taken over")
        events = self._cursor.take(batch)
        self._heard_ns = self._clock.monotonic_ns()
        if events is None:
            self._cursor = FeedCursor()
            return
        for event in events:
            if event.topic != PRIVATE_TOPIC:
                self._evolve(self._decode_event(event.payload))
