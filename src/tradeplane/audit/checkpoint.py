"""Checkpoints (C2SP tlog-checkpoint): a signed note that says how large a log is, and its root."""

from __future__ import annotations

import base64
import binascii
import re

import msgspec

from tradeplane.audit.merkle import HASH_BYTES
from tradeplane.audit.signed_note import NoteSigner, SignedNote, parse_note
from tradeplane.errors import InvalidRequest

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_BODY_LINES = 3


class Checkpoint(msgspec.Struct, frozen=True):
    """One state of a log.

    Attributes:
        origin: the log's name.
        size: how many entries it has.
        root: the root of their tree.
    """

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """Return the note's text."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    def signed(self, signer: NoteSigner) -> bytes:
        """Return the checkpoint as a note with *signer*'s signature."""
        return signer.sign(self.text())


def parse_checkpoint(data: bytes) -> tuple[Checkpoint, SignedNote]:
    """Return the checkpoint in *data* and the note around it; no signature is verified.

    Raises:
        InvalidRequest: it is no checkpoint.
    """
    note = parse_note(data)
    lines = note.text[:-1].split("\n")
    if len(lines) < _BODY_LINES or not all(lines):
        raise InvalidRequest("a checkpoint must have an origin, a size and a root")
    origin, size, encoded = lines[:_BODY_LINES]
    if not _SIZE.fullmatch(size):
        raise InvalidRequest("a checkpoint's size must be a decimal number")
    try:
        root = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("a checkpoint's root must be base64") from error
    if len(root) != HASH_BYTES or base64.b64encode(root).decode() != encoded:
        raise InvalidRequest(f"a checkpoint's root must be {HASH_BYTES} bytes of base64")
    return Checkpoint(origin, int(size), root), note
