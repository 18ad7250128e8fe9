"""The port of encryption, as the edge sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

import msgspec

from tradeplane.auth.principal import Origin
from tradeplane.encryption.key_ring import KeyRing
from tradeplane.encryption.kinds import KeyKind
from tradeplane.encryption.signature_form import SignatureForm
from tradeplane.errors import RequestRefused


class Configuration(msgspec.Struct, frozen=True):
    """What to change about a key; None leaves it as it is. See ``commands.ConfigureRing``."""

    min_decryption_version: int | None = None
    min_encryption_version: int | None = None
    deletion_allowed: bool | None = None
    exportable: bool | None = None


class Encrypt(msgspec.Struct, frozen=True):
    """One text to encrypt; *key_version* 0 is the newest. Its repr shows nothing."""

    plaintext: bytes
    associated_data: bytes = b""
    key_version: int = 0

    def __repr__(self) -> str:
        return "Encrypt()"


class Decrypt(msgspec.Struct, frozen=True):
    """One ciphertext to decrypt."""

    ciphertext: str
    associated_data: bytes = b""


class Rewrap(msgspec.Struct, frozen=True):
    """One ciphertext to decrypt, and to encrypt again under *key_version*; 0 is the newest."""

    ciphertext: str
    associated_data: bytes = b""
    key_version: int = 0


class Sign(msgspec.Struct, frozen=True):
    """One input to sign."""

    data: bytes
    key_version: int = 0


class Verify(msgspec.Struct, frozen=True):
    """One input, and what may be its signature or HMAC, as it was given out."""

    data: bytes
    signature: str


class DataKeyMade(msgspec.Struct, frozen=True):
    """A new key for use elsewhere, in the clear and encrypted. Its repr shows nothing."""

    plaintext: bytes
    ciphertext: str

    def __repr__(self) -> str:
        return "DataKeyMade()"


Texts: TypeAlias = list[str | RequestRefused]
"""One answer an item, in the order of the items: a result, or why there is none."""


class EncryptionService(Protocol):
    """Named keys of tenants, and the work with them.

    What uses a key makes no call: it happens in the replica, on its mirror. Every method may raise
    a ServiceFailed, also when the mirror is stale: closed, not open. Every one that names a key
    raises NotFound when the tenant has none of this name. A batch raises only what concerns all of
    its items; the rest is in its answer.
    """

    async def generate_key(
        self, tenant_id: str, name: str, kind: KeyKind, by: Origin, *, exportable: bool = False
    ) -> None:
        """Make a named key; one of the same kind stays as it is.

        Raises:
            InvalidRequest: the name is malformed, or has another kind.
            LimitReached: there are too many.
        """

    async def rotate_key(self, tenant_id: str, name: str, by: Origin) -> int:
        """Add a version and return it when it encrypts, here at least."""

    async def configure_key(
        self, tenant_id: str, name: str, wanted: Configuration, by: Origin
    ) -> None:
        """Change what is given.

        Raises:
            InvalidRequest: it contradicts the key's versions, or takes back what cannot be.
        """

    async def trim_key(
        self, tenant_id: str, name: str, min_available_version: int, by: Origin
    ) -> None:
        """Destroy the versions below *min_available_version*.

        Raises:
            InvalidRequest: they may still be needed.
        """

    async def delete_key(self, tenant_id: str, name: str, by: Origin) -> None:
        """Destroy the key.

        Raises:
            InvalidRequest: its configuration does not allow it.
        """

    async def key(self, tenant_id: str, name: str) -> KeyRing:
        """Return a key, its secrets wrapped. Not to be changed."""

    def key_names(self, tenant_id: str) -> list[str]:
        """Return the names of the tenant's keys, in order."""

    async def encrypt(self, tenant_id: str, name: str, items: Sequence[Encrypt]) -> Texts:
        """Return ciphertexts ``vault:vN:...``.

        Raises:
            InvalidRequest: this kind does not encrypt.
        """

    async def decrypt(
        self, tenant_id: str, name: str, items: Sequence[Decrypt]
    ) -> list[bytes | RequestRefused]:
        """Return plaintexts. Every ciphertext that is not right has the same refusal.

        Raises:
            InvalidRequest: this kind does not encrypt.
        """

    async def rewrap(self, tenant_id: str, name: str, items: Sequence[Rewrap]) -> Texts:
        """Return the same texts under another version; no plaintext leaves.

        Raises:
            InvalidRequest: this kind does not encrypt.
        """

    async def data_key(
        self, tenant_id: str, name: str, bits: int, associated_data: bytes = b""
    ) -> DataKeyMade:
        """Return *bits* random bits (128, 256 or 512), in the clear and encrypted.

        Raises:
            InvalidRequest: *bits* is none of these, or this kind does not encrypt.
        """

    async def sign(
        self, tenant_id: str, name: str, items: Sequence[Sign], form: SignatureForm
    ) -> Texts:
        """Return signatures ``vault:vN:...``.

        Raises:
            InvalidRequest: this kind does not sign, or not so.
        """

    async def verify(
        self, tenant_id: str, name: str, items: Sequence[Verify], form: SignatureForm
    ) -> list[bool | RequestRefused]:
        """Return whether each signature is one of its input.

        Raises:
            InvalidRequest: this kind does not sign, or not so.
        """

    async def hmac(self, tenant_id: str, name: str, items: Sequence[Sign], algorithm: str) -> Texts:
        """Return HMACs ``vault:vN:...``; *algorithm* is one of ``signature_form.HASHES``."""

    async def verify_hmac(
        self, tenant_id: str, name: str, items: Sequence[Verify], algorithm: str
    ) -> list[bool | RequestRefused]:
        """Return whether each HMAC is one of its input."""

    def random(self, count: int) -> bytes:
        """Return *count* random bytes."""
