"""The ``Auth`` actor: the one writer of accounts, keys and users."""

from __future__ import annotations

import ray

from actors.hosting import as_actor, start_shell
from actors.names import AUTH
from tradeplane.auth.directory import Identity
from tradeplane.journal import Stream
from tradeplane.settings import Settings


class Auth:
    """Hosts :class:`Identity`; see :mod:`actors.shell` for what it guarantees.

    Args:
        settings: the installation's settings.
    """

    async def __init__(self, settings: Settings) -> None:  # type: ignore[misc]  # Ray awaits it
        self._shell = await start_shell(Identity, Stream(AUTH), settings)

    async def submit(self, payload: bytes) -> bytes:
        """Take a batch of commands."""
        return await self._shell.submit(payload)

    async def ask(self, payload: bytes) -> bytes:
        """Answer a query."""
        return await self._shell.ask(payload)

    async def poll(self, payload: bytes) -> bytes:
        """Serve the feed."""
        return await self._shell.poll(payload)

    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]  # Ray leaves it untyped
    async def ping(self) -> str | None:
        """Return None when commands can be taken, else what is wrong."""
        return self._shell.check()


AuthActor = as_actor(Auth)
