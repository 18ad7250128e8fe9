"""Encryption without a cluster: the real shell and clients on a sealed journal in memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable

from actors.encryption_service import EncryptionService
from actors.rotation import Rotation
from actors.shell import Shell, ShellSettings
from adapters.database.faulty_journal import Fault, FaultyJournal
from adapters.database.memory_journal import MemoryJournal
from adapters.database.sealed_journal import SealedJournal
from adapters.system_clock import SystemClock
from tradeplane.auth.principal import Origin
from tradeplane.clock import NS_PER_MS, Clock
from tradeplane.encryption.key_rings import EncryptionLimits, KeyRings
from tradeplane.encryption.seal_key import NONCE_BYTES, SealKey
from tradeplane.errors import OutcomeUnknown
from tradeplane.journal import Stream

BY = Origin("user", "u1", "firm", reason="a test")
QUICK = ShellSettings(lease_ns=40 * NS_PER_MS, verify_ns=10 * NS_PER_MS, retry_ns=NS_PER_MS)


class FixedSealer:
    """Satisfies ``tradeplane.encryption.sealer.Sealer`` with one key, without a database."""

    def __init__(self, secret: bytes = b"s" * 32) -> None:
        self._key = SealKey(1, secret)

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        return self._key.seal(os.urandom(NONCE_BYTES), plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        return self._key.open(sealed, context)


class OffsetClock:
    """The machine's clock, moved forward by hand."""

    def __init__(self) -> None:
        self._real = SystemClock()
        self.offset_ns = 0

    def wall_ns(self) -> int:
        return self._real.wall_ns() + self.offset_ns

    def monotonic_ns(self) -> int:
        return self._real.monotonic_ns() + self.offset_ns


class EncryptionPort:
    """Stands where ``actors.ray_call.ActorPort`` stands; calls whichever copy is up.

    Attributes:
        cut: True while this replica does not reach the actor at all.
        deaf: cleared while it gets answers, but no news.
        calls: how often each method was called.
    """

    actor_name = "encryption"

    def __init__(self, system: EncryptionSystem) -> None:
        self._system = system
        self.cut = False
        self.deaf = asyncio.Event()
        self.deaf.set()
        self.calls: dict[str, int] = {}

    async def call(self, method: str, payload: bytes) -> bytes:
        self.calls[method] = self.calls.get(method, 0) + 1
        await asyncio.sleep(0)
        shell = self._system.shell
        if self.cut or shell is None:
            raise OutcomeUnknown("encryption is restarting")
        answer: bytes = await getattr(shell, method)(payload)
        if method == "poll":
            await self.deaf.wait()
        if self.cut or shell is not self._system.shell:
            raise OutcomeUnknown("encryption died before it answered")
        return answer


class Replica(EncryptionService):
    """A replica's encryption, with the port that it uses."""

    port: EncryptionPort


class EncryptionSystem:
    """One ``encryption`` actor's worth of parts, and replicas that follow it."""

    def __init__(self, limits: EncryptionLimits | None = None) -> None:
        self.limits = limits or EncryptionLimits(distribution_ns=20 * NS_PER_MS)
        self.store = MemoryJournal()
        self.sealer = FixedSealer()
        self.shell: Shell | None = None
        self._shells: list[Shell] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._finishing: asyncio.Task[None] | None = None
        self._replicas = 0

    async def start(self, faults: Iterable[Fault] = (), *, finishing: bool = True) -> None:
        """Start a copy; it takes over from one that still runs."""
        journal = SealedJournal(self.store.reopened(), self.sealer, b"b" * 32)
        shell = Shell(
            lambda: KeyRings(self.limits),
            Stream("encryption"),
            FaultyJournal(journal, faults),
            SystemClock(),
            QUICK,
        )
        await shell.start()
        self._shells.append(shell)
        self.shell = shell
        if finishing:
            self._finishing = asyncio.create_task(Rotation(shell).finish_all())
            self._tasks.append(self._finishing)

    def abandon(self) -> None:
        """Take the copy away from its callers in the middle of whatever it does."""
        self.shell = None
        if self._finishing is not None:
            self._finishing.cancel()

    async def replica(self, clock: Clock | None = None, wait_ms: int = 8_000) -> Replica:
        """Return a replica's encryption, which follows already."""
        self._replicas += 1
        port = EncryptionPort(self)
        name = f"replica-{self._replicas}"
        service = Replica(port, name, self.sealer, clock or SystemClock(), wait_ms)
        service.port = port
        self._tasks.append(asyncio.create_task(service.follower.follow()))
        while service.follower.silent_ns() is None:
            await asyncio.sleep(0.001)
        return service

    async def stop(self) -> None:
        """Let go of everything."""
        for task in self._tasks:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.gather(*self._tasks, return_exceptions=True)
        for shell in self._shells:
            await shell.stop()


@contextlib.asynccontextmanager
async def encryption_system(
    limits: EncryptionLimits | None = None,
) -> AsyncIterator[EncryptionSystem]:
    """Yield a system with one copy up."""
    system = EncryptionSystem(limits)
    await system.start()
    try:
        yield system
    finally:
        await system.stop()
