"""Identity without a cluster: the real shell, desk and clients on a journal in memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from decimal import Decimal

from actors.auth_desk import AuthDesk
from actors.auth_manager import AuthManager
from actors.shell import Shell, ShellSettings
from actors.token_mint import TokenMint
from adapters.database.faulty_journal import Fault, FaultyJournal
from adapters.database.memory_journal import MemoryJournal
from adapters.passwords import Argon2Settings, PasswordHasher
from adapters.system_clock import SystemClock
from tradeplane.auth.authorizer import Authorizer
from tradeplane.auth.identity import Identity
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.principal import HOME_TENANT, Origin
from tradeplane.auth.wanted import UserWanted
from tradeplane.clock import NS_PER_MS, Clock
from tradeplane.errors import OutcomeUnknown
from tradeplane.journal import Stream
from tradeplane.trading.commands import OpenAccount

ISSUER = "http://venue.test"
PASSWORD = "a long walk to the lighthouse"
ADMIN = Origin("operator", "tests", HOME_TENANT, reason="a test")
SOMEWHERE = Origin("user", "", HOME_TENANT)
CHEAP = Argon2Settings(memory_kib=8)
QUICK = ShellSettings(lease_ns=40 * NS_PER_MS, verify_ns=10 * NS_PER_MS, retry_ns=NS_PER_MS)


class OffsetClock:
    """The machine's clock, moved forward by hand."""

    def __init__(self) -> None:
        self._real = SystemClock()
        self.offset_ns = 0

    def wall_ns(self) -> int:
        return self._real.wall_ns() + self.offset_ns

    def monotonic_ns(self) -> int:
        return self._real.monotonic_ns() + self.offset_ns


class IdentityPort:
    """Stands where ``actors.ray_call.ActorPort`` stands; calls whichever copy is up."""

    actor_name = "auth"

    def __init__(self, system: IdentitySystem) -> None:
        self._system = system
        self.cut = False

    async def call(self, method: str, payload: bytes) -> bytes:
        await asyncio.sleep(0)
        shell, desk = self._system.shell, self._system.desk
        if self.cut or shell is None or desk is None:
            raise OutcomeUnknown("auth is restarting")
        target = desk.submit if method == "desk" else getattr(shell, method)
        answer: bytes = await target(payload)
        if shell is not self._system.shell:
            raise OutcomeUnknown("auth died before it answered")
        return answer


class IdentitySystem:
    """One ``auth`` actor's worth of parts, and replicas that follow it.

    Attributes:
        opened: the accounts that were opened in the ledger.
    """

    def __init__(
        self, limits: IdentityLimits | None = None, settings: ShellSettings = QUICK
    ) -> None:
        self.clock = OffsetClock()
        self.limits = limits or IdentityLimits()
        self.settings = settings
        self.store = MemoryJournal()
        self.shell: Shell | None = None
        self.desk: AuthDesk | None = None
        self.mint: TokenMint | None = None
        self.opened: list[OpenAccount] = []
        self.peppers: tuple[bytes, ...] = (b"pepper" * 5 + b"!!",)
        self._hasher = PasswordHasher(CHEAP)
        self._following: list[asyncio.Task[None]] = []
        self._replicas = 0

    async def start(self, faults: Iterable[Fault] = ()) -> None:
        """Start a copy; it takes over from one that still runs."""
        shell = Shell(
            lambda: Identity(self.limits),
            Stream("auth"),
            FaultyJournal(self.store.reopened(), faults),
            self.clock,
            self.settings,
        )
        await shell.start()
        mint = TokenMint(shell, ISSUER, self.clock)
        self.desk = AuthDesk(shell, self._hasher, mint, self._fetch_peppers)
        self.shell, self.mint = shell, mint
        await mint.tend_once()

    async def _fetch_peppers(self) -> tuple[bytes, ...]:
        return self.peppers

    async def kill(self) -> None:
        """Take the copy away from its callers at once, then let it finish."""
        shell, self.shell, self.desk = self.shell, None, None
        if shell is not None:
            await shell.stop()

    async def replica(
        self,
        authorizer: Authorizer | None = None,
        clock: Clock | None = None,
        pseudonym: Callable[[str], str] = lambda _: "",
    ) -> AuthManager:
        """Return a replica's identity, which follows already."""
        self._replicas += 1
        port = IdentityPort(self)
        manager = AuthManager(
            port,
            port,
            subscriber=f"replica-{self._replicas}",
            issuer=ISSUER,
            clock=clock or self.clock,
            open_in_ledger=self._open,
            authorizer=authorizer,
            pseudonym=pseudonym,
        )
        manager.port = port  # type: ignore[attr-defined]  # for tests that cut it off
        self._following.append(asyncio.create_task(manager.follower.follow()))
        while manager.follower.silent_ns() is None:
            await asyncio.sleep(0.001)
        return manager

    async def _open(self, command: OpenAccount, shard: int) -> None:
        del shard
        self.opened.append(command)

    async def stop(self) -> None:
        """Let go of everything."""
        for task in self._following:
            task.cancel()
        await asyncio.gather(*self._following, return_exceptions=True)
        await self.kill()
        self._hasher.close()


@contextlib.asynccontextmanager
async def identity_system(
    limits: IdentityLimits | None = None,
) -> AsyncIterator[tuple[IdentitySystem, AuthManager]]:
    """A running identity with one replica."""
    system = IdentitySystem(limits)
    await system.start()
    try:
        yield system, await system.replica()
    finally:
        await system.stop()


async def trader(manager: AuthManager, username: str = "tess", role: str = "trader") -> str:
    """Make a user with PASSWORD and an account; return the user's id."""
    made = await manager.create_user(
        HOME_TENANT, UserWanted(username, f"{username}@firm.test", role, PASSWORD), ADMIN
    )
    await manager.create_account(HOME_TENANT, made.user.user_id, Decimal(1_000), ADMIN)
    return made.user.user_id
