"""What can be done to key rings. Keys are made, and wrapped, by who sends the command."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from tradeplane.auth.principal import Origin
from tradeplane.encryption.events import Material
from tradeplane.encryption.kinds import KeyKind


class Command(msgspec.Struct, frozen=True, tag_field="kind", tag=True, kw_only=True):
    """What every command has.

    Attributes:
        by: who gives it, and from where.
        command_id: new for every call and the same for its repetitions, so that it has one effect.
    """

    by: Origin = Origin()
    command_id: str = ""


class OfRing(Command, frozen=True):
    """A command about one ring."""

    tenant_id: str
    name: str


class CreateRing(OfRing, frozen=True):
    """Make a ring with its first version; one of the same name and kind stays as it is."""

    key_kind: KeyKind
    material: Material
    exportable: bool = False


class AddVersion(OfRing, frozen=True):
    """Begin a rotation. The version encrypts after a time in which every replica gets it."""

    material: Material


class ActivateDue(Command, frozen=True):
    """Finish the rotations whose time has come."""


class ConfigureRing(OfRing, frozen=True):
    """Change what is given; None leaves it as it is.

    Attributes:
        min_decryption_version: older ciphertexts are refused.
        min_encryption_version: older versions may not be asked for; 0 for no such limit.
        deletion_allowed: whether :class:`DeleteRing` works.
        exportable: once on, never off again.
    """

    min_decryption_version: int | None = None
    min_encryption_version: int | None = None
    deletion_allowed: bool | None = None
    exportable: bool | None = None


class TrimRing(OfRing, frozen=True):
    """Destroy every version below this one."""

    min_available_version: int


class DeleteRing(OfRing, frozen=True):
    """Destroy a ring, if its configuration allows it."""


class NoteMaintenance(OfRing, frozen=True):
    """Put work on the keys below all rings on record before it begins; changes no ring."""

    work: Literal["root_rotation", "data_key_rotation"]


EncryptionCommand: TypeAlias = (
    CreateRing | AddVersion | ActivateDue | ConfigureRing | TrimRing | DeleteRing | NoteMaintenance
)


class GetRings(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Every ring of every tenant, for a replica's mirror."""


class GetSequence(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """How far the writer is; the answer's sequence says it."""


EncryptionQuery: TypeAlias = GetRings | GetSequence
