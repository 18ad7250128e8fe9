"""Sealed bytes open at their place under their key, and nowhere else."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from tradeplane.encryption.seal_key import NONCE_BYTES, SealKey, key_version
from tradeplane.errors import SealBroken

SECRET = bytes(range(32))
NONCE = bytes(NONCE_BYTES)
KEY = SealKey(7, SECRET)


@given(st.binary(max_size=300), st.binary(max_size=60), st.binary(min_size=12, max_size=12))
def test_what_was_sealed_opens_under_its_context(plaintext, context, nonce):
    sealed = KEY.seal(nonce, plaintext, context)

    assert KEY.open(sealed, context) == plaintext
    assert key_version(sealed) == 7


@given(st.data())
def test_every_flipped_bit_is_refused(data):
    sealed = bytearray(KEY.seal(NONCE, b"plaintext", b"context"))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << (bit % 8)

    with pytest.raises(SealBroken):
        KEY.open(bytes(sealed), b"context")


@pytest.mark.parametrize("length", range(1 + 4 + 32 + 12 + 16 + 9))
def test_every_truncation_is_refused(length):
    sealed = KEY.seal(NONCE, b"plaintext", b"context")
    assert length < len(sealed)

    with pytest.raises(SealBroken):
        KEY.open(sealed[:length], b"context")


@pytest.mark.parametrize(
    ("key", "context"),
    [
        (SealKey(7, SECRET), b"other context"),
        (SealKey(7, SECRET), b""),
        (SealKey(8, SECRET), b"context"),
        (SealKey(7, bytes(32)), b"context"),
    ],
    ids=["other context", "no context", "other version", "other secret"],
)
def test_another_context_version_or_secret_is_refused_in_the_same_words(key, context):
    sealed = KEY.seal(NONCE, b"plaintext", b"context")

    with pytest.raises(SealBroken, match=r"^sealed data cannot be opened$"):
        key.open(sealed, context)


def test_a_ciphertext_that_opens_under_two_keys_is_refused_by_the_commitment():
    """GCM alone is happy with a forged header and tag under another key; the commitment is not."""
    other = SealKey(7, os.urandom(32))
    size = 1 + 4 + 32
    forged_prefix = KEY.seal(NONCE, b"", b"")[:size]
    aead: AESGCM = other._aead
    forged = forged_prefix + NONCE + aead.encrypt(NONCE, b"text", forged_prefix + b"context")

    with pytest.raises(SealBroken):
        other.open(forged, b"context")


def test_no_secret_is_shown():
    assert SECRET.hex() not in repr(KEY)
    assert repr(SECRET) not in repr(KEY)


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x02" + bytes(80)])
def test_what_was_never_sealed_names_no_version(sealed):
    with pytest.raises(SealBroken):
        key_version(sealed)
