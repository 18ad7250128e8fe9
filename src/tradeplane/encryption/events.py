"""What happened to key rings. Secrets are wrapped: without a data key an event opens nothing."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from tradeplane.auth.principal import Origin
from tradeplane.encryption.kinds import KeyKind


class Material(msgspec.Struct, frozen=True, array_like=True):
    """The key of one version, as it is kept.

    Attributes:
        material_id: a new UUID; the wrapping is bound to it.
        wrapped: the secret, sealed.
        public_key: SubjectPublicKeyInfo in PEM, or in base64 for Ed25519, as Vault shows it; empty
            for symmetric kinds.
    """

    material_id: str
    wrapped: bytes
    public_key: str = ""

    def __repr__(self) -> str:
        """Name it, and show nothing of it."""
        return f"Material({self.material_id!r})"


class Event(msgspec.Struct, frozen=True, tag_field="kind", tag=True, kw_only=True):
    """What every event has.

    Attributes:
        at_ns: wall time, nanoseconds since the Unix epoch.
        by: who, and from where.
        tenant_id: whose ring.
        name: the ring's name, unique in the tenant.
    """

    at_ns: int
    by: Origin
    tenant_id: str
    name: str


class RingCreated(Event, frozen=True):
    """A ring exists, with version 1, which encrypts at once: nobody has an older one."""

    key_kind: KeyKind
    exportable: bool
    material: Material


class VersionAdded(Event, frozen=True):
    """A version can decrypt and verify; it does not encrypt or sign yet."""

    version: int
    material: Material


class VersionActivated(Event, frozen=True):
    """From now on this version encrypts and signs."""

    version: int


class RingConfigured(Event, frozen=True):
    """All that can be set, as it is now."""

    min_decryption_version: int
    min_encryption_version: int
    deletion_allowed: bool
    exportable: bool


class RingTrimmed(Event, frozen=True):
    """Versions below this one are gone for good."""

    min_available_version: int


class RingDeleted(Event, frozen=True):
    """The ring and all its versions are gone for good."""


class MaintenanceNoted(Event, frozen=True):
    """An operator began work on the keys below all rings: the root key, or data keys.

    No ring changes. *tenant_id* is the home tenant, *name* the data key's purpose or ``root``.
    """

    work: Literal["root_rotation", "data_key_rotation"]


EncryptionEvent: TypeAlias = (
    RingCreated
    | VersionAdded
    | VersionActivated
    | RingConfigured
    | RingTrimmed
    | RingDeleted
    | MaintenanceNoted
)
