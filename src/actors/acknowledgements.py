"""Replies that wait until every live lease holder has seen their write."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from tradeplane.leases import Leases


class _Waiting(msgspec.Struct, eq=False):
    sequence: int
    subscribers: dict[str, int]
    done: asyncio.Future[None]


class Acknowledgements:
    """Writes that are committed and published, but not yet seen by every lease holder.

    Args:
        leases: who holds which topic; expiry there ends the wait here.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._waiting: list[_Waiting] = []

    def seen(
        self, topics: Iterable[str], sequence: int, exempt: str, now_ns: int
    ) -> asyncio.Future[None] | None:
        """Return a future that is done when *sequence* was seen by all, or None if it is already.

        Args:
            topics: the topics that the write touched.
            sequence: the write's last sequence.
            exempt: the subscriber that wrote; it gets the events with its reply.
            now_ns: monotonic time.
        """
        awaited = self._leases.awaited(topics, sequence, exempt, now_ns)
        if not awaited:
            return None
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(sequence, awaited, done))
        return done

    def heard(self, subscriber: str, sequence: int) -> None:
        """Count *subscriber* as having seen everything up to *sequence*."""
        for waiting in self._waiting:
            if waiting.sequence <= sequence:
                waiting.subscribers.pop(subscriber, None)
        self._settle()

    def expire(self, now_ns: int) -> None:
        """Stop waiting for subscribers whose leases have ended."""
        self._leases.expire(now_ns)
        for waiting in self._waiting:
            for subscriber, session_id in list(waiting.subscribers.items()):
                session = self._leases.session(subscriber, now_ns)
                if session is None or session.session_id != session_id:
                    del waiting.subscribers[subscriber]
        self._settle()

    def _settle(self) -> None:
        for waiting in self._waiting:
            if not waiting.subscribers and not waiting.done.done():
                waiting.done.set_result(None)
        self._waiting = [waiting for waiting in self._waiting if waiting.subscribers]

    def __len__(self) -> int:
        return len(self._waiting)
