"""The kinds of keys there are, by Vault's names, and what each can do."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from tradeplane.errors import InvalidRequest

KeyKind: TypeAlias = Literal[
    "aes256-gcm96",
    "chacha20-poly1305",
    "rsa-2048",
    "rsa-3072",
    "rsa-4096",
    "ed25519",
    "ecdsa-p256",
]
DEFAULT_KIND: KeyKind = "aes256-gcm96"


class Abilities(msgspec.Struct, frozen=True):
    """What keys of one kind can do; each can make an HMAC.

    Attributes:
        symmetric: one secret seals and opens, and associated data is authenticated.
        encrypts: it can encrypt and decrypt.
        signs: it can sign and verify.
        rsa_bits: the length of an RSA modulus; 0 for other kinds.
    """

    symmetric: bool = False
    encrypts: bool = False
    signs: bool = False
    rsa_bits: int = 0


KINDS: dict[str, Abilities] = {
    "aes256-gcm96": Abilities(symmetric=True, encrypts=True),
    "chacha20-poly1305": Abilities(symmetric=True, encrypts=True),
    "rsa-2048": Abilities(encrypts=True, signs=True, rsa_bits=2_048),
    "rsa-3072": Abilities(encrypts=True, signs=True, rsa_bits=3_072),
    "rsa-4096": Abilities(encrypts=True, signs=True, rsa_bits=4_096),
    "ed25519": Abilities(signs=True),
    "ecdsa-p256": Abilities(signs=True),
}


def kind_of(text: str) -> KeyKind:
    """Return the kind named *text*.

    Raises:
        InvalidRequest: there is no such kind.
    """
    if text not in KINDS:
        raise InvalidRequest(f"unknown key type {text[:40]!r}; known are {', '.join(KINDS)}")
    return text  # type: ignore[return-value]  # just checked
