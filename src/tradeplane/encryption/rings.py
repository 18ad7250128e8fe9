"""Every ring of every tenant: the state of the component, and what a replica mirrors."""

from __future__ import annotations

import msgspec

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
from tradeplane.encryption.key_ring import KeyRing, Version
from tradeplane.errors import NotFound


class Rings(msgspec.Struct):
    """The rings by tenant, then by name.

    Attributes:
        pending: ``(tenant, name)`` of rings with a version that is not active yet, with the time
            at which the oldest such version was added.
    """

    tenants: dict[str, dict[str, KeyRing]] = {}
    pending: dict[tuple[str, str], int] = {}

    def ring(self, tenant_id: str, name: str) -> KeyRing:
        """Return a ring.

        Raises:
            NotFound: the tenant has none of this name, whoever else may.
        """
        ring = self.tenants.get(tenant_id, {}).get(name)
        if ring is None:
            raise NotFound(f"encryption key not found: {name[:80]}")
        return ring

    def names(self, tenant_id: str) -> list[str]:
        """Return the names of a tenant's rings, in order."""
        return sorted(self.tenants.get(tenant_id, ()))

    def evolve(self, event: EncryptionEvent) -> None:  # noqa: C901  # one case an event
        """Take in *event*."""
        if isinstance(event, MaintenanceNoted):
            return
        place = (event.tenant_id, event.name)
        if isinstance(event, RingCreated):
            ring = KeyRing(
                event.key_kind,
                event.at_ns,
                {1: Version(event.material, event.at_ns)},
                exportable=event.exportable,
            )
            self.tenants.setdefault(event.tenant_id, {})[event.name] = ring
            return
        ring = self.tenants[event.tenant_id][event.name]
        match event:
            case VersionAdded():
                ring.versions[event.version] = Version(event.material, event.at_ns)
                self.pending.setdefault(place, event.at_ns)
            case VersionActivated():
                ring.active = event.version
                self.pending.pop(place, None)
                if ring.newest > ring.active:
                    self.pending[place] = ring.versions[ring.active + 1].added_ns
            case RingConfigured():
                ring.min_decryption_version = event.min_decryption_version
                ring.min_encryption_version = event.min_encryption_version
                ring.deletion_allowed = event.deletion_allowed
                ring.exportable = event.exportable
            case RingTrimmed():
                for version in range(ring.min_available_version, event.min_available_version):
                    del ring.versions[version]
                ring.min_available_version = event.min_available_version
            case RingDeleted():
                del self.tenants[event.tenant_id][event.name]
                self.pending.pop(place, None)
                if not self.tenants[event.tenant_id]:
                    del self.tenants[event.tenant_id]
