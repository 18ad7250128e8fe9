"""Order updates of accounts, to every connection that listens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from serve.asset_directory import AssetDirectory
from serve.wire.trade_update import TradeUpdate, order_id_of, trade_update
from tradeplane.stream_ports import AccountEvents
from tradeplane.trading.account import Account
from tradeplane.trading.events import AccountEvent

Listener = Callable[[int, bytes], None]
"""Takes an update: its sequence and its JSON."""

_encode = msgspec.json.Encoder().encode


class _Message(msgspec.Struct, frozen=True):
    stream: str
    data: TradeUpdate


class _Channel(msgspec.Struct, eq=False):
    """One account that somebody listens to, and its newest updates.

    Attributes:
        floor: the updates after this sequence are all in *recent*.
    """

    floor: int
    recent: deque[tuple[int, bytes]]
    listeners: list[Listener] = msgspec.field(default_factory=list)


class AccountHub:
    """Encodes each update once, however many listen.

    Args:
        events: where the events of accounts come from.
        assets: all assets.
        recent_max: updates kept for each account that is listened to, for who asks from an earlier
            one.
    """

    def __init__(
        self, events: AccountEvents, assets: AssetDirectory, recent_max: int = 1_000
    ) -> None:
        self._events = events
        self._assets = assets
        self._recent_max = recent_max
        self._channels: dict[str, _Channel] = {}

    async def join(
        self, account_id: str, listener: Listener, after: int | None
    ) -> tuple[int, bool]:
        """Send every update of an account to *listener* from now on.

        Args:
            account_id: the account.
            listener: is told.
            after: the last sequence that the client has seen, or None to start now.

        Returns:
            The account's sequence now, and whether nothing between *after* and now is missing:
            otherwise the client must read its orders anew.

        Raises:
            ServiceFailed: the account cannot be followed now.
        """
        account = await self._events.join(account_id)
        channel = self._channels.get(account_id)
        if channel is None:
            channel = _Channel(account.version, deque(maxlen=self._recent_max))
            self._channels[account_id] = channel
        whole = after is None or channel.floor <= after <= account.version
        if after is not None and whole:
            for sequence, message in channel.recent:
                if sequence > after:
                    listener(sequence, message)
        channel.listeners.append(listener)
        return account.version, whole

    def leave(self, account_id: str, listener: Listener) -> None:
        """Stop telling *listener*."""
        channel = self._channels[account_id]
        channel.listeners.remove(listener)
        self._events.leave(account_id)
        if not channel.listeners:
            del self._channels[account_id]

    def take(self, account: Account, event: AccountEvent, closed: Any) -> None:
        """Tell everybody who listens of *event*; called in the order of the account's events."""
        channel = self._channels.get(account.account_id)
        order_id = order_id_of(event)
        if channel is None or order_id is None:
            return
        order = closed or account.open_orders.get(order_id) or account.recent_orders.get(order_id)
        assert order is not None, "the account has every order that an event just changed"
        update = trade_update(account, event, order, self._assets.of_symbol(order.symbol))
        message = _encode(_Message("trade_updates", update))
        if len(channel.recent) == channel.recent.maxlen:
            channel.floor = channel.recent[0][0]
        channel.recent.append((update.sequence, message))
        for listener in channel.listeners:
            listener(update.sequence, message)
