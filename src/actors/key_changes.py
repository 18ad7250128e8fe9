"""Making and changing named keys: what a replica or an operator's process sends to the actor."""

from __future__ import annotations

import asyncio
import functools
import os
import uuid
from collections.abc import Callable
from typing import Any, Literal

from actors.batch_client import BatchClient, BatchSettings
from actors.batch_run import reply_of
from actors.call_port import CallPort
from actors.key_mirror import KeyMirror, wrapping_context
from adapters.ciphers.key_material import KeyMaterial, new_secret
from tradeplane.auth.principal import HOME_TENANT, Origin
from tradeplane.clock import NS_PER_MS, Clock
from tradeplane.encryption import commands as do
from tradeplane.encryption.events import Material
from tradeplane.encryption.kinds import KeyKind
from tradeplane.encryption.replies import Added, EncryptionReply
from tradeplane.encryption.rings import Rings
from tradeplane.encryption.sealer import Sealer
from tradeplane.encryption.service import Configuration
from tradeplane.errors import ComponentUnavailable, NotFound, OutcomeUnknown, Overloaded

MAKING_MAX = 8
"""Keys that may wait to be made in one process; RSA takes seconds."""


class KeyChanges:
    """The changing half of :class:`tradeplane.encryption.service.EncryptionService`.

    A key is made and wrapped here, in the caller's process, so the actor never holds one in the
    clear and never waits for primes.

    Args:
        port: the actor.
        mirror: what is known here.
        sealer: wraps keys.
        clock: monotonic time.
        wait_ms: longest time a call may take, repetitions included.
        random: makes random bytes.
    """

    def __init__(  # noqa: PLR0913  # each is an independent collaborator
        self,
        port: CallPort,
        mirror: KeyMirror,
        sealer: Sealer,
        clock: Clock,
        *,
        wait_ms: int = 8_000,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._mirror = mirror
        self._sealer = sealer
        self._wait_s = wait_ms / 1_000
        self._random = random
        self._making = 0
        self._one_at_a_time = asyncio.Lock()
        self._commands = BatchClient(
            "encryption",
            functools.partial(port.call, "submit"),
            BatchSettings(wait_ns=wait_ms * NS_PER_MS),
            clock,
        )

    async def generate_key(
        self, tenant_id: str, name: str, kind: KeyKind, by: Origin, *, exportable: bool = False
    ) -> None:
        """Make a named key; see the protocol."""
        rings = self._mirror.rings().tenants.get(tenant_id, {})
        if name in rings and rings[name].key_kind == kind:
            # The actor would say the same; this spares the making of a key.
            return
        material = await self._made(tenant_id, name, kind)
        await self._change(
            do.CreateRing(
                by=by,
                command_id=self._new_id(),
                tenant_id=tenant_id,
                name=name,
                key_kind=kind,
                material=material,
                exportable=exportable,
            )
        )

    async def rotate_key(self, tenant_id: str, name: str, by: Origin) -> int:
        """Add a version and return it when it encrypts here; see the protocol."""
        ring = await self._mirror.ring(tenant_id, name)
        material = await self._made(tenant_id, name, ring.key_kind)
        added = await self._change(
            do.AddVersion(
                by=by,
                command_id=self._new_id(),
                tenant_id=tenant_id,
                name=name,
                material=material,
            )
        )
        assert isinstance(added, Added), "what the component answers"
        version = added.version

        def is_active(rings: Rings) -> bool:
            found = rings.tenants.get(tenant_id, {}).get(name)
            return found is None or found.active >= version

        if not await self._mirror.until(is_active, self._wait_s):
            raise OutcomeUnknown(
                f"version {version} was added, and will be used as soon as encryption is back",
                {"version": str(version)},
            )
        if name not in self._mirror.rings().tenants.get(tenant_id, {}):
            raise NotFound(f"encryption key not found: {name[:80]}")
        return version

    async def configure_key(
        self, tenant_id: str, name: str, wanted: Configuration, by: Origin
    ) -> None:
        """Change what is given; see the protocol."""
        await self._change(
            do.ConfigureRing(
                by=by,
                command_id=self._new_id(),
                tenant_id=tenant_id,
                name=name,
                min_decryption_version=wanted.min_decryption_version,
                min_encryption_version=wanted.min_encryption_version,
                deletion_allowed=wanted.deletion_allowed,
                exportable=wanted.exportable,
            )
        )

    async def trim_key(
        self, tenant_id: str, name: str, min_available_version: int, by: Origin
    ) -> None:
        """Destroy old versions; see the protocol."""
        await self._change(
            do.TrimRing(
                by=by,
                command_id=self._new_id(),
                tenant_id=tenant_id,
                name=name,
                min_available_version=min_available_version,
            )
        )

    async def delete_key(self, tenant_id: str, name: str, by: Origin) -> None:
        """Destroy the key; see the protocol."""
        await self._change(
            do.DeleteRing(by=by, command_id=self._new_id(), tenant_id=tenant_id, name=name)
        )

    async def note_maintenance(
        self, name: str, work: Literal["root_rotation", "data_key_rotation"], by: Origin
    ) -> None:
        """Put an operator's work on data keys or the root key on record, before it begins."""
        await self._change(
            do.NoteMaintenance(
                by=by, command_id=self._new_id(), tenant_id=HOME_TENANT, name=name, work=work
            )
        )

    def _new_id(self) -> str:
        return str(uuid.UUID(bytes=self._random(16), version=4))

    async def _change(self, command: do.OfRing) -> Any:
        reply = reply_of(await self._commands.call(command, fresh=False), EncryptionReply)
        try:
            await self._mirror.catch_up()
        except ComponentUnavailable:
            # It is committed; here it is known a moment later.
            return reply
        return reply

    async def _made(self, tenant_id: str, name: str, kind: KeyKind) -> Material:
        if self._making >= MAKING_MAX:
            raise Overloaded("too many keys are being made; nothing was done, try again")
        self._making += 1
        try:
            async with self._one_at_a_time:
                return await asyncio.to_thread(self._make, tenant_id, name, kind)
        finally:
            self._making -= 1

    def _make(self, tenant_id: str, name: str, kind: KeyKind) -> Material:
        secret = new_secret(kind)
        material_id = self._new_id()
        context = wrapping_context(tenant_id, name, kind, material_id)
        public_key = KeyMaterial(kind, secret).key.public_key()
        return Material(material_id, self._sealer.seal(secret, context), public_key)
