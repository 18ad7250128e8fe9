"""Keys of every kind at work, against libraries and vectors that this project did not write."""

from __future__ import annotations

import base64
import hashlib
import hmac as std_hmac

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, utils
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from adapters.ciphers.key_material import KeyMaterial, Secret, new_secret
from tradeplane.encryption.ciphertext import REFUSED
from tradeplane.encryption.kinds import KINDS
from tradeplane.encryption.signature_form import HASHES, SignatureForm
from tradeplane.errors import InvalidRequest

AEADS = [kind for kind, abilities in KINDS.items() if abilities.symmetric]
SIGNERS = ["rsa-2048", "ed25519", "ecdsa-p256"]
MATERIALS = {kind: KeyMaterial(kind, new_secret(kind)) for kind in [*AEADS, *SIGNERS]}


@pytest.mark.parametrize("kind", AEADS)
@given(plaintext=st.binary(max_size=200), data=st.binary(max_size=50), position=st.integers(0))
def test_one_changed_bit_or_byte_less_or_other_data_gets_the_same_refusal(
    kind, plaintext, data, position
):
    key = MATERIALS[kind].key
    payload = key.encrypt(plaintext, data)
    flipped = bytearray(payload)
    flipped[position // 8 % len(payload)] ^= 1 << position % 8

    assert key.decrypt(payload, data) == plaintext
    for broken, associated in (
        (bytes(flipped), data),
        (payload[: position % len(payload)], data),
        (payload + b"\0", data),
        (payload, data + b"\0"),
        (KeyMaterial(kind, new_secret(kind)).key.encrypt(plaintext, data), data),
    ):
        with pytest.raises(InvalidRequest) as refusal:
            key.decrypt(broken, associated)
        assert refusal.value.message == REFUSED
        assert refusal.value.__cause__ is None


@pytest.mark.parametrize("kind", AEADS)
def test_the_same_text_is_never_encrypted_the_same_way(kind):
    key = MATERIALS[kind].key

    assert len({key.encrypt(b"text", b"") for _ in range(50)}) == 50


def test_a_secret_of_one_kind_opens_nothing_of_the_other():
    secret = new_secret("aes256-gcm96")
    aes, chacha = (KeyMaterial(kind, secret).key for kind in AEADS)

    with pytest.raises(InvalidRequest, match=REFUSED):
        chacha.decrypt(aes.encrypt(b"text", b""), b"")


def test_rsa_opens_what_anyone_encrypts_with_the_public_key():
    key = MATERIALS["rsa-2048"].key
    public = load_pem_public_key(key.public_key().encode())
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)

    assert key.decrypt(public.encrypt(b"text", oaep), b"") == b"text"
    assert key.decrypt(key.encrypt(b"x" * 190, b""), b"") == b"x" * 190
    with pytest.raises(InvalidRequest, match="at most 190 bytes"):
        key.encrypt(b"x" * 191, b"")
    for broken in (b"", b"\0" * 256, key.encrypt(b"text", b"")[:-1]):
        with pytest.raises(InvalidRequest) as refusal:
            key.decrypt(broken, b"")
        assert refusal.value.message == REFUSED


@pytest.mark.parametrize("algorithm", HASHES)
@pytest.mark.parametrize("form", ["pss", "pkcs1v15"])
def test_rsa_signatures_verify_elsewhere(algorithm, form):
    key = MATERIALS["rsa-2048"].key
    public = load_pem_public_key(key.public_key().encode())
    wanted = SignatureForm(algorithm, padding=form)
    prehashed = SignatureForm(algorithm, padding=form, prehashed=True)
    digest = hashlib.new(HASHES[algorithm], b"text").digest()
    their_hash = getattr(hashes, algorithm.replace("-", "_").replace("sha2_", "SHA").upper())()
    pss = padding.PSS(padding.MGF1(their_hash), padding.PSS.AUTO)
    theirs = pss if form == "pss" else padding.PKCS1v15()

    for signature in (key.sign(b"text", wanted), key.sign(digest, prehashed)):
        public.verify(signature, b"text", theirs, their_hash)
        assert key.verify(b"text", signature, wanted)
        assert key.verify(digest, signature, prehashed)
        assert not key.verify(b"other", signature, wanted)
        assert not key.verify(b"text", signature[:-1], wanted)


