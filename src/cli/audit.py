"""``tradeplane audit``: verify a log from its files alone, prove an order, export the log.

Verification needs no server and no cluster: a folder of files, and a key from elsewhere.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tradeplane.audit.checkpoint import Checkpoint, parse_checkpoint
from tradeplane.audit.document import read_record
from tradeplane.audit.log_files import LogFiles, Read
from tradeplane.audit.signed_note import NOTE_BYTES_MAX, NoteVerifier, parse_vkey
from tradeplane.audit.tile_paths import CHECKPOINT, PREFIX, VKEY, TilePath, tiles_between
from tradeplane.audit.tile_tree import TILE_WIDTH
from tradeplane.audit.tlog_proof import TlogProof, parse_proof, verify_proof
from tradeplane.audit.verifier import verify_log
from tradeplane.errors import (
    AuditLogDamaged,
    ComponentUnavailable,
    InvalidRequest,
    NotFound,
    ProofRefused,
)
from tradeplane.settings import Settings

KEY_FILE = "audit.vkey"
_ACCEPTED = "order.accepted"
_PROOF_BYTES_MAX = 4 * 1024 * 1024
_ATTEMPTS_MAX = 5


def add_commands(commands: Any, settings: Callable[[], Settings]) -> None:
    """Add the noun ``audit`` to the parser.

    Args:
        commands: where nouns are added.
        settings: returns the installation's settings; called only by commands that need them.
    """
    verbs = commands.add_parser("audit", help="the audit log").add_subparsers(
        required=True, metavar="VERB"
    )
    verify = verbs.add_parser("verify", help="check a whole log from its files alone")
    verify.add_argument("folder", type=Path, help="where checkpoint and tile/ are")
    verify.add_argument("--key", type=Path, required=True, help="file of the log's public key")
    verify.add_argument("--trusted", type=Path, help="the last checkpoint that you verified")
    verify.set_defaults(do=_verify)
    proof = verbs.add_parser("proof", help="make the proof of an order or an entry from the files")
    proof.add_argument("folder", type=Path, help="where checkpoint and tile/ are")
    proof.add_argument("what", help="an order's id, or an entry's index")
    proof.add_argument("--out", type=Path, help="file to write; the standard output by default")
    proof.set_defaults(do=_proof)
    check = verbs.add_parser("check-proof", help="check a proof file offline")
    check.add_argument("file", type=Path, help="a .tlog-proof file")
    check.add_argument("--key", type=Path, required=True, help="file of the log's public key")
    check.set_defaults(do=_check_proof)
    export = verbs.add_parser("export", help="copy the published log into a folder")
    export.add_argument(
        "folder", type=Path, help="where to; an earlier export is brought up to date"
    )
    export.set_defaults(do=lambda given: _export(given, settings()))


def _verify(given: argparse.Namespace) -> int:
    read = _reader(given.folder)
    trusted = None if given.trusted is None else _content(given.trusted, NOTE_BYTES_MAX)
    report = verify_log(read, _key(given.key), trusted)
    for finding in report.findings:
        sys.stdout.write(f"{finding.damage}  {finding.place}  {finding.text}\n")
    if report.cut_off:
        sys.stdout.write("there is more damage than is listed here\n")
    if not report.sound:
        return 1
    sys.stdout.write(f"sound: {report.origin}, {report.size} entries, root {report.root}\n")
    return 0


def _proof(given: argparse.Namespace) -> int:
    read = _reader(given.folder)
    note, checkpoint = _checkpoint(read)
    files = LogFiles(read, checkpoint.size)
    index = _index_of(files, given.what)
    proof = TlogProof(index, tuple(files.inclusion(index)), note, files.entry(index)).encode()
    if given.out is None:
        sys.stdout.buffer.write(proof)
    else:
        given.out.write_bytes(proof)
    return 0


def _index_of(files: LogFiles, what: str) -> int:
    if what.isascii() and what.isdigit():
        if int(what) >= files.size:
            raise NotFound(f"the log has {files.size} entries; the last is {files.size - 1}")
        return int(what)
    for index, entry in _entries(files):
        # Parsing is dear: an entry that does not even hold the text is passed over.
        if what.encode() in entry:
            record = read_record(entry)
            if (record.action, record.target_id) == (_ACCEPTED, what):
                return index
    raise NotFound(f"the log has no order {what}")


def _entries(files: LogFiles) -> Iterator[tuple[int, bytes]]:
    for bundle in range(-(-files.size // TILE_WIDTH)):
        yield from enumerate(files.entries(bundle), bundle * TILE_WIDTH)


def _check_proof(given: argparse.Namespace) -> int:
    proof = parse_proof(_content(given.file, _PROOF_BYTES_MAX))
    problem = verify_proof(proof, proof.extra, [_key(given.key)])
    if problem is not None:
        raise ProofRefused(f"the proof does not hold: {problem}")
    sys.stderr.write(f"entry {proof.index} is in the log:\n")
    sys.stdout.write(proof.extra.decode() + "\n")
    return 0


def _export(given: argparse.Namespace, settings: Settings) -> int:
    from adapters.objects.folder import FolderObjects
    from adapters.objects.opening import open_objects

    source = open_objects(settings.object_store_url, settings.home)
    target = FolderObjects(given.folder)
    try:
        for attempt in range(_ATTEMPTS_MAX):
            try:
                size = _copy(source.read, target)
                break
            except AuditLogDamaged:
                # A partial tile may have given way to a fuller one: its checkpoint has too then.
                if attempt == _ATTEMPTS_MAX - 1:
                    raise
    finally:
        source.close()
    sys.stdout.write(f"{size} entries are in {given.folder}\n")
    return 0


def _copy(source: Read, target: Any) -> int:
    note, checkpoint = _checkpoint(lambda path: source(PREFIX + path))
    before = target.read(CHECKPOINT)
    known = 0 if before is None else parse_checkpoint(before)[0].size
    batch: dict[str, bytes] = {}
    for path in tiles_between(min(known, checkpoint.size), checkpoint.size):
        batch[path.text()] = _tile(source, path)
        if len(batch) == TILE_WIDTH:
            _create(target, batch)
            batch = {}
    _create(target, batch)
    vkey = source(PREFIX + VKEY)
    if vkey is not None:
        target.replace(KEY_FILE, vkey)
    target.replace(CHECKPOINT, note)
    return checkpoint.size


def _create(target: Any, objects: dict[str, bytes]) -> None:
    for name in target.create(objects):
        if target.read(name) != objects[name]:
            raise ProofRefused(
                f"{name} of the earlier export is not what the log says now: one of them was "
                "changed; keep both, and verify each"
            )


def _tile(source: Read, path: TilePath) -> bytes:
    content = source(PREFIX + path.text())
    if content is None:
        raise AuditLogDamaged(f"{path.text()} is missing in the object store")
    return content


def _checkpoint(read: Read) -> tuple[bytes, Checkpoint]:
    note = read(CHECKPOINT)
    if note is None:
        raise ComponentUnavailable("there is no checkpoint here; is this the folder of a log?")
    return note, parse_checkpoint(note)[0]


def _reader(folder: Path) -> Read:
    if not folder.is_dir():
        raise InvalidRequest(f"{folder} is no folder")
    if (folder / PREFIX / CHECKPOINT).is_file():
        folder = folder / PREFIX

    def read(path: str) -> bytes | None:
        file = folder / path
        return file.read_bytes() if file.is_file() else None

    return read


def _key(file: Path) -> NoteVerifier:
    try:
        return parse_vkey(_content(file, NOTE_BYTES_MAX).decode())
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"{file} holds no verifier key") from error


def _content(file: Path, bytes_max: int) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(bytes_max + 1)
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be read: {error.strerror}") from error
    if len(content) > bytes_max:
        raise InvalidRequest(f"{file} is larger than {bytes_max} bytes")
    return content
