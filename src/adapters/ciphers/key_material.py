"""One version of a key, ready for work."""

from __future__ import annotations

import hmac
import os

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from adapters.ciphers.asymmetric import Ed25519Key, EllipticKey, RsaKey
from adapters.ciphers.symmetric import SymmetricKey
from adapters.ciphers.working_key import WorkingKey
from tradeplane.encryption.kinds import KINDS, KeyKind
from tradeplane.encryption.signature_form import HASHES

SECRET_BYTES = 32
_PUBLIC_EXPONENT = 65_537


class Secret(msgspec.Struct, frozen=True, array_like=True):
    """What is sealed of one version.

    Attributes:
        key: 32 bytes, or a private key in PKCS #8.
        hmac_key: 32 bytes of its own, so that no key has two uses.
    """

    key: bytes
    hmac_key: bytes

    def __repr__(self) -> str:
        """Show nothing."""
        return "Secret()"


class KeyMaterial:
    """One version, ready. Its repr has no secret.

    Args:
        kind: the kind of its ring.
        secret: what :func:`new_secret` made.

    Attributes:
        key: what does the work.
    """

    def __init__(self, kind: KeyKind, secret: bytes) -> None:
        parts = msgspec.msgpack.decode(secret, type=Secret)
        self.key = _working_key(kind, parts.key)
        self._hmac_key = parts.hmac_key

    def hmac(self, data: bytes, algorithm: str) -> bytes:
        """Return the HMAC of *data*; *algorithm* is one of ``signature_form.HASHES``."""
        return hmac.digest(self._hmac_key, data, HASHES[algorithm])


def new_secret(kind: KeyKind) -> bytes:
    """Return a new key of *kind*, as it is sealed. RSA takes seconds: call it in a thread."""
    return msgspec.msgpack.encode(Secret(_new_key(kind), os.urandom(SECRET_BYTES)))


def _new_key(kind: KeyKind) -> bytes:
    abilities = KINDS[kind]
    if abilities.symmetric:
        return os.urandom(SECRET_BYTES)
    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey
    if abilities.rsa_bits:
        private = rsa.generate_private_key(_PUBLIC_EXPONENT, abilities.rsa_bits)
    elif kind == "ed25519":
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        private = ec.generate_private_key(ec.SECP256R1())
    return private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _working_key(kind: KeyKind, key: bytes) -> WorkingKey:
    if KINDS[kind].symmetric:
        return SymmetricKey(kind, key)
    private = load_der_private_key(key, None)
    if isinstance(private, rsa.RSAPrivateKey):
        return RsaKey(private)
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return Ed25519Key(private)
    assert isinstance(private, ec.EllipticCurvePrivateKey), "new_secret makes no other"
    return EllipticKey(private)
