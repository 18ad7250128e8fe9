"""The ``Auth`` actor: the one writer of tenants, users, sessions, keys and clients."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import ray

from actors.auth_desk import AuthDesk
from actors.hosting import as_actor, start_shell
from actors.names import AUTH
from actors.token_mint import TokenMint
from adapters.database.engine import open_database
from adapters.keys.data_keys import DataKeys
from adapters.keys.root_key_choice import open_root_key
from adapters.passwords import PasswordHasher
from adapters.system_clock import SystemClock
from tradeplane.auth.identity import Identity
from tradeplane.auth.limits import IdentityLimits
from tradeplane.clock import NS_PER_S
from tradeplane.journal import Stream
from tradeplane.settings import Settings, issuer

_REFRESH_PURPOSE = "tokens"


def identity_limits(settings: Settings) -> IdentityLimits:
    """Return the limits of identity that *settings* ask for."""
    return IdentityLimits(
        access_ns=settings.access_token_s * NS_PER_S,
        idle_ns=settings.session_idle_s * NS_PER_S,
        session_ns=settings.session_s * NS_PER_S,
    )


def refresh_keys(settings: Settings) -> Callable[[], Awaitable[Sequence[bytes]]]:
    """Return what fetches the data keys that refresh secrets are derived with, newest first.

    The one before the newest is there as well, so that an honest retry across a rotation works.
    """
    engine = open_database(settings.database_url)
    keys = DataKeys(engine, open_root_key(settings.root_key_url, settings.home))

    def fetch() -> Sequence[bytes]:
        newest = keys.newest(_REFRESH_PURPOSE)
        if newest.version == 1:
            return (newest.secret,)
        return (newest.secret, keys.version(_REFRESH_PURPOSE, newest.version - 1).secret)

    async def fetch_in_thread() -> Sequence[bytes]:
        return await asyncio.to_thread(fetch)

    return fetch_in_thread


class Auth:
    """Hosts :class:`Identity`, and the desk that checks passwords and signs tokens for it.

    Args:
        settings: the installation's settings.
    """

    async def __init__(self, settings: Settings) -> None:  # type: ignore[misc]  # Ray awaits it
        limits = identity_limits(settings)
        hasher = await asyncio.to_thread(PasswordHasher)
        self._shell = await start_shell(
            lambda: Identity(limits), Stream(AUTH), settings, sealed=True
        )
        mint = TokenMint(self._shell, issuer(settings), SystemClock())
        self._desk = AuthDesk(self._shell, hasher, mint, refresh_keys(settings))
        self._tending = asyncio.create_task(mint.tend(), name="signing keys")

    async def submit(self, payload: bytes) -> bytes:
        """Take a batch of commands."""
        return await self._shell.submit(payload)

    async def desk(self, payload: bytes) -> bytes:
        """Take a batch of requests that need a password, a secret or a signature."""
        return await self._desk.submit(payload)

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
