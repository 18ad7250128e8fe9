"""How ciphertexts, signatures and HMACs are written: ``vault:vN:`` and base64, as Vault does."""

from __future__ import annotations

import base64
import binascii
import re

import msgspec

from tradeplane.errors import InvalidRequest

VERSION_MAX = 1_000_000
REFUSED = "invalid ciphertext: unable to decrypt"
"""The one refusal of a ciphertext. It MUST NOT depend on what is wrong with it."""

_FORM = re.compile(r"vault:v([1-9][0-9]{0,6}):([A-Za-z0-9+/_=-]*)", re.ASCII)


class Versioned(msgspec.Struct, frozen=True):
    """Bytes, and the version of the key that made them."""

    version: int
    payload: bytes


def written(version: int, payload: bytes) -> str:
    """Return *payload* as clients keep it."""
    return f"vault:v{version}:{base64.b64encode(payload).decode()}"


def written_for_jws(version: int, payload: bytes) -> str:
    """Return a signature as RFC 7515 has it: base64url without padding, after the prefix."""
    encoded = base64.urlsafe_b64encode(payload).rstrip(b"=")
    return f"vault:v{version}:{encoded.decode()}"


def read(text: str, refusal: str = REFUSED) -> Versioned:
    """Return what :func:`written` wrote.

    Raises:
        InvalidRequest: it is not of that form; says *refusal* and nothing more.
    """
    return _read(text, refusal, b"+/")


def read_for_jws(text: str, refusal: str) -> Versioned:
    """Return what :func:`written_for_jws` wrote.

    Raises:
        InvalidRequest: it is not of that form; says *refusal* and nothing more.
    """
    return _read(text, refusal, b"-_")


def _read(text: str, refusal: str, alphabet: bytes) -> Versioned:
    found = _FORM.fullmatch(text)
    if found is None or int(found[1]) > VERSION_MAX:
        raise InvalidRequest(refusal)
    encoded = found[2].encode()
    if alphabet == b"-_":
        encoded += b"=" * (-len(encoded) % 4)
    try:
        payload = base64.b64decode(encoded, alphabet, validate=True)
    except binascii.Error:
        raise InvalidRequest(refusal) from None
    if _again(payload, alphabet) != found[2].encode():
        # One payload has one form: an encoder's spare bits, or padding, cannot make another.
        raise InvalidRequest(refusal)
    return Versioned(int(found[1]), payload)


def _again(payload: bytes, alphabet: bytes) -> bytes:
    encoded = base64.b64encode(payload, alphabet)
    return encoded.rstrip(b"=") if alphabet == b"-_" else encoded


def associated_data(tenant_id: str, name: str, version: int, given: bytes) -> bytes:
    """Return what a ciphertext is bound to: whose key made it, which version, and the caller's."""
    return msgspec.msgpack.encode((tenant_id, name, version, given))
