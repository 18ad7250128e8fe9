"""Whether the entries of a log are all there, once each, in their order and by their clock."""

from __future__ import annotations

from tradeplane.audit.damage import Damage, Findings
from tradeplane.audit.document import AuditRecord

_GAPS_MAX = 100_000


class SequenceCheck:
    """Reads the index and the time that each entry states, from the first to the last.

    Args:
        findings: where damage is noted.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._next = 0
        self._gaps: dict[int, None] = {}
        self._logged_ms = 0

    def take(self, position: int, record: AuditRecord) -> None:
        """Take the entry at *position* of the log."""
        index = record.log_index
        if index >= self._next:
            self._open_gap(index)
            self._next = index + 1
        elif index not in self._gaps:
            self._findings.add(
                Damage.INDEX_DUPLICATED, f"entry {position}", f"claims index {index} again"
            )
        else:
            del self._gaps[index]
            if index != position:
                self._findings.add(
                    Damage.RECORD_SWAPPED,
                    f"entry {position}",
                    f"holds record {index}, which belongs before others in front of it",
                )
        if index == position:
            self._check_clock(position, record)

    def skip(self, position: int) -> None:
        """Go past an entry that could not be read; its damage is noted already."""
        self._next = max(self._next, position + 1)

    def reach(self, end: int) -> None:
        """Note that every entry before *end* that is there has been read."""
        self._open_gap(end)
        self._next = max(self._next, end)

    def finish(self) -> None:
        """Note what never came."""
        for index in self._gaps:
            self._findings.add(Damage.RECORD_DROPPED, f"entry {index}", "is not in the log")

    def _open_gap(self, index: int) -> None:
        """Expect the records from the next one to before *index* later, or never."""
        room = _GAPS_MAX - len(self._gaps)
        self._gaps.update(dict.fromkeys(range(self._next, min(index, self._next + room))))
        self._findings.cut_off |= index - self._next > room

    def _check_clock(self, position: int, record: AuditRecord) -> None:
        if record.logged_ms < self._logged_ms:
            self._findings.add(
                Damage.CLOCK_WENT_BACK,
                f"entry {position}",
                f"was sequenced {self._logged_ms - record.logged_ms} ms before the entry "
                "in front of it, as it says",
            )
        self._logged_ms = max(self._logged_ms, record.logged_ms)
