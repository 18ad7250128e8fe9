"""A proof in one text file (C2SP tlog-proof@v1): that a record is in a log, checked offline."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

import msgspec

from tradeplane.audit.checkpoint import parse_checkpoint
from tradeplane.audit.merkle import HASH_BYTES, leaf_hash
from tradeplane.audit.proofs import verify_inclusion
from tradeplane.audit.signed_note import NoteVerifier
from tradeplane.errors import InvalidRequest

HEADER = "c2sp.org/tlog-proof@v1"
PATH_MAX = 63
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


class TlogProof(msgspec.Struct, frozen=True):
    """That the log whose checkpoint this is holds a record.

    Attributes:
        index: the record's place in the log.
        path: the inclusion proof.
        checkpoint: the signed checkpoint that it leads to.
        extra: the record itself, so that the file can be checked alone.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def encode(self) -> bytes:
        """Return the file."""
        lines = [HEADER]
        if self.extra:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [base64.b64encode(part).decode() for part in self.path]
        return ("\n".join(lines) + "\n\n").encode() + self.checkpoint


def parse_proof(data: bytes) -> TlogProof:
    """Return the proof in the file *data*; nothing is verified.

    Raises:
        InvalidRequest: it is no proof.
    """
    head, separator, checkpoint = data.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise InvalidRequest("a proof must be ASCII before its checkpoint") from error
    if not separator or lines.pop(0) != HEADER:
        raise InvalidRequest(f"a proof must begin with {HEADER} and end with a checkpoint")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = _decoded(lines.pop(0).removeprefix("extra "))
    found = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if found is None:
        raise InvalidRequest("a proof must have a line with its index")
    if len(lines) > PATH_MAX:
        raise InvalidRequest(f"a proof must have at most {PATH_MAX} hashes")
    path = tuple(_decoded(line) for line in lines)
    if any(len(part) != HASH_BYTES for part in path):
        raise InvalidRequest(f"each hash of a proof must have {HASH_BYTES} bytes")
    return TlogProof(int(found.group(1)), path, checkpoint, extra)


def verify_proof(proof: TlogProof, record: bytes, keys: Sequence[NoteVerifier]) -> str | None:
    """Return None when *proof* shows that *record* is in the log of one of *keys*, else why not."""
    try:
        checkpoint, note = parse_checkpoint(proof.checkpoint)
    except InvalidRequest as error:
        return f"the checkpoint is malformed: {error}"
    if not any(key.name == checkpoint.origin and key.judge(note) == "valid" for key in keys):
        return "the checkpoint has no valid signature of a given key"
    leaf = leaf_hash(record)
    if not verify_inclusion(proof.index, checkpoint.size, leaf, proof.path, checkpoint.root):
        return "the record is not at this index of the log"
    return None


def _decoded(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("a line of the proof is no base64") from error
    if base64.b64encode(decoded).decode() != text:
        raise InvalidRequest("a line of the proof is not the one way to write its bytes")
    return decoded
