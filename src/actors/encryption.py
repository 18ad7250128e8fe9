"""The ``Encryption`` actor: the one writer of key rings."""

from __future__ import annotations

import asyncio

import ray

from actors.hosting import as_actor, start_shell
from actors.names import ENCRYPTION
from actors.rotation import Rotation
from tradeplane.encryption.key_rings import KeyRings
from tradeplane.journal import Stream
from tradeplane.settings import Settings


class Encryption:
    """Hosts :class:`KeyRings`, and finishes the rotations that it began.

    Args:
        settings: the installation's settings.
    """

    async def __init__(self, settings: Settings) -> None:  # type: ignore[misc]  # Ray awaits it
        self._shell = await start_shell(KeyRings, Stream(ENCRYPTION), settings, sealed=True)
        rotation = Rotation(self._shell)
        self._finishing = asyncio.create_task(rotation.finish_all(), name="rotations")

    async def submit(self, payload: bytes) -> bytes:
        """Take a batch of commands."""
        return await self._shell.submit(payload)

    async def ask(self, payload: bytes) -> bytes:
        """Answer a query."""
        return await self._shell.ask(payload)

    async def poll(self, payload: bytes) -> bytes:
        """Serve the feed."""
        return await self._shell.poll(payload)

    async def history(self, payload: bytes) -> bytes:
        """Return journaled events."""
        return await self._shell.history(payload)

    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]  # Ray leaves it untyped
    async def ping(self) -> str | None:
        """Return None when commands can be taken, else what is wrong."""
        return self._shell.check()


EncryptionActor = as_actor(Encryption)
