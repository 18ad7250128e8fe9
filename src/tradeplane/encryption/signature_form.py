"""How a signature is to be made: the parameters of Vault's ``sign`` and ``verify``."""

from __future__ import annotations

import re
from typing import TypeAlias

import msgspec

from tradeplane.encryption.kinds import Abilities
from tradeplane.errors import InvalidRequest

HASHES: dict[str, str] = {
    "sha2-224": "sha224",
    "sha2-256": "sha256",
    "sha2-384": "sha384",
    "sha2-512": "sha512",
    "sha3-224": "sha3_224",
    "sha3-256": "sha3_256",
    "sha3-384": "sha3_384",
    "sha3-512": "sha3_512",
}
"""Hash algorithms: Vault's names, and those of Python's hashlib."""

DEFAULT_HASH = "sha2-256"
_SALT_BYTES_MAX = 512
_SALT = re.compile(r"auto|hash|-1|[0-9]{1,4}", re.ASCII)
Salt: TypeAlias = str


def hash_name(text: str) -> str:
    """Return *text*, which must name a hash algorithm.

    Raises:
        InvalidRequest: it does not.
    """
    if text not in HASHES:
        raise InvalidRequest(
            f"unsupported hash algorithm {text[:40]!r}; known: {', '.join(HASHES)}"
        )
    return text


class SignatureForm(msgspec.Struct, frozen=True):
    """The form, checked when it is made.

    Attributes:
        hash_algorithm: one of :data:`HASHES`; without meaning for Ed25519.
        prehashed: the input is a digest already.
        padding: of RSA: ``pss`` or ``pkcs1v15``.
        marshaling: of ECDSA: ``asn1`` (DER), or ``jws`` (RFC 7518, 3.4).
        salt_length: of PSS: ``auto`` for the longest, ``hash`` for the hash's, or bytes.
    """

    hash_algorithm: str = DEFAULT_HASH
    prehashed: bool = False
    padding: str = "pss"
    marshaling: str = "asn1"
    salt_length: Salt = "auto"

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            InvalidRequest: one is none of what it can be.
        """
        hash_name(self.hash_algorithm)
        if self.padding not in {"pss", "pkcs1v15"}:
            raise InvalidRequest("signature_algorithm must be pss or pkcs1v15")
        if self.marshaling not in {"asn1", "jws"}:
            raise InvalidRequest("marshaling_algorithm must be asn1 or jws")
        if _SALT.fullmatch(self.salt_length) is None:
            raise InvalidRequest("salt_length must be auto, hash or a number of bytes")
        if self.salt_length.isdigit() and int(self.salt_length) > _SALT_BYTES_MAX:
            raise InvalidRequest(f"salt_length must be at most {_SALT_BYTES_MAX}")

    def require(self, abilities: Abilities) -> None:
        """Refuse what a key of these *abilities* cannot do.

        Raises:
            InvalidRequest: it cannot sign, or not so.
        """
        if not abilities.signs:
            raise InvalidRequest("this key type does not support signing")
        if self.marshaling == "jws" and abilities.rsa_bits:
            raise InvalidRequest("marshaling_algorithm jws is for ECDSA and Ed25519 keys")
