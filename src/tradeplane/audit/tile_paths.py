"""Where a tiled log keeps its objects, and which ones a tree of some size has (C2SP tlog-tiles)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from tradeplane.audit.tile_tree import TILE_HEIGHT, TILE_WIDTH

PREFIX = "audit/"
"""Where this product keeps its log in an object store; all other paths are below it."""

CHECKPOINT = "checkpoint"
"""The one object that changes."""

VKEY = "vkey"
"""The object that holds the log's public key. A verifier must have it from elsewhere."""

LEVEL_MAX = 7
"""Levels of a log with indices of up to 63 bits."""

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


class TilePath(msgspec.Struct, frozen=True):
    """One tile or entry bundle.

    Attributes:
        level: its level, None for a bundle of entries.
        index: its number within the level.
        width: what it holds: 256 when full.
    """

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def text(self) -> str:
        """Return the path below the log's prefix."""
        level = "entries" if self.level is None else str(self.level)
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{level}/{_index_text(self.index)}{partial}"

    def full(self) -> TilePath:
        """Return the same tile when it is full."""
        return TilePath(self.level, self.index)

    def partials(self) -> str:
        """Return the prefix of all partial forms of this tile."""
        return self.full().text() + ".p/"


def parse_tile_path(text: str) -> TilePath | None:
    """Return the tile that *text* names, or None when it is not in the one form it can have."""
    found = _PATH.fullmatch(text)
    if found is None:
        return None
    level = None if found["level"] == "entries" else int(found["level"])
    width = int(found["width"] or TILE_WIDTH)
    index = int(found["index"].replace("x", "").replace("/", ""))
    path = TilePath(level, index, width)
    fits = (level or 0) <= LEVEL_MAX and (found["width"] is None or width < TILE_WIDTH)
    return path if fits and path.text() == text else None


def tile_of(level: int | None, index: int, size: int) -> TilePath:
    """Return tile *index* of *level* as it is in a tree of *size* leaves."""
    count = size >> TILE_HEIGHT * (level or 0)
    return TilePath(level, index, min(TILE_WIDTH, count - index * TILE_WIDTH))


def tiles_between(old_size: int, new_size: int) -> Iterator[TilePath]:
    """Yield what a tree has at *new_size* and had not, or not so full, at *old_size*."""
    yield from _row_between(None, old_size, new_size)
    level = 0
    while new_size >> TILE_HEIGHT * level:
        yield from _row_between(level, old_size, new_size)
        level += 1


def partial_tiles(size: int) -> Iterator[TilePath]:
    """Yield the tiles and the bundle of a tree of *size* leaves that are not full."""
    for level in (None, *range(LEVEL_MAX + 1)):
        count = size >> TILE_HEIGHT * (level or 0)
        if count % TILE_WIDTH:
            yield tile_of(level, count // TILE_WIDTH, size)


def _row_between(level: int | None, old_size: int, new_size: int) -> Iterator[TilePath]:
    shift = TILE_HEIGHT * (level or 0)
    old, new = old_size >> shift, new_size >> shift
    if new > old:
        for index in range(old // TILE_WIDTH, (new - 1) // TILE_WIDTH + 1):
            yield tile_of(level, index, new_size)


def _index_text(index: int) -> str:
    digits = str(index)
    digits = digits.zfill((len(digits) + 2) // 3 * 3)
    groups = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
