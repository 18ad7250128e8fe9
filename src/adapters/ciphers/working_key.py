"""What a key of any kind can be asked to do."""

from __future__ import annotations

from tradeplane.encryption.signature_form import SignatureForm
from tradeplane.errors import InvalidRequest


class WorkingKey:
    """A key that refuses everything; each kind overrides what it can do.

    Safe to use from several threads. No repr shows a secret.
    """

    def encrypt(self, plaintext: bytes, associated_data: bytes) -> bytes:
        """Return *plaintext* encrypted, bound to *associated_data* where the kind can.

        Raises:
            InvalidRequest: it is too long, or this kind does not encrypt.
        """
        del plaintext, associated_data
        raise InvalidRequest("this key type does not support encryption")

    def decrypt(self, payload: bytes, associated_data: bytes) -> bytes:
        """Return the plaintext.

        Raises:
            InvalidRequest: the payload is not what this key made with this associated data, the
                same words whatever is wrong; or this kind does not decrypt.
        """
        del payload, associated_data
        raise InvalidRequest("this key type does not support decryption")

    def sign(self, data: bytes, form: SignatureForm) -> bytes:
        """Return the signature of *data*.

        Raises:
            InvalidRequest: *data* is prehashed and no such digest, or the form does not fit, or
                this kind does not sign.
        """
        del data, form
        raise InvalidRequest("this key type does not support signing")

    def verify(self, data: bytes, signature: bytes, form: SignatureForm) -> bool:
        """Return whether *signature* is one of *data*.

        Raises:
            InvalidRequest: as :meth:`sign`.
        """
        del data, signature, form
        raise InvalidRequest("this key type does not support verification")

    def public_key(self) -> str:
        """Return the public half as clients read it; empty for a symmetric key."""
        return ""
