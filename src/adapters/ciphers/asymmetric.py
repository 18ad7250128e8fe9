"""RSA, ECDSA on P-256, and Ed25519."""

from __future__ import annotations

import base64

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from adapters.ciphers.working_key import WorkingKey
from tradeplane.encryption.ciphertext import REFUSED
from tradeplane.encryption.signature_form import SignatureForm
from tradeplane.errors import InvalidRequest

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha2-224": hashes.SHA224(),
    "sha2-256": hashes.SHA256(),
    "sha2-384": hashes.SHA384(),
    "sha2-512": hashes.SHA512(),
    "sha3-224": hashes.SHA3_224(),
    "sha3-256": hashes.SHA3_256(),
    "sha3-384": hashes.SHA3_384(),
    "sha3-512": hashes.SHA3_512(),
}
_OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
_COORDINATE_BYTES = 32


class RsaKey(WorkingKey):
    """RSA: OAEP, PSS and PKCS #1 v1.5 signatures (RFC 8017).

    OAEP is that of Vault, SHA-256 and no label, so who has the public key alone can encrypt. The
    key pair is of one version of one ring, so a ciphertext opens nowhere else.
    """

    def __init__(self, private: rsa.RSAPrivateKey) -> None:
        self._private = private
        self._public = private.public_key()

    def encrypt(self, plaintext: bytes, associated_data: bytes) -> bytes:
        """Return *plaintext* encrypted; see the base."""
        del associated_data
        room_bytes = self._private.key_size // 8 - 2 * hashes.SHA256.digest_size - 2
        if len(plaintext) > room_bytes:
            raise InvalidRequest(f"this key encrypts at most {room_bytes} bytes")
        return self._public.encrypt(plaintext, _OAEP)

    def decrypt(self, payload: bytes, associated_data: bytes) -> bytes:
        """Return the plaintext; see the base."""
        del associated_data
        try:
            return self._private.decrypt(payload, _OAEP)
        except ValueError:
            raise InvalidRequest(REFUSED) from None

    def sign(self, data: bytes, form: SignatureForm) -> bytes:
        """Return the signature; see the base."""
        algorithm = _HASHES[form.hash_algorithm]
        try:
            return self._private.sign(
                data,
                _padding(form, algorithm, padding.PSS.MAX_LENGTH),
                _taken(form, algorithm, data),
            )
        except ValueError as error:
            raise InvalidRequest("salt_length does not fit this key and hash") from error

    def verify(self, data: bytes, signature: bytes, form: SignatureForm) -> bool:
        """Return whether *signature* is one of *data*; see the base."""
        algorithm = _HASHES[form.hash_algorithm]
        taken = _taken(form, algorithm, data)
        try:
            self._public.verify(signature, data, _padding(form, algorithm, padding.PSS.AUTO), taken)
        except (InvalidSignature, ValueError):
            return False
        return True

    def public_key(self) -> str:
        """Return the public half in PEM."""
        return _pem(self._public)


class EllipticKey(WorkingKey):
    """ECDSA on P-256."""

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private
        self._public = private.public_key()

    def sign(self, data: bytes, form: SignatureForm) -> bytes:
        """Return the signature; see the base."""
        algorithm = _HASHES[form.hash_algorithm]
        signature = self._private.sign(data, ec.ECDSA(_taken(form, algorithm, data)))
        if form.marshaling == "asn1":
            return signature
        r, s = utils.decode_dss_signature(signature)
        return r.to_bytes(_COORDINATE_BYTES) + s.to_bytes(_COORDINATE_BYTES)

    def verify(self, data: bytes, signature: bytes, form: SignatureForm) -> bool:
        """Return whether *signature* is one of *data*; see the base."""
        taken = _taken(form, _HASHES[form.hash_algorithm], data)
        if form.marshaling == "jws":
            if len(signature) != 2 * _COORDINATE_BYTES:
                return False
            r = int.from_bytes(signature[:_COORDINATE_BYTES])
            s = int.from_bytes(signature[_COORDINATE_BYTES:])
            signature = utils.encode_dss_signature(r, s)
        try:
            self._public.verify(signature, data, ec.ECDSA(taken))
        except InvalidSignature:
            return False
        return True

    def public_key(self) -> str:
        """Return the public half in PEM."""
        return _pem(self._public)


class Ed25519Key(WorkingKey):
    """Ed25519, which hashes by itself (RFC 8032)."""

    def __init__(self, private: ed25519.Ed25519PrivateKey) -> None:
        self._private = private
        self._public = private.public_key()

    def sign(self, data: bytes, form: SignatureForm) -> bytes:
        """Return the signature; see the base."""
        _refuse_prehashed(form)
        return self._private.sign(data)

    def verify(self, data: bytes, signature: bytes, form: SignatureForm) -> bool:
        """Return whether *signature* is one of *data*; see the base."""
        _refuse_prehashed(form)
        try:
            self._public.verify(signature, data)
        except InvalidSignature:
            return False
        return True

    def public_key(self) -> str:
        """Return the 32 bytes of the public half in base64, as Vault does."""
        return base64.b64encode(self._public.public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def _padding(
    form: SignatureForm, algorithm: hashes.HashAlgorithm, longest: object
) -> padding.AsymmetricPadding:
    if form.padding == "pkcs1v15":
        return padding.PKCS1v15()
    salt: object = longest
    if form.salt_length in {"hash", "-1"}:
        salt = algorithm.digest_size
    elif form.salt_length != "auto":
        salt = int(form.salt_length)
    return padding.PSS(padding.MGF1(algorithm), salt)  # type: ignore[arg-type]  # its marker classes are private


def _taken(
    form: SignatureForm, algorithm: hashes.HashAlgorithm, data: bytes
) -> hashes.HashAlgorithm | utils.Prehashed:
    if not form.prehashed:
        return algorithm
    if len(data) != algorithm.digest_size:
        raise InvalidRequest(f"a {form.hash_algorithm} digest has {algorithm.digest_size} bytes")
    return utils.Prehashed(algorithm)


def _refuse_prehashed(form: SignatureForm) -> None:
    if form.prehashed:
        raise InvalidRequest("prehashed input is not supported by ed25519 keys")


def _pem(public: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
