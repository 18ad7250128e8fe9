"""The second half of every rotation: a version that all replicas know is used."""

from __future__ import annotations

import asyncio

import structlog

from actors.shell import Shell
from tradeplane.encryption.commands import ActivateDue
from tradeplane.encryption.key_rings import KeyRings
from tradeplane.errors import TradeplaneError

log = structlog.get_logger()
_PAUSE_S = 0.05


class Rotation:
    """Activates versions whose time has come. A restart goes on where the journal ends.

    Args:
        shell: hosts :class:`KeyRings`.
    """

    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    async def finish_all(self) -> None:
        """Go on for ever."""
        while True:
            await asyncio.sleep(_PAUSE_S)
            await self.finish_due()

    async def finish_due(self) -> None:
        """Activate what is due now, if anything; a failure is tried again."""
        rings = self._shell.component
        assert isinstance(rings, KeyRings), "the shell of key rings"
        if self._shell.check() is not None or not rings.rings.pending:
            return
        try:
            await self._shell.execute(ActivateDue())
        except TradeplaneError as error:
            log.warning("rotation waits", why=str(error))
