"""What one replica knows of the key rings, and the keys that it has unwrapped.

**Invariants:** when the replica has not heard from the writer for :data:`SILENCE_MAX_NS`, no key is
used: a version that was forbidden might still be. A key or version that is unknown here is asked
for before it is refused.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from actors.call_port import CallPort
from actors.follower import Follower
from adapters.ciphers.key_material import KeyMaterial
from tradeplane.clock import NS_PER_S, Clock
from tradeplane.encryption.commands import GetRings, GetSequence
from tradeplane.encryption.events import EncryptionEvent
from tradeplane.encryption.key_ring import KeyRing
from tradeplane.encryption.kinds import KeyKind
from tradeplane.encryption.replies import EncryptionReply, RingsFound
from tradeplane.encryption.rings import Rings
from tradeplane.encryption.sealer import Sealer
from tradeplane.errors import ComponentUnavailable, OutcomeUnknown
from tradeplane.protocol import AskReply, AskRequest

SILENCE_MAX_NS = 5 * NS_PER_S
READY_MAX = 4_096
"""Keys that are kept unwrapped; the least recently used one is dropped."""

_CATCH_UP_S = 2.0
_CATCH_UP_PAUSE_S = 0.02
_POLL_S = 0.002
_encode = msgspec.msgpack.Encoder().encode


class KeyMirror:
    """The rings of every tenant, kept by the actor's feed.

    Args:
        port: the actor.
        subscriber: this process's name; unique.
        sealer: unwraps keys.
        clock: monotonic time.
    """

    def __init__(self, port: CallPort, subscriber: str, sealer: Sealer, clock: Clock) -> None:
        self._port = port
        self._sealer = sealer
        self._rings: Rings | None = None
        self._ready: OrderedDict[str, KeyMaterial] = OrderedDict()
        self._next_catch_up: asyncio.Task[None] | None = None
        self.follower = Follower(
            port,
            subscriber,
            query=GetRings(),
            reply_type=EncryptionReply,
            event_type=EncryptionEvent,
            install=self._install,
            evolve=self._evolve,
            clock=clock,
        )

    def _install(self, found: RingsFound) -> None:
        self._rings = found.rings

    def _evolve(self, event: EncryptionEvent) -> None:
        if self._rings is not None:
            self._rings.evolve(event)

    def rings(self) -> Rings:
        """Return what is known.

        Raises:
            ComponentUnavailable: nothing has arrived yet, or nothing for too long.
        """
        silent_ns = self.follower.silent_ns()
        if self._rings is None or silent_ns is None:
            raise ComponentUnavailable("encryption keys have not arrived yet; try again")
        if silent_ns > SILENCE_MAX_NS:
            raise ComponentUnavailable("encryption has been silent for too long; try again")
        return self._rings

    async def ring(self, tenant_id: str, name: str) -> KeyRing:
        """Return a ring, asked for if it is unknown here.

        Raises:
            NotFound: the tenant has none of this name.
            ComponentUnavailable: what is known may be out of date.
        """
        if name not in self.rings().tenants.get(tenant_id, {}):
            await self.catch_up()
        return self.rings().ring(tenant_id, name)

    async def ring_with(self, tenant_id: str, name: str, version: int) -> KeyRing:
        """Return a ring that has *version*, or of which it is certain that it has not.

        Raises:
            NotFound: the tenant has none of this name.
            ComponentUnavailable: what is known may be out of date.
        """
        ring = await self.ring(tenant_id, name)
        if version > ring.newest:
            await self.catch_up()
            ring = self.rings().ring(tenant_id, name)
        return ring

    async def catch_up(self) -> None:
        """Wait until all is known here that was committed when this was called.

        Callers share what has not begun yet, so strangers' guesses cost the actor a few questions
        a second and no more.

        Raises:
            ComponentUnavailable: the actor does not answer, or the feed is too far behind.
        """
        if self._next_catch_up is None:
            self._next_catch_up = asyncio.create_task(self._catch_up(), name="catch up")
            # Its callers may all have gone when it fails.
            self._next_catch_up.add_done_callback(asyncio.Task.exception)
        await asyncio.shield(self._next_catch_up)

    async def _catch_up(self) -> None:
        await asyncio.sleep(_CATCH_UP_PAUSE_S)
        self._next_catch_up = None  # who comes from here on needs a later answer
        try:
            async with asyncio.timeout(_CATCH_UP_S):
                payload = _encode(AskRequest(msgspec.Raw(_encode(GetSequence()))))
                answer = await self._port.call("ask", payload)
                reply = msgspec.msgpack.decode(answer, type=AskReply)
                if reply.error is not None:
                    raise ComponentUnavailable("encryption does not answer; try again")
                while self.follower.sequence < reply.sequence:  # noqa: ASYNC110  # the feed has no event for it
                    await asyncio.sleep(_POLL_S)
        except (OutcomeUnknown, TimeoutError) as error:
            raise ComponentUnavailable("encryption does not answer; try again") from error

    async def until(self, reached: Callable[[Rings], bool], wait_s: float) -> bool:
        """Wait until *reached* is true of what is known; return whether it became so."""
        try:
            async with asyncio.timeout(wait_s):
                while self._rings is None or not reached(self._rings):  # noqa: ASYNC110  # the feed has no event for it
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            return False
        return True

    async def material(self, tenant_id: str, name: str, ring: KeyRing, version: int) -> KeyMaterial:
        """Return one version of *ring*, ready for work.

        Raises:
            SealBroken: it is not what was stored; nobody can use it.
            JournalUnavailable: the key that wraps it cannot be fetched now.
        """
        kept = ring.versions[version].material
        ready = self._ready.get(kept.material_id)
        if ready is None:
            context = wrapping_context(tenant_id, name, ring.key_kind, kept.material_id)
            ready = await asyncio.to_thread(self._unwrapped, ring.key_kind, kept.wrapped, context)
            self._ready[kept.material_id] = ready
            if len(self._ready) > READY_MAX:
                self._ready.popitem(last=False)
        self._ready.move_to_end(kept.material_id)
        return ready

    def _unwrapped(self, kind: KeyKind, wrapped: bytes, context: bytes) -> KeyMaterial:
        return KeyMaterial(kind, self._sealer.open(wrapped, context))


def wrapping_context(tenant_id: str, name: str, kind: KeyKind, material_id: str) -> bytes:
    """Return what a wrapped key is bound to: it opens in no other ring, and as no other kind."""
    return _encode(("key ring", tenant_id, name, kind, material_id))
