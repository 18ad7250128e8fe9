"""The component behind the actor ``encryption``: named keys with versions, for every tenant.

A rotation has two phases, so that no replica ever meets a ciphertext of a version that it cannot
know: a version is added, which every replica hears of and can decrypt with; after
``EncryptionLimits.distribution_ns`` it is activated, and encrypts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from tradeplane.auth.decision import require_reason
from tradeplane.clock import NS_PER_MS
from tradeplane.component import Applied
from tradeplane.encryption import commands as do
from tradeplane.encryption.events import (
    EncryptionEvent,
    MaintenanceNoted,
    RingConfigured,
    RingCreated,
    RingDeleted,
    RingTrimmed,
    VersionActivated,
    VersionAdded,
)
from tradeplane.encryption.key_ring import KeyRing
from tradeplane.encryption.replies import Added, Done, EncryptionReply, RingsFound
from tradeplane.encryption.rings import Rings
from tradeplane.errors import InvalidRequest, LimitReached

RINGS_TOPIC = "rings"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_NOTHING: tuple[EncryptionEvent, ...] = ()


class EncryptionLimits(msgspec.Struct, frozen=True):
    """How many, and how long.

    Attributes:
        rings_max: rings of one tenant.
        versions_max: versions of one ring that were not trimmed.
        distribution_ns: from the adding of a version to its first use for encryption.
    """

    rings_max: int = 1_000
    versions_max: int = 1_000
    distribution_ns: int = 400 * NS_PER_MS


class KeyRings:
    """Decides about rings; deterministic, and without any secret in the clear.

    Args:
        limits: how many, and how long.
    """

    name = "encryption"
    command_type = do.EncryptionCommand
    query_type = do.EncryptionQuery
    reply_type = EncryptionReply
    event_type = EncryptionEvent

    def __init__(self, limits: EncryptionLimits | None = None) -> None:
        self.limits = limits or EncryptionLimits()
        self.rings = Rings()

    def apply(self, command: do.EncryptionCommand, now_ns: int) -> Applied:
        """Decide *command*, and evolve by what it comes to.

        Raises:
            InvalidRequest: a rule of the ring or of the configuration forbids it.
            NotFound: the tenant has no such ring.
            LimitReached: there are too many rings or versions.
        """
        require_reason(command.by)
        decisions: dict[type[do.Command], Callable[..., tuple[EncryptionEvent, ...]]] = {
            do.CreateRing: self._create,
            do.AddVersion: self._add,
            do.ActivateDue: self._activate,
            do.ConfigureRing: self._configure,
            do.TrimRing: self._trim,
            do.DeleteRing: self._delete,
            do.NoteMaintenance: self._note,
        }
        events = decisions[type(command)](command, now_ns)
        for event in events:
            self.rings.evolve(event)
        return Applied(self._reply(events), events)

    def _reply(self, events: tuple[EncryptionEvent, ...]) -> EncryptionReply:
        if events and isinstance(events[0], VersionAdded):
            return Added(events[0].version)
        return Done()

    def _create(self, command: do.CreateRing, now_ns: int) -> tuple[EncryptionEvent, ...]:
        if _NAME.fullmatch(command.name) is None:
            raise InvalidRequest(
                "a key's name has 1 to 128 letters, digits, dots, hyphens and underscores"
            )
        rings = self.rings.tenants.get(command.tenant_id, {})
        known = rings.get(command.name)
        if known is not None:
            if known.key_kind != command.key_kind:
                raise InvalidRequest(
                    f"key {command.name} exists with type {known.key_kind}; delete it first"
                )
            return _NOTHING
        if len(rings) >= self.limits.rings_max:
            raise LimitReached(f"a tenant has at most {self.limits.rings_max} encryption keys")
        return (
            RingCreated(
                at_ns=now_ns,
                by=command.by,
                tenant_id=command.tenant_id,
                name=command.name,
                key_kind=command.key_kind,
                exportable=command.exportable,
                material=command.material,
            ),
        )

    def _add(self, command: do.AddVersion, now_ns: int) -> tuple[EncryptionEvent, ...]:
        ring = self._ring(command)
        if len(ring.versions) >= self.limits.versions_max:
            raise LimitReached(
                f"a key has at most {self.limits.versions_max} versions; trim it first"
            )
        return (
            VersionAdded(
                at_ns=now_ns,
                by=command.by,
                tenant_id=command.tenant_id,
                name=command.name,
                version=ring.newest + 1,
                material=command.material,
            ),
        )

    def _activate(self, command: do.ActivateDue, now_ns: int) -> tuple[EncryptionEvent, ...]:
        events: list[EncryptionEvent] = []
        for tenant_id, name in self.rings.pending:
            ring = self.rings.ring(tenant_id, name)
            due = [
                version
                for version in range(ring.active + 1, ring.newest + 1)
                if now_ns - ring.versions[version].added_ns >= self.limits.distribution_ns
            ]
            if due:
                events.append(
                    VersionActivated(
                        at_ns=now_ns,
                        by=command.by,
                        tenant_id=tenant_id,
                        name=name,
                        version=due[-1],
                    )
                )
        return tuple(events)

    def _configure(self, command: do.ConfigureRing, now_ns: int) -> tuple[EncryptionEvent, ...]:
        ring = self._ring(command)
        wanted = _configured(ring, command)
        opens, encrypts, deletion_allowed, exportable = wanted
        if not ring.min_available_version <= opens <= ring.active:
            raise InvalidRequest(
                f"min_decryption_version must be from {ring.min_available_version} to the latest "
                f"version, which is {ring.active}"
            )
        if encrypts and not opens <= encrypts <= ring.active:
            raise InvalidRequest(
                "min_encryption_version must be 0, or from min_decryption_version to the latest "
                f"version, which is {ring.active}"
            )
        if ring.exportable and not exportable:
            raise InvalidRequest("exportable cannot be taken back")
        before = (
            ring.min_decryption_version,
            ring.min_encryption_version,
            ring.deletion_allowed,
            ring.exportable,
        )
        if wanted == before:
            return _NOTHING
        return (
            RingConfigured(
                at_ns=now_ns,
                by=command.by,
                tenant_id=command.tenant_id,
                name=command.name,
                min_decryption_version=opens,
                min_encryption_version=encrypts,
                deletion_allowed=deletion_allowed,
                exportable=exportable,
            ),
        )

    def _trim(self, command: do.TrimRing, now_ns: int) -> tuple[EncryptionEvent, ...]:
        ring = self._ring(command)
        lowest = command.min_available_version
        if ring.min_encryption_version == 0:
            raise InvalidRequest("set min_encryption_version before you trim a key")
        highest = min(ring.min_decryption_version, ring.min_encryption_version)
        if not ring.min_available_version <= lowest <= highest:
            raise InvalidRequest(
                f"min_available_version must be from {ring.min_available_version}, which it is, "
                f"to {highest}, the lower of min_decryption_version and min_encryption_version"
            )
        if lowest == ring.min_available_version:
            return _NOTHING
        return (
            RingTrimmed(
                at_ns=now_ns,
                by=command.by,
                tenant_id=command.tenant_id,
                name=command.name,
                min_available_version=lowest,
            ),
        )

    def _delete(self, command: do.DeleteRing, now_ns: int) -> tuple[EncryptionEvent, ...]:
        if not self._ring(command).deletion_allowed:
            raise InvalidRequest("deletion is not allowed for this key; set deletion_allowed first")
        return (
            RingDeleted(
                at_ns=now_ns, by=command.by, tenant_id=command.tenant_id, name=command.name
            ),
        )

    def _note(self, command: do.NoteMaintenance, now_ns: int) -> tuple[EncryptionEvent, ...]:
        return (
            MaintenanceNoted(
                at_ns=now_ns,
                by=command.by,
                tenant_id=command.tenant_id,
                name=command.name,
                work=command.work,
            ),
        )

    def _ring(self, command: do.OfRing) -> KeyRing:
        return self.rings.ring(command.tenant_id, command.name)

    def evolve(self, event: EncryptionEvent) -> None:
        """Change the state by *event*."""
        self.rings.evolve(event)

    def query(self, query: do.EncryptionQuery, now_ns: int) -> Any:
        """Answer *query*."""
        del now_ns
        return RingsFound(self.rings) if isinstance(query, do.GetRings) else Done()

    def idempotency_key(self, command: do.EncryptionCommand) -> str | None:
        """Return the call's id."""
        return f"call:{command.command_id}" if command.command_id else None

    def repeat(self, command: do.EncryptionCommand, first_event: EncryptionEvent) -> Any:
        """Return the reply of the first run.

        Raises:
            InvalidRequest: the call's id was used by a different command.
        """
        place = (getattr(command, "tenant_id", ""), getattr(command, "name", ""))
        if place != (first_event.tenant_id, first_event.name):
            raise InvalidRequest("this command_id was used by another command")
        return self._reply((first_event,))

    def topic(self, event: EncryptionEvent) -> str:
        """Return the one topic; every replica may have to use any ring."""
        del event
        return RINGS_TOPIC

    def to_bytes(self) -> bytes:
        """Return the whole state; dictionaries keep the order of events, which counts."""
        return msgspec.msgpack.encode(self.rings)

    def from_bytes(self, state: bytes) -> None:
        """Replace the state."""
        self.rings = msgspec.msgpack.decode(state, type=Rings)


def _configured(ring: KeyRing, command: do.ConfigureRing) -> tuple[int, int, bool, bool]:
    """Return the configuration of *ring* with what *command* gives."""

    def either(given: Any, known: Any) -> Any:
        return known if given is None else given

    opens = either(command.min_decryption_version, ring.min_decryption_version)
    return (
        # Vault takes 0 for 1.
        opens or 1,
        either(command.min_encryption_version, ring.min_encryption_version),
        either(command.deletion_allowed, ring.deletion_allowed),
        either(command.exportable, ring.exportable),
    )
