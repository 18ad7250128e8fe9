"""Writes that go on when the one who asked has gone: neither disconnect nor time limit undoes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from serve.exchange import Exchange
from tradeplane.errors import TradeplaneError

log = structlog.get_logger()
T = TypeVar("T")


class Submissions:
    """The writes that are under way in this replica."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def submit(
        self, exchange: Exchange, write: Coroutine[Any, Any, T], facts: dict[str, str]
    ) -> T:
        """Run *write* to its end, whatever happens to the request, and return its result.

        Args:
            exchange: the request that asked for it.
            write: the call of a port.
            facts: by what the caller can ask later how it ended.
        """
        task = asyncio.create_task(write)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        exchange.submitted = facts
        return await asyncio.shield(task)

    def __len__(self) -> int:
        return len(self._tasks)

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, TradeplaneError):
            log.error("a write failed", error=repr(error))
