"""A replica's way to the ledger: writes in batches, reads from mirrors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from actors.account_mirror import AccountMirror
from actors.batch_client import BatchClient, BatchSettings
from actors.batch_run import reply_of
from actors.ray_call import ActorPort
from adapters.database.closed_orders import ClosedOrders
from tradeplane.clock import NS_PER_MS, NS_PER_S, Clock
from tradeplane.errors import (
    ComponentUnavailable,
    NotFound,
    OutcomeUnknown,
    ServiceFailed,
    from_wire,
)
from tradeplane.protocol import AskReply, AskRequest, PollReply, PollRequest
from tradeplane.trading.account import Account
from tradeplane.trading.closed_orders import ClosedOrderQuery
from tradeplane.trading.commands import CancelAllOrders, CancelOrder, OpenAccount, PlaceOrder
from tradeplane.trading.orders import Order
from tradeplane.trading.queries import GetAccount
from tradeplane.trading.replies import AccountFound, LedgerReply, OrderPlaced, OrdersCanceled

log = structlog.get_logger()
_encode = msgspec.msgpack.Encoder().encode
_UNREAD_NS = 2 * NS_PER_S


class LedgerLink:
    """The connection of one replica to one shard.

    Args:
        port: the shard's actor.
        subscriber: this replica's name in the shard's lease table; unique and never used again.
        batch: limits of the batch client.
        lease_ms: the shard's lease term.
        clock: monotonic time.
    """

    def __init__(
        self, port: ActorPort, subscriber: str, batch: BatchSettings, lease_ms: int, clock: Clock
    ) -> None:
        self.mirror = AccountMirror(lease_ms * NS_PER_MS)
        self.batch = BatchClient(
            port.actor_name,
            self._submit,
            batch,
            clock,
            subscriber=subscriber,
            on_reply=self.mirror.take_reply,
            on_failure=self.mirror.forget,
        )
        self._port = port
        self._subscriber = subscriber
        self._lease_ms = lease_ms
        self._clock = clock
        self._leased = asyncio.Event()
        self._released_ns = 0
        self._fetching: dict[str, asyncio.Event] = {}

    async def account(self, account_id: str, wait_ns: int) -> Account:
        """Return the account: from the mirror, else from the shard.

        Raises:
            NotFound: the shard has no such account.
            ComponentUnavailable: the shard was not reached within *wait_ns*.
        """
        account = self.mirror.get(account_id, self._clock.monotonic_ns())
        if account is not None:
            return account
        deadline_ns = self._clock.monotonic_ns() + wait_ns
        while True:
            under_way = self._fetching.get(account_id)
            try:
                if under_way is None:
                    return await self._fetch(account_id)
                await under_way.wait()
            except ServiceFailed as error:
                if self._clock.monotonic_ns() >= deadline_ns:
                    why = error.message
                    raise ComponentUnavailable(f"the ledger is not reachable: {why}") from None
                await asyncio.sleep(0.05)
            account = self.mirror.get(account_id, self._clock.monotonic_ns())
            if account is not None:
                return account

    async def _fetch(self, account_id: str) -> Account:
        finished = self._fetching[account_id] = asyncio.Event()
        fetch = self.mirror.begin_fetch(account_id)
        query = msgspec.Raw(_encode(GetAccount(account_id)))
        sent_ns = self._clock.monotonic_ns()
        try:
            payload = _encode(AskRequest(query, self._subscriber, account_id))
            reply = msgspec.msgpack.decode(await self._port.call("ask", payload), type=AskReply)
            account = _account_in(reply)
        except BaseException:
            self.mirror.abandon_fetch(account_id, fetch)
            raise
        else:
            self.mirror.end_fetch(
                account,
                fetch,
                epoch=reply.epoch,
                sequence=reply.sequence,
                session_id=reply.session_id,
                grant_id=reply.grant_id,
                lease_until_ns=sent_ns + reply.lease_ns,
            )
            if self.mirror.session_id:
                self._leased.set()
            return account
        finally:
            del self._fetching[account_id]
            finished.set()

    async def follow(self) -> None:
        """Poll the shard's feed, for ever; each poll acknowledges what came before it."""
        while True:
            if self.mirror.session_id == 0:
                self._leased.clear()
                await self._leased.wait()
            self._release_unread()
            request = PollRequest(
                self._subscriber,
                self.mirror.session_id,
                self.mirror.cursor.epoch,
                self.mirror.cursor.sequence,
                released=self.mirror.take_released(),
                hold_ms=self._lease_ms // 3,
            )
            sent_ns = self._clock.monotonic_ns()
            try:
                answer = await self._port.call("poll", _encode(request))
            except (ComponentUnavailable, OutcomeUnknown):
                await asyncio.sleep(0.02)
                continue
            reply = msgspec.msgpack.decode(answer, type=PollReply)
            self.mirror.take_poll(reply, request, sent_ns)

    def _release_unread(self) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._released_ns > _UNREAD_NS // 2:
            self._released_ns = now_ns
            self.mirror.drop_unread(now_ns - _UNREAD_NS)

    async def _submit(self, payload: bytes) -> bytes:
        return await self._port.call("submit", payload)


