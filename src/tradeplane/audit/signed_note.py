"""Signed notes (C2SP signed-note): a text, and Ed25519 signatures of it by named keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Literal

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from tradeplane.errors import InvalidRequest

NOTE_BYTES_MAX = 65_536
SIGNATURES_MAX = 64
_ED25519 = b"\x01"
_KEY_BYTES = 32
_KEY_ID_BYTES = 4
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NAME = re.compile(r"[^\s+]+")

Verdict = Literal["valid", "unknown key", "wrong signature"]


class NoteSignature(msgspec.Struct, frozen=True):
    """One signature line; whether it is right is another question."""

    name: str
    key_id: bytes
    signature: bytes


class SignedNote(msgspec.Struct, frozen=True):
    """A note as it was read.

    Attributes:
        text: what is signed, with its last newline.
        signatures: in the note's order.
    """

    text: str
    signatures: tuple[NoteSignature, ...]


class NoteVerifier(msgspec.Struct, frozen=True):
    """A key that notes are checked by.

    Attributes:
        name: the key's name, which for a log is its origin.
        public_key: 32 bytes.
    """

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The first four bytes of the hash of name, algorithm and key."""
        material = self.name.encode() + b"\n" + _ED25519 + self.public_key
        return hashlib.sha256(material).digest()[:_KEY_ID_BYTES]

    def vkey(self) -> str:
        """Return the key in the form in which it is handed out: name, key id and key."""
        encoded = base64.b64encode(_ED25519 + self.public_key).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    def judge(self, note: SignedNote) -> Verdict:
        """Say whether *note* carries a right signature of this key, a wrong one, or none."""
        verdict: Verdict = "unknown key"
        for signature in note.signatures:
            if (signature.name, signature.key_id) != (self.name, self.key_id):
                continue
            if not self.verifies(note.text, signature.signature):
                return "wrong signature"
            verdict = "valid"
        return verdict

    def verifies(self, text: str, signature: bytes) -> bool:
        """Return whether *signature* is this key's signature of *text*."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(signature, text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class NoteSigner:
    """A key that signs notes.

    Args:
        name: the key's name; no spaces and no plus sign.
        private_key: 32 bytes.
    """

    def __init__(self, name: str, private_key: bytes) -> None:
        assert _NAME.fullmatch(name), "a key's name has no spaces and no plus"
        self._key = Ed25519PrivateKey.from_private_bytes(private_key)
        self.verifier = NoteVerifier(name, self._key.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        """Return *text*, which ends in a newline, as a note with this key's signature."""
        assert text.endswith("\n"), "the text of a note ends in a newline"
        signature = self.verifier.key_id + self._key.sign(text.encode())
        encoded = base64.b64encode(signature).decode()
        return f"{text}\n— {self.verifier.name} {encoded}\n".encode()


def parse_note(note: bytes) -> SignedNote:
    """Return the parts of *note*.

    Raises:
        InvalidRequest: it is no signed note.
    """
    if len(note) > NOTE_BYTES_MAX:
        raise InvalidRequest(f"a signed note has at most {NOTE_BYTES_MAX} bytes")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise InvalidRequest("a signed note is UTF-8") from None
    text, separator, tail = whole.rpartition("\n\n")
    if not separator or not tail.endswith("\n") or _CONTROLS.search(whole):
        raise InvalidRequest("a signed note is a text, an empty line and signature lines")
    lines = tail[:-1].split("\n")
    if len(lines) > SIGNATURES_MAX:
        raise InvalidRequest(f"a signed note has at most {SIGNATURES_MAX} signatures")
    return SignedNote(text + "\n", tuple(_signature(line) for line in lines))


def parse_vkey(vkey: str) -> NoteVerifier:
    """Return the key that *vkey* describes.

    Raises:
        InvalidRequest: it is no Ed25519 key in that form, or its key id is not its own.
    """
    parts = vkey.strip().split("+", 2)
    if len(parts) != 3 or not _NAME.fullmatch(parts[0]):
        raise InvalidRequest("a verifier key is like name+0123abcd+base64")
    name, key_id, encoded = parts
    key = _decoded(encoded)
    if key[:1] != _ED25519 or len(key) != 1 + _KEY_BYTES:
        raise InvalidRequest("the verifier key is no Ed25519 key of 32 bytes")
    verifier = NoteVerifier(name, key[1:])
    if verifier.key_id.hex() != key_id:
        raise InvalidRequest("the verifier key's id does not belong to its name and key")
    return verifier


def _signature(line: str) -> NoteSignature:
    found = _SIGNATURE.fullmatch(line)
    if found is None:
        raise InvalidRequest("a signature line is a dash, the key's name and base64")
    signature = _decoded(found[2])
    if len(signature) <= _KEY_ID_BYTES:
        raise InvalidRequest("a signature is longer than its key id")
    return NoteSignature(found[1], signature[:_KEY_ID_BYTES], signature[_KEY_ID_BYTES:])


def _decoded(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest("this is no base64") from None
    if base64.b64encode(decoded).decode() != text:
        raise InvalidRequest("this base64 has stray bits")
    return decoded
