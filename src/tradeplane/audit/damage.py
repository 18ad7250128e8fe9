"""What can be wrong with a log, each kind under a code of its own."""

from __future__ import annotations

import enum

import msgspec


class Damage(enum.StrEnum):
    """The kinds of damage that a verifier tells apart."""

    CHECKPOINT_MISSING = "checkpoint_missing"
    CHECKPOINT_MALFORMED = "checkpoint_malformed"
    WRONG_ORIGIN = "wrong_origin"
    """The checkpoint is of another log than the key."""
    WRONG_KEY_ID = "wrong_key_id"
    """No signature claims to be of this key."""
    WRONG_SIGNATURE = "wrong_signature"
    """A signature claims to be of this key, and is not."""
    ALTERED_ROOT = "altered_root"
    """The signature is for the true root, the root line says another one."""
    ROOT_MISMATCH = "root_mismatch"
    """The files agree with one another, and not with the signed root: they were rewritten."""
    TILE_MISSING = "tile_missing"
    TILE_ALTERED = "tile_altered"
    BUNDLE_MISSING = "bundle_missing"
    BUNDLE_MALFORMED = "bundle_malformed"
    """The lengths in a bundle do not add up."""
    TAIL_CUT = "tail_cut"
    """Everything from some entry on is missing."""
    ENTRY_ALTERED = "entry_altered"
    RECORD_DROPPED = "record_dropped"
    """An index is missing among the entries."""
    RECORD_SWAPPED = "record_swapped"
    """Entries stand in each other's places."""
    INDEX_DUPLICATED = "index_duplicated"
    """Two entries claim one index."""
    CLOCK_WENT_BACK = "clock_went_back"
    """An entry says that it was sequenced before the one in front of it."""
    FORK = "fork"
    """The log does not contain the last trusted tree: there are two histories."""
    CHECKPOINT_REPLAYED = "checkpoint_replayed"
    """The checkpoint is genuine, and older than the last trusted one."""
    TRUSTED_REFUSED = "trusted_refused"
    """The checkpoint that was given as trusted is not signed by this key."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong.

    Attributes:
        damage: its kind.
        place: the object, or ``entry N``.
        text: what was found, for a person.
    """

    damage: Damage
    place: str
    text: str


class Report(msgspec.Struct, frozen=True):
    """What a verification found.

    Attributes:
        origin: the log's name, by its checkpoint.
        size: entries, by its checkpoint.
        root: hex, by its checkpoint.
        findings: what is wrong; empty for a sound log.
        cut_off: more was wrong than a report holds.
    """

    origin: str = ""
    size: int = 0
    root: str = ""
    findings: tuple[Finding, ...] = ()
    cut_off: bool = False

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


class Findings:
    """Collects findings, and no more than a report holds.

    Args:
        findings_max: how many that is.
    """

    def __init__(self, findings_max: int = 1_000) -> None:
        self.found: list[Finding] = []
        self.cut_off = False
        self._findings_max = findings_max

    def add(self, damage: Damage, place: str, text: str) -> None:
        """Note one thing that is wrong."""
        if len(self.found) < self._findings_max:
            self.found.append(Finding(damage, place, text))
        else:
            self.cut_off = True