def _account_in(reply: AskReply) -> Account:
    if reply.error is not None:
        raise from_wire(reply.error)
    return msgspec.msgpack.decode(reply.reply, type=AccountFound).account


class LedgerClient:
    """Satisfies :class:`tradeplane.ports.Trading`.

    Args:
        links: the connection to each shard, by its number.
        shard_of: says where an account is at home; raises NotFound.
        closed_orders: the reader of the database, called in threads.
        wait_ms: longest time a read may take.
    """

    def __init__(
        self,
        links: Mapping[int, LedgerLink],
        shard_of: Callable[[str], int],
        closed_orders: ClosedOrders,
        wait_ms: int,
    ) -> None:
        self._links = links
        self._shard_of = shard_of
        self._closed_orders = closed_orders
        self._wait_ns = wait_ms * NS_PER_MS
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to follow every shard's feed."""
        self._tasks = [
            asyncio.create_task(link.follow(), name=f"follow ledger {shard}")
            for shard, link in self._links.items()
        ]

    async def stop(self) -> None:
        """Stop following; leases run out by themselves."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def open_account(self, command: OpenAccount, shard: int) -> None:
        """Open an account on *shard*; the same again changes nothing.

        Raises:
            ServiceFailed: it was not, or may not have been, opened.
        """
        reply_of(await self._links[shard].batch.call(command, fresh=False), LedgerReply)

    async def place_order(self, command: PlaceOrder, *, fresh: bool) -> Order:
        """Place an order; return it as it was when accepted."""
        reply = await self._call(command.account_id, command, fresh=fresh)
        assert isinstance(reply, OrderPlaced), "the ledger answers an order with an order"
        return reply.order

    async def cancel_order(self, command: CancelOrder) -> None:
        """Cancel an order."""
        await self._call(command.account_id, command, fresh=True)

    async def cancel_all_orders(self, command: CancelAllOrders) -> Sequence[str]:
        """Cancel every open order of the account; return their ids."""
        reply = await self._call(command.account_id, command, fresh=True)
        return reply.order_ids if isinstance(reply, OrdersCanceled) else ()

    async def account(self, account_id: str) -> Account:
        """Return the account as of now."""
        return await self._link(account_id).account(account_id, self._wait_ns)

    async def closed_orders(self, query: ClosedOrderQuery) -> Sequence[Order]:
        """Return closed orders from the database."""
        return await asyncio.to_thread(self._closed_orders.find, query)

    async def closed_order(
        self, account_id: str, *, order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """Return one closed order from the database."""
        return await asyncio.to_thread(
            self._closed_orders.one,
            account_id,
            order_id=order_id,
            client_order_id=client_order_id,
        )

    async def _call(self, account_id: str, command: Any, *, fresh: bool) -> Any:
        link = self._link(account_id)
        return reply_of(await link.batch.call(command, fresh=fresh), LedgerReply)

    def _link(self, account_id: str) -> LedgerLink:
        shard = self._shard_of(account_id)
        if shard not in self._links:
            raise NotFound(f"account not found for {account_id}")
        return self._links[shard]
