"""Every event of chosen accounts, once and in order, with the account as it is after each.

The feed's events alone do not say what an order looks like; the account does. So each account that
somebody listens to is fetched once, without a lease, and evolved by its events. When the shard
restarts, what lies between is read from its journal: a subscriber misses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from actors.ray_call import ActorPort
from tradeplane.errors import NotFound, ServiceFailed, from_wire
from tradeplane.feed import NO_OWNER, FeedCursor, FeedEvent
from tradeplane.protocol import (
    AskReply,
    AskRequest,
    HistoryReply,
    HistoryRequest,
    PollReply,
    PollRequest,
)
from tradeplane.trading.account import Account
from tradeplane.trading.events import AccountEvent, AccountOpened
from tradeplane.trading.queries import GetAccount
from tradeplane.trading.replies import AccountFound

log = structlog.get_logger()
_encode = msgspec.msgpack.Encoder().encode
_decode_event = msgspec.json.Decoder(AccountEvent).decode
_HISTORY_MAX = 1_000
_PAUSE_S = 0.05

OnEvent = Callable[[Account, AccountEvent, Any], None]
"""Told of each event: the account after it, the event, and the order that it closed or None."""


class _Followed(msgspec.Struct, eq=False):
    account: Account
    sequence: int
    listeners: int = 1


class AccountFeed:
    """Follows chosen accounts of one shard.

    Args:
        port: the shard's actor.
        subscriber: this process's name; unique.
        on_event: told of each event.
        accounts_max: accounts that may be followed at the same time.
        hold_ms: how long a poll waits for news.
    """

    def __init__(
        self,
        port: ActorPort,
        subscriber: str,
        on_event: OnEvent,
        *,
        accounts_max: int = 10_000,
        hold_ms: int = 300,
    ) -> None:
        self._port = port
        self._subscriber = subscriber
        self._on_event = on_event
        self._accounts_max = accounts_max
        self._hold_ms = hold_ms
        self._cursor = FeedCursor()
        self._followed: dict[str, _Followed] = {}
        self._fetching = asyncio.Lock()
        self._someone = asyncio.Event()

    async def join(self, account_id: str) -> Account:
        """Follow an account from now on; return it as it is. Each call needs a :meth:`leave`.

        Raises:
            NotFound: the shard has no such account.
            ServiceFailed: it could not be fetched, or too many are followed.
        """
        async with self._fetching:
            known = self._followed.get(account_id)
            if known is not None:
                known.listeners += 1
                return known.account
            if len(self._followed) >= self._accounts_max:
                raise ServiceFailed("too many accounts are followed here; try another connection")
            query = msgspec.Raw(_encode(GetAccount(account_id)))
            answer = await self._port.call("ask", _encode(AskRequest(query)))
            reply = msgspec.msgpack.decode(answer, type=AskReply)
            if reply.error is not None:
                raise from_wire(reply.error)
            account = msgspec.msgpack.decode(reply.reply, type=AccountFound).account
            self._followed[account_id] = _Followed(account, reply.sequence)
            if self._cursor.epoch != reply.epoch:
                # The others, if any, are brought up to date through the journal.
                self._cursor = FeedCursor(
                    0, min(self._cursor.sequence or reply.sequence, reply.sequence)
                )
            # A poll under way may have passed this account's next event by.
            self._cursor.sequence = min(self._cursor.sequence, reply.sequence)
            self._someone.set()
            return account

    def leave(self, account_id: str) -> None:
        """Take one :meth:`join` back."""
        known = self._followed.get(account_id)
        if known is None:
            raise NotFound(f"account {account_id} is not followed")
        known.listeners -= 1
        if known.listeners == 0:
            del self._followed[account_id]

    async def follow(self) -> None:
        """Follow, for ever; survives restarts of the shard."""
        while True:
            if not self._followed:
                self._someone.clear()
                await self._someone.wait()
            try:
                if self._cursor.epoch == 0:
                    await self._catch_up()
                await self._poll()
            except ServiceFailed as error:
                log.debug(
                    "the ledger is not reachable", actor=self._port.actor_name, why=str(error)
                )
                await asyncio.sleep(_PAUSE_S)

    async def _poll(self) -> None:
        started = FeedCursor(self._cursor.epoch, self._cursor.sequence)
        request = PollRequest(
            self._subscriber,
            0,
            started.epoch,
            started.sequence,
            everything=True,
            hold_ms=self._hold_ms,
            topics=tuple(self._followed),
        )
        answer = await self._port.call("poll", _encode(request))
        batch = msgspec.msgpack.decode(answer, type=PollReply).batch
        if batch.epoch == NO_OWNER:
            raise ServiceFailed(f"{self._port.actor_name} was taken over")
        moved = (self._cursor.epoch, self._cursor.sequence) != (started.epoch, started.sequence)
        events = started.take(batch)
        if events is None:
            self._cursor = FeedCursor(0, self._cursor.sequence)
            return
        for event in events:
            self._take(event)
        if not moved:
            self._cursor = started

    async def _catch_up(self) -> None:
        """Read from the journal what the feed of a new copy does not have."""
        position = self._cursor.sequence
        while True:
            request = HistoryRequest(position, _HISTORY_MAX)
            answer = await self._port.call("history", _encode(request))
            page = msgspec.msgpack.decode(answer, type=HistoryReply)
            for event in page.events:
                self._take(event)
                position = event.sequence
            if len(page.events) < _HISTORY_MAX:
                self._cursor = FeedCursor(page.epoch, position)
                return

    def _take(self, event: FeedEvent) -> None:
        known = self._followed.get(event.topic)
        if known is None or event.sequence <= known.sequence:
            return
        known.sequence = event.sequence
        decoded = _decode_event(event.payload)
        if isinstance(decoded, AccountOpened):
            return
        closed = known.account.evolve(decoded)
        self._on_event(known.account, decoded, closed)
