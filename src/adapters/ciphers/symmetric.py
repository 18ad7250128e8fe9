"""AES-256-GCM and ChaCha20-Poly1305, committed to their key."""

from __future__ import annotations

import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from adapters.ciphers.working_key import WorkingKey
from tradeplane.encryption.ciphertext import REFUSED
from tradeplane.encryption.kinds import KeyKind
from tradeplane.errors import InvalidRequest

_NONCE_BYTES = 12
_COMMITMENT_BYTES = 32
_DERIVED_BYTES = 32
_TAG_BYTES = 16
_OVERHEAD_BYTES = _COMMITMENT_BYTES + _NONCE_BYTES + _TAG_BYTES


class SymmetricKey(WorkingKey):
    """AES-256-GCM or ChaCha20-Poly1305.

    A payload is a commitment to the key (32 bytes), a random nonce (12) and the ciphertext with its
    tag. Neither cipher commits by itself: without it, one ciphertext can be made that opens under
    two keys to two texts.

    Args:
        kind: ``aes256-gcm96`` or ``chacha20-poly1305``.
        secret: 32 random bytes.
    """

    def __init__(self, kind: KeyKind, secret: bytes) -> None:
        # The kind is part of the derivation, so a secret can never serve two ciphers.
        key = _derived(secret, f"transit encrypt {kind}")
        self._aead = AESGCM(key) if kind == "aes256-gcm96" else ChaCha20Poly1305(key)
        self._commitment = _derived(secret, f"transit commit {kind}")

    def encrypt(self, plaintext: bytes, associated_data: bytes) -> bytes:
        """Return *plaintext* encrypted; see the base."""
        nonce = os.urandom(_NONCE_BYTES)
        return self._commitment + nonce + self._aead.encrypt(nonce, plaintext, associated_data)

    def decrypt(self, payload: bytes, associated_data: bytes) -> bytes:
        """Return the plaintext; see the base."""
        committed = hmac.compare_digest(payload[:_COMMITMENT_BYTES], self._commitment)
        if len(payload) < _OVERHEAD_BYTES or not committed:
            raise InvalidRequest(REFUSED)
        start = _COMMITMENT_BYTES + _NONCE_BYTES
        try:
            return self._aead.decrypt(
                payload[_COMMITMENT_BYTES:start], payload[start:], associated_data
            )
        except InvalidTag:
            raise InvalidRequest(REFUSED) from None


def _derived(secret: bytes, use: str) -> bytes:
    # The secret is random already, so HKDF's first step, extraction, may be left out (RFC 5869).
    return HKDFExpand(SHA256(), _DERIVED_BYTES, f"tradeplane {use}".encode()).derive(secret)
