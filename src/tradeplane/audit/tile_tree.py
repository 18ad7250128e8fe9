"""The growing edge of a Merkle tree, kept as the tiles that have yet to be published."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tradeplane.audit.merkle import EMPTY_ROOT, HASH_BYTES, fold_peaks, perfect_root

TILE_HEIGHT = 8
TILE_WIDTH = 256
"""Hashes in a full tile (C2SP tlog-tiles)."""


class _Level(msgspec.Struct, array_like=True):
    base: int
    hashes: bytes


class _Document(msgspec.Struct, array_like=True):
    size: int
    levels: list[_Level]


class TileTree:
    """Appends leaves and knows the root of every size since the last :meth:`trim`.

    Level 0 is the leaves' hashes, level L the roots of perfect subtrees of 256**L leaves. Of each
    level only the right end is kept, from the beginning of a tile.

    Attributes:
        size: leaves so far.
    """

    def __init__(self) -> None:
        self.size = 0
        self._bases = [0]
        self._rows: list[list[bytes]] = [[]]

    def extend(self, leaf_hashes: Iterable[bytes]) -> None:
        """Append the leaves with these hashes."""
        row = self._rows[0]
        for leaf in leaf_hashes:
            row.append(leaf)
            self.size += 1
            if self.size % TILE_WIDTH == 0:
                self._complete(0)

    def _complete(self, level: int) -> None:
        root = perfect_root(self._rows[level][-TILE_WIDTH:])
        above = level + 1
        if above == len(self._rows):
            self._rows.append([])
            self._bases.append(0)
        self._rows[above].append(root)
        if (self._bases[above] + len(self._rows[above])) % TILE_WIDTH == 0:
            self._complete(above)

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the first *size* leaves, by default of all.

        Raises:
            LookupError: *size* is more than there is, or so little that it was trimmed away.
        """
        size = self.size if size is None else size
        right: bytes | None = None
        for level in range(len(self._rows)):
            count = size >> TILE_HEIGHT * level
            right = fold_peaks(self.hashes(level, count - count % TILE_WIDTH, count), right)
        return EMPTY_ROOT if right is None else right

    def hashes(self, level: int, start: int, end: int) -> list[bytes]:
        """Return the hashes *start* to *end* of *level*.

        Raises:
            LookupError: some of them are not there, or were trimmed away.
        """
        if start == end:
            return []
        base = self._bases[level]
        if start < base or end - base > len(self._rows[level]):
            raise LookupError(f"level {level} has no hashes {start} to {end} any more or yet")
        return self._rows[level][start - base : end - base]

    def trim(self, size: int) -> None:
        """Forget the tiles that were complete when the tree had *size* leaves."""
        for level, row in enumerate(self._rows):
            count = size >> TILE_HEIGHT * level
            base = count - count % TILE_WIDTH
            drop = base - self._bases[level]
            if drop > 0:
                del row[:drop]
                self._bases[level] = base

    @property
    def levels(self) -> int:
        """How many levels have hashes or had some."""
        return len(self._rows)

    def to_document(self) -> _Document:
        """Return everything as plain data."""
        return _Document(
            self.size,
            [
                _Level(base, b"".join(row))
                for base, row in zip(self._bases, self._rows, strict=True)
            ],
        )

    @classmethod
    def from_document(cls, document: _Document) -> TileTree:
        """Return the tree that :meth:`to_document` described."""
        tree = cls()
        tree.size = document.size
        tree._bases = [level.base for level in document.levels]
        tree._rows = [
            [
                level.hashes[start : start + HASH_BYTES]
                for start in range(0, len(level.hashes), HASH_BYTES)
            ]
            for level in document.levels
        ]
        return tree


TileTreeDocument = _Document
"""The plain form of a :class:`TileTree`."""
