"""One named key with its versions, and which of them may do what."""

from __future__ import annotations

import msgspec

from tradeplane.encryption.events import Material
from tradeplane.encryption.kinds import KINDS, Abilities, KeyKind
from tradeplane.errors import InvalidRequest

_UNUSABLE = "cannot use a version of the key that is"


class Version(msgspec.Struct, frozen=True, array_like=True):
    """One version: its key, and when it was added."""

    material: Material
    added_ns: int


class KeyRing(msgspec.Struct):
    """A ring, as the writer keeps it and every replica mirrors it.

    **Invariant:** ``min_available <= min_decryption <= active <= newest``, and every version from
    ``min_available`` to ``newest`` is in ``versions``.

    Attributes:
        versions: by number, oldest first.
        active: what encrypts and signs; versions above it are still being distributed.
        min_decryption_version: what older versions made is refused.
        min_encryption_version: the oldest that may be asked for; 0 for any that decrypts.
        min_available_version: older ones were destroyed.
    """

    key_kind: KeyKind
    created_ns: int
    versions: dict[int, Version]
    active: int = 1
    min_decryption_version: int = 1
    min_encryption_version: int = 0
    min_available_version: int = 1
    deletion_allowed: bool = False
    exportable: bool = False

    @property
    def newest(self) -> int:
        """The newest version, active or not."""
        return next(reversed(self.versions))

    @property
    def abilities(self) -> Abilities:
        """What keys of its kind can do."""
        return KINDS[self.key_kind]

    def to_use(self, wanted: int) -> int:
        """Return the version that encrypts or signs now.

        Args:
            wanted: the one asked for; 0 for the newest that may.

        Raises:
            InvalidRequest: it may not be used for new work.
        """
        if wanted == 0:
            return self.active
        if not 0 < wanted <= self.active:
            raise InvalidRequest(f"{_UNUSABLE} higher than the latest, which is {self.active}")
        lowest = max(self.min_encryption_version, self.min_decryption_version)
        if wanted < lowest:
            raise InvalidRequest(f"{_UNUSABLE} lower than the lowest allowed, which is {lowest}")
        return wanted

    def opens(self, version: int) -> bool:
        """Return whether what *version* made may be decrypted or verified."""
        return version >= self.min_decryption_version and version in self.versions