@pytest.mark.parametrize("salt", ["auto", "hash", "0", "20"])
def test_a_salt_of_any_length_that_fits_verifies(salt):
    key = MATERIALS["rsa-2048"].key
    form = SignatureForm(salt_length=salt)

    assert key.verify(b"text", key.sign(b"text", form), SignatureForm())
    with pytest.raises(InvalidRequest, match="salt_length"):
        key.sign(b"text", SignatureForm(salt_length="400"))


@pytest.mark.parametrize("algorithm", HASHES)
def test_elliptic_signatures_verify_elsewhere_in_both_forms(algorithm):
    key = MATERIALS["ecdsa-p256"].key
    public = load_pem_public_key(key.public_key().encode())
    their_hash = getattr(hashes, algorithm.replace("-", "_").replace("sha2_", "SHA").upper())()
    der = key.sign(b"text", SignatureForm(algorithm))
    jws = key.sign(b"text", SignatureForm(algorithm, marshaling="jws"))

    public.verify(der, b"text", ec.ECDSA(their_hash))
    r, s = int.from_bytes(jws[:32]), int.from_bytes(jws[32:])
    public.verify(utils.encode_dss_signature(r, s), b"text", ec.ECDSA(their_hash))
    assert key.verify(b"text", der, SignatureForm(algorithm))
    assert key.verify(b"text", jws, SignatureForm(algorithm, marshaling="jws"))
    assert not key.verify(b"text", jws[:-1], SignatureForm(algorithm, marshaling="jws"))
    assert not key.verify(b"text", b"", SignatureForm(algorithm))


def test_ed25519_signs_as_the_rfc_has_it():
    """RFC 8032, 7.1, TEST 2."""
    seed = bytes.fromhex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb")
    public = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
    signature = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415  # used here alone
        Encoding,
        NoEncryption,
        PrivateFormat,
    )
    from msgspec import msgpack  # noqa: PLC0415

    pkcs8 = ed25519.Ed25519PrivateKey.from_private_bytes(seed).private_bytes(
        Encoding.DER, PrivateFormat.PKCS8, NoEncryption()
    )
    key = KeyMaterial("ed25519", msgpack.encode(Secret(pkcs8, b"h" * 32))).key

    assert base64.b64decode(key.public_key()) == public
    assert key.sign(b"\x72", SignatureForm()) == signature
    assert key.verify(b"\x72", signature, SignatureForm())
    assert not key.verify(b"\x73", signature, SignatureForm())
    with pytest.raises(InvalidRequest, match="prehashed"):
        key.sign(b"\x72", SignatureForm(prehashed=True))


@pytest.mark.parametrize("kind", ["rsa-2048", "ecdsa-p256"])
def test_a_digest_of_the_wrong_length_is_refused(kind):
    key, form = MATERIALS[kind].key, SignatureForm(prehashed=True)

    with pytest.raises(InvalidRequest, match="32 bytes"):
        key.sign(b"short", form)
    with pytest.raises(InvalidRequest, match="32 bytes"):
        key.verify(b"short", b"", form)


@pytest.mark.parametrize("algorithm", HASHES)
def test_an_hmac_has_a_key_of_its_own_and_is_the_standard_librarys(algorithm):
    material = KeyMaterial("aes256-gcm96", b"\x92\xc4\x20" + b"k" * 32 + b"\xc4\x20" + b"h" * 32)

    theirs = std_hmac.new(b"h" * 32, b"text", HASHES[algorithm]).digest()
    assert material.hmac(b"text", algorithm) == theirs


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_shows_in_a_repr(kind):
    if kind in MATERIALS:
        assert "object at" in repr(MATERIALS[kind])
        assert "object at" in repr(MATERIALS[kind].key)
    assert repr(Secret(b"key", b"hmac")) == "Secret()"


@pytest.mark.parametrize(
    "fields",
    [
        {"hash_algorithm": "md5"},
        {"padding": "none"},
        {"marshaling": "xml"},
        {"salt_length": "9999"},
        {"salt_length": "long"},
    ],
)
def test_a_form_that_is_not_known_is_refused(fields):
    with pytest.raises(InvalidRequest):
        SignatureForm(**fields)


def test_a_public_key_of_another_signs_nothing_here():
    signature = MATERIALS["ecdsa-p256"].key.sign(b"text", SignatureForm())
    other = KeyMaterial("ecdsa-p256", new_secret("ecdsa-p256")).key

    assert not other.verify(b"text", signature, SignatureForm())
    with pytest.raises(InvalidSignature):
        load_pem_public_key(other.public_key().encode()).verify(
            signature, b"text", ec.ECDSA(hashes.SHA256())
        )
