"""Verifies a whole log from its files alone: no server, no database, only a key that is trusted."""

from __future__ import annotations

import base64
from hmac import compare_digest

from tradeplane.audit.checkpoint import Checkpoint, parse_checkpoint
from tradeplane.audit.damage import Damage, Findings, Report
from tradeplane.audit.log_files import Read
from tradeplane.audit.signed_note import NoteVerifier, SignedNote
from tradeplane.audit.survey import Survey
from tradeplane.audit.tile_paths import CHECKPOINT
from tradeplane.errors import InvalidRequest

_OF_FILES = frozenset(
    {
        Damage.TILE_ALTERED,
        Damage.TILE_MISSING,
        Damage.BUNDLE_MISSING,
        Damage.BUNDLE_MALFORMED,
        Damage.ENTRY_ALTERED,
        Damage.TAIL_CUT,
    }
)
"""Damage after which the files have no root to speak of."""


def verify_log(read: Read, key: NoteVerifier, trusted: bytes | None = None) -> Report:
    """Return what is wrong with the log that *read* shows; nothing for a sound one.

    A log whose operator rewrote it and signed it anew is sound in itself: only a checkpoint from
    before, kept elsewhere, shows that there are two histories.

    Args:
        read: where the objects are.
        key: the log's key, from a source that is trusted.
        trusted: the last checkpoint that was verified before, or None.
    """
    findings = Findings()
    older = _trusted(trusted, key, findings)
    note = read(CHECKPOINT)
    if note is None:
        findings.add(Damage.CHECKPOINT_MISSING, CHECKPOINT, "is missing")
        return _report(None, findings)
    try:
        checkpoint, signed = parse_checkpoint(note)
    except InvalidRequest as error:
        findings.add(Damage.CHECKPOINT_MALFORMED, CHECKPOINT, str(error))
        return _report(None, findings)
    if checkpoint.origin != key.name:
        findings.add(
            Damage.WRONG_ORIGIN,
            CHECKPOINT,
            f"is of the log {checkpoint.origin}, the key is for {key.name}",
        )
    survey = Survey(
        read,
        checkpoint.size,
        checkpoint.root,
        findings,
        also_at=older.size if older is not None and older.size < checkpoint.size else 0,
    )
    root = survey.run()
    _check_signature(checkpoint, signed, key, root, findings)
    if older is not None:
        _compare(older, checkpoint, survey, root, findings)
    return _report(checkpoint, findings)


def _trusted(note: bytes | None, key: NoteVerifier, findings: Findings) -> Checkpoint | None:
    if note is None:
        return None
    try:
        checkpoint, signed = parse_checkpoint(note)
    except InvalidRequest as error:
        findings.add(Damage.TRUSTED_REFUSED, "trusted checkpoint", str(error))
        return None
    if checkpoint.origin != key.name or key.judge(signed) != "valid":
        findings.add(Damage.TRUSTED_REFUSED, "trusted checkpoint", f"is not signed by {key.vkey()}")
        return None
    return checkpoint


def _check_signature(
    checkpoint: Checkpoint, signed: SignedNote, key: NoteVerifier, root: bytes, findings: Findings
) -> None:
    verdict = key.judge(signed)
    computed = root and not compare_digest(root, checkpoint.root)
    if verdict == "unknown key":
        findings.add(
            Damage.WRONG_KEY_ID, CHECKPOINT, f"has no signature of the key {key.key_id.hex()}"
        )
    elif verdict == "wrong signature":
        if computed and _signed_with(root, signed, key):
            findings.add(
                Damage.ALTERED_ROOT,
                CHECKPOINT,
                f"names the root {_base64(checkpoint.root)}, and was signed for {_base64(root)}",
            )
            return
        findings.add(Damage.WRONG_SIGNATURE, CHECKPOINT, "has a signature that is not of its text")
    if computed and not any(finding.damage in _OF_FILES for finding in findings.found):
        findings.add(
            Damage.ROOT_MISMATCH,
            CHECKPOINT,
            f"is for the root {_base64(checkpoint.root)}, the entries have {_base64(root)}: they "
            "were rewritten",
        )


def _signed_with(root: bytes, signed: SignedNote, key: NoteVerifier) -> bool:
    """Return whether the note's signature is right when its root line says *root*."""
    origin, size, _, *rest = signed.text.split("\n")
    text = "\n".join([origin, size, _base64(root), *rest])
    return any(
        key.verifies(text, signature.signature)
        for signature in signed.signatures
        if (signature.name, signature.key_id) == (key.name, key.key_id)
    )


def _compare(
    older: Checkpoint, newer: Checkpoint, survey: Survey, root: bytes, findings: Findings
) -> None:
    if newer.size < older.size:
        findings.add(
            Damage.CHECKPOINT_REPLAYED,
            CHECKPOINT,
            f"has {newer.size} entries, the trusted one has {older.size}",
        )
        return
    if newer.size == older.size:
        forked = not compare_digest(newer.root, older.root)
    else:
        forked = bool(older.size and root) and not compare_digest(
            survey.root_at(older.size), older.root
        )
    if forked:
        findings.add(
            Damage.FORK,
            f"entry {older.size}",
            f"the first {older.size} entries are not those of the trusted checkpoint",
        )


def _base64(root: bytes) -> str:
    return base64.b64encode(root).decode()


def _report(checkpoint: Checkpoint | None, findings: Findings) -> Report:
    found = tuple(findings.found)
    if checkpoint is None:
        return Report(findings=found, cut_off=findings.cut_off)
    return Report(
        origin=checkpoint.origin,
        size=checkpoint.size,
        root=checkpoint.root.hex(),
        findings=found,
        cut_off=findings.cut_off,
    )
