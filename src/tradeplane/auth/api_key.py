"""The form of API keys: recognisable by scanners, checkable without a database.

A key id is ``PK`` and 18 characters, as Alpaca's users know it. A secret is ``tps_``, 256 random
bits in base 62, and a CRC-32 of those in 6 characters, so that a typing error or a false alarm of
a secret scanner is told from a real key (the form that GitHub introduced in 2021).
"""

from __future__ import annotations

import zlib

import msgspec

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SECRET_PREFIX = "tps_"  # noqa: S105  # the public prefix, no secret
_BODY_LENGTH = 43
_CRC_LENGTH = 6
RANDOM_BYTES = 44
"""How many random bytes :func:`api_key_from` takes."""


class ApiKey(msgspec.Struct, frozen=True):
    """A new key, the only time that its secret is seen."""

    key_id: str
    secret_key: str


def api_key_from(random: bytes) -> ApiKey:
    """Return the key that *random*, ``RANDOM_BYTES`` random bytes, makes."""
    assert len(random) == RANDOM_BYTES, "a key takes all of its randomness from the caller"
    key_id = "PK" + _digits(int.from_bytes(random[:12], "big"), _BASE32, 18)
    body = _digits(int.from_bytes(random[12:], "big"), _BASE62, _BODY_LENGTH)
    return ApiKey(key_id, f"{_SECRET_PREFIX}{body}{_checksum(body)}")


def is_well_formed(secret_key: str) -> bool:
    """Return whether *secret_key* has the form and the checksum of a secret."""
    body = secret_key[len(_SECRET_PREFIX) : -_CRC_LENGTH]
    return (
        secret_key.startswith(_SECRET_PREFIX)
        and len(body) == _BODY_LENGTH
        and secret_key.endswith(_checksum(body))
    )


def _checksum(body: str) -> str:
    return _digits(zlib.crc32(body.encode()), _BASE62, _CRC_LENGTH)


def _digits(number: int, alphabet: str, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return "".join(reversed(digits))
