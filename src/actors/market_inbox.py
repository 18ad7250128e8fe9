"""How a ledger shard hears the market: every event once and in order, across restarts of both."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog

from actors.ray_call import ActorPort
from tradeplane.clock import Clock
from tradeplane.errors import ComponentUnavailable, ServiceFailed, TradeplaneError, from_wire
from tradeplane.feed import FeedCursor, FeedEvent
from tradeplane.protocol import (
    AskReply,
    AskRequest,
    HistoryReply,
    HistoryRequest,
    PollReply,
    PollRequest,
)
from tradeplane.trading.commands import ApplyPrint, EndSession, ResetMarket, StartSession
from tradeplane.trading.market import (
    ClockMoved,
    ClockSegment,
    MarketEvent,
    PrintPublished,
    SessionClosed,
    SessionOpened,
)
from tradeplane.trading.replay import GetMarketView, MarketViewFound

log = structlog.get_logger()
_encode = msgspec.msgpack.Encoder().encode
_decode_event = msgspec.json.Decoder(MarketEvent).decode
_HISTORY_MAX = 1_000


def command_of(event: MarketEvent, sequence: int) -> Any:
    """Return what *event* means to a ledger shard, or None when it concerns the clock alone."""
    match event:
        case PrintPublished(print=traded):
            return ApplyPrint(sequence, traded)
        case SessionOpened(session=session, splits=splits):
            return StartSession(sequence, session, splits)
        case SessionClosed(session=session):
            return EndSession(sequence, session)
        case ClockMoved(jumped=True):
            return ResetMarket(sequence)
        case ClockMoved():
            return None


class MarketInbox:
    """Feeds one shard from the market's journal and then its feed, and keeps the venue clock.

    Args:
        port: the market's actor.
        subscriber: the shard's name as a subscriber.
        execute: applies a command to the shard; returns when it is committed.
        applied: the last market sequence that the shard has journaled.
        clock: wall time, which the venue time follows.
        hold_ms: how long a poll waits for news.
    """

    def __init__(  # noqa: PLR0913  # each is an independent collaborator
        self,
        port: ActorPort,
        subscriber: str,
        *,
        execute: Callable[[Any], Awaitable[Any]],
        applied: Callable[[], int],
        clock: Clock,
        hold_ms: int = 500,
    ) -> None:
        self._port = port
        self._subscriber = subscriber
        self._execute = execute
        self._applied = applied
        self._clock = clock
        self._hold_ms = hold_ms
        self._segment: ClockSegment | None = None
        self._cursor = FeedCursor()

    def now_ns(self) -> int:
        """Return the venue time.

        Raises:
            ComponentUnavailable: the market has not been heard yet.
        """
        if self._segment is None:
            raise ComponentUnavailable("the venue clock is not known yet; try again")
        return self._segment.venue_at(self._clock.wall_ns())

    def check(self) -> str | None:
        """Return None when the venue time is known, else what is wrong."""
        return "the venue clock is not known yet" if self._segment is None else None

    async def follow(self) -> None:
        """Catch up, then follow, for ever."""
        while True:
            try:
                if self._cursor.epoch == 0:
                    await self._catch_up()
                await self._poll()
            except ServiceFailed:
                await asyncio.sleep(0.05)
            except TradeplaneError:
                log.exception("a market event was refused", shard=self._subscriber)
                await asyncio.sleep(1.0)

    async def _catch_up(self) -> None:
        """Learn the clock, then apply all that the market journaled after the shard's last."""
        answer = await self._port.call("ask", _encode(AskRequest(_QUERY)))
        reply = msgspec.msgpack.decode(answer, type=AskReply)
        if reply.error is not None:
            raise from_wire(reply.error)
        self._segment = msgspec.msgpack.decode(reply.reply, type=MarketViewFound).view.segment
        position = self._applied()
        while True:
            request = HistoryRequest(position, _HISTORY_MAX)
            answer = await self._port.call("history", _encode(request))
            page = msgspec.msgpack.decode(answer, type=HistoryReply)
            for event in page.events:
                await self._take(event)
                position = event.sequence
            if len(page.events) < _HISTORY_MAX:
                self._cursor = FeedCursor(page.epoch, position)
                return

    async def _poll(self) -> None:
        request = PollRequest(
            self._subscriber,
            0,
            self._cursor.epoch,
            self._cursor.sequence,
            everything=True,
            hold_ms=self._hold_ms,
        )
        reply = msgspec.msgpack.decode(
            await self._port.call("poll", _encode(request)), type=PollReply
        )
        position = FeedCursor(self._cursor.epoch, self._cursor.sequence)
        events = position.take(reply.batch)
        if events is None:
            self._cursor = FeedCursor()
            return
        for event in events:
            # The cursor moves with each applied event, so a failure in between loses none.
            await self._take(event)
            self._cursor.sequence = event.sequence
        self._cursor = position

    async def _take(self, event: FeedEvent) -> None:
        decoded = _decode_event(event.payload)
        if isinstance(decoded, ClockMoved):
            self._segment = decoded.segment
        command = command_of(decoded, event.sequence)
        if command is not None:
            await self._execute(command)


_QUERY = msgspec.Raw(_encode(GetMarketView()))
