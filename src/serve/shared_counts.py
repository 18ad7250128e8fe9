"""Request counts that all processes of a node see, in a page of memory that they share."""

from __future__ import annotations

import fcntl
import mmap
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO

from tradeplane.errors import Misconfigured

_PROCESSES_MAX = 64
_ENTRIES = 4_096
_PROBES = 8
_WORD_BYTES = 8
_ENTRY_WORDS = 2  # a key's digest; the window's number in the high half, the count in the low
_REGION_WORDS = _ENTRIES * _ENTRY_WORDS
_PAGE_BYTES = (_PROCESSES_MAX * _REGION_WORDS + 1) * _WORD_BYTES
_COUNT_BITS = 32
_COUNT_MAX = 2**_COUNT_BITS - 1


class SharedCounts:
    """Satisfies :class:`policies.rate_limits.RequestCounts` for all processes of one folder.

    Each process writes a region of its own and reads all of them, so nobody waits for anybody and
    no increment is lost; two processes that look at the same moment may both let a request pass,
    so a limit is overshot by at most one request a process. The region of a process that dies is
    taken over as it is by the next that starts: what it let pass counts until the window ends.
    The page is 4 MiB, of which the system keeps what was used.

    A region has room for 4096 keys a minute; when eight that share a place are live, the one with
    the fewest requests is forgotten.

    Args:
        folder: where the processes meet; owned by this user alone.

    Raises:
        Misconfigured: more than 64 processes meet there.
    """

    def __init__(self, folder: Path) -> None:
        self._lock, self._slot = _free_slot(folder)
        path = folder / "request-counts"
        with path.open("a+b") as file:
            if path.stat().st_size < _PAGE_BYTES:
                file.truncate(_PAGE_BYTES)
            self._page = mmap.mmap(file.fileno(), _PAGE_BYTES)
        self._words = memoryview(self._page).cast("Q")
        last = _PROCESSES_MAX * _REGION_WORDS
        # Only ever grows, and a process that misses the newest one for a moment is one that races.
        self._words[last] = max(self._words[last], self._slot + 1)
        self._elsewhere: tuple[int, Mapping[int, int]] = (-1, {})

    def passed(self, key: str, window: int) -> int:
        """Return how many passed on this node and, by the last report, on others."""
        digest = key_digest(key)
        words, start = self._words, (digest % _ENTRIES) * _ENTRY_WORDS
        total = 0
        for slot in range(words[_PROCESSES_MAX * _REGION_WORDS]):
            at = self._find(slot * _REGION_WORDS, start, digest)
            if at is not None and words[at + 1] >> _COUNT_BITS == window:
                total += words[at + 1] & _COUNT_MAX
        known_window, elsewhere = self._elsewhere
        if known_window == window:
            total += elsewhere.get(digest, 0)
        return total

    def add(self, key: str, window: int) -> None:
        """Note that one more passed here."""
        digest = key_digest(key)
        words, region = self._words, self._slot * _REGION_WORDS
        start = (digest % _ENTRIES) * _ENTRY_WORDS
        at = self._find(region, start, digest)
        if at is None:
            at = self._room(region, start, window)
            # In this order, so that nobody reads one key's count as another's.
            words[at + 1] = 0
            words[at] = digest
        value = words[at + 1]
        count = value & _COUNT_MAX if value >> _COUNT_BITS == window else 0
        words[at + 1] = window << _COUNT_BITS | min(count + 1, _COUNT_MAX)

    def own_totals(self, window: int) -> dict[int, int]:
        """Return what this process let pass in *window*, by the digest of the key."""
        region = self._words[self._slot * _REGION_WORDS : (self._slot + 1) * _REGION_WORDS]
        entries = zip(region[::2], region[1::2], strict=True)
        return {
            digest: value & _COUNT_MAX
            for digest, value in entries
            if value >> _COUNT_BITS == window
        }

    def hear(self, window: int, elsewhere: Mapping[int, int]) -> None:
        """Take what other nodes let pass in *window*, by the digest of the key."""
        self._elsewhere = (window, elsewhere)

    def close(self) -> None:
        """Let the region go; what it counts stays until the window ends. Idempotent."""
        if not self._lock.closed:
            self._words.release()
            self._page.close()
            self._lock.close()

    def _find(self, region: int, start: int, digest: int) -> int | None:
        words = self._words
        for probe in range(0, _PROBES * _ENTRY_WORDS, _ENTRY_WORDS):
            at = region + (start + probe) % _REGION_WORDS
            found = words[at]
            if found == digest:
                return at
            if found == 0:
                return None
        return None

    def _room(self, region: int, start: int, window: int) -> int:
        """Return the best place for a new key: empty, past, or that of the least used one."""
        words = self._words

        def use(at: int) -> int:
            value = words[at + 1]
            return value & _COUNT_MAX if value >> _COUNT_BITS == window else 0

        places = [
            region + (start + probe) % _REGION_WORDS
            for probe in range(0, _PROBES * _ENTRY_WORDS, _ENTRY_WORDS)
        ]
        for at in places:
            if words[at] == 0:
                return at
        return min(places, key=use)


@lru_cache(maxsize=16_384)
def key_digest(key: str) -> int:
    """Return what stands for *key* in the page, the same in every process; never 0."""
    digest = blake2b(key.encode(errors="surrogatepass"), digest_size=_WORD_BYTES).digest()
    return int.from_bytes(digest, "big") | 1


def _free_slot(folder: Path) -> tuple[BinaryIO, int]:
    """Return a region's number and the open file whose lock says that it is taken."""
    for slot in range(_PROCESSES_MAX):
        file = (folder / f"request-counts-{slot:02}.lock").open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            return file, slot
    raise Misconfigured(f"more than {_PROCESSES_MAX} processes share this port")
