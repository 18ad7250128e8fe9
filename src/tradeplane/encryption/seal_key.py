"""How sealed bytes look: AES-256-GCM under a key that the bytes commit to.

====== ===== ====================================================================
offset bytes meaning
====== ===== ====================================================================
0      1     version of this format, 1
1      4     version of the data key, big endian
5      32    commitment to the key: HKDF-SHA256(data key, info ``commit``)
37     12    nonce, random
49     n+16  AES-256-GCM of the plaintext under HKDF-SHA256(data key, info ``seal``)
====== ===== ====================================================================

The first 37 bytes and the context are the associated data. GCM alone does not commit to its key:
one ciphertext can open under two keys to two texts. The commitment closes that; it is compared
before anything is decrypted. With random nonces a key may seal 2**32 times (NIST SP 800-38D, 8.3);
rotate it before that.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from tradeplane.errors import SealBroken

NONCE_BYTES = 12
SECRET_BYTES = 32
_FORMAT = 1
_PREFIX = struct.Struct(">BI32s")
_SEALED_BYTES_MIN = _PREFIX.size + NONCE_BYTES + 16
_BROKEN = "sealed data cannot be opened"


class SealKey:
    """One version of a data key, ready to use. Its repr has no secret.

    Args:
        version: its version, from 1.
        secret: 32 random bytes.
    """

    __slots__ = ("_aead", "_prefix", "version")

    def __init__(self, version: int, secret: bytes) -> None:
        assert len(secret) == SECRET_BYTES, "a data key has 256 bits"
        self.version = version
        self._aead = AESGCM(_derived(secret, b"tradeplane seal 1"))
        commitment = _derived(secret, b"tradeplane commit 1")
        self._prefix = _PREFIX.pack(_FORMAT, version, commitment)

    def seal(self, nonce: bytes, plaintext: bytes, context: bytes) -> bytes:
        """Return *plaintext* sealed under *nonce*, which is random and used once."""
        prefix = self._prefix
        return prefix + nonce + self._aead.encrypt(nonce, plaintext, prefix + context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            SealBroken: it was changed, or belongs to another context or key; not said which.
        """
        prefix = self._prefix
        size = len(prefix)
        # No secret is compared: everything that this key sealed begins with the same bytes.
        if len(sealed) < _SEALED_BYTES_MIN or not sealed.startswith(prefix):
            raise SealBroken(_BROKEN)
        start = size + NONCE_BYTES
        try:
            return self._aead.decrypt(sealed[size:start], sealed[start:], prefix + context)
        except (InvalidTag, OverflowError):
            raise SealBroken(_BROKEN) from None

    def seal_many(self, nonces: bytes, fields: Iterable[tuple[bytes, bytes, bytes]]) -> list[bytes]:
        """Return ``(plaintext, context, tail)`` sealed, each followed by its *tail*.

        Args:
            nonces: 12 random bytes for each.
            fields: the tail stays readable; the context must have it, or it can be changed.
        """
        prefix, encrypt, join = self._prefix, self._aead.encrypt, b"".join
        made, start = [], 0
        for plaintext, context, tail in fields:
            end = start + NONCE_BYTES
            nonce = nonces[start:end]
            start = end
            made.append(join((prefix, nonce, encrypt(nonce, plaintext, prefix + context), tail)))
        return made

    def open_many(self, fields: Iterable[tuple[bytes, bytes]], tail_bytes: int) -> list[bytes]:
        """Return what :meth:`seal_many` sealed, from ``(sealed with its tail, context)``.

        Raises:
            SealBroken: one was changed, or belongs to another context or key; not said which.
        """
        prefix, decrypt = self._prefix, self._aead.decrypt
        size, start = len(prefix), len(prefix) + NONCE_BYTES
        opened = []
        try:
            for sealed, context in fields:
                if not sealed.startswith(prefix):
                    raise SealBroken(_BROKEN)
                text = sealed[start:-tail_bytes]
                opened.append(decrypt(sealed[size:start], text, prefix + context))
        except (InvalidTag, OverflowError, ValueError):
            # ValueError: it is cut off within its nonce.
            raise SealBroken(_BROKEN) from None
        return opened


def key_version(sealed: bytes) -> int:
    """Return the version of the data key that *sealed* names.

    Raises:
        SealBroken: it is too short, or of an unknown format.
    """
    if len(sealed) < _SEALED_BYTES_MIN or sealed[0] != _FORMAT:
        raise SealBroken(_BROKEN)
    return int.from_bytes(sealed[1:5])


def _derived(secret: bytes, purpose: bytes) -> bytes:
    # The secret is random already, so HKDF's first step, extraction, may be left out (RFC 5869).
    return HKDFExpand(SHA256(), SECRET_BYTES, purpose).derive(secret)
