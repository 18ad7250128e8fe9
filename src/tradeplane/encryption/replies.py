"""What the component answers."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from tradeplane.encryption.rings import Rings


class Done(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """It took effect, now or before."""


class Added(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """A version was added, now or before."""

    version: int


class RingsFound(msgspec.Struct, frozen=True, tag_field="kind", tag=True):
    """Every ring."""

    rings: Rings


EncryptionReply: TypeAlias = Done | Added | RingsFound
