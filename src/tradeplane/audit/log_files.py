"""A published log as whoever has only its files sees it."""

from __future__ import annotations

from collections.abc import Callable

from tradeplane.audit.entry_bundle import decode_bundle
from tradeplane.audit.merkle import HASH_BYTES, leaf_hash, perfect_root
from tradeplane.audit.proofs import consistency_path, inclusion_path
from tradeplane.audit.tile_paths import TilePath, tile_of
from tradeplane.audit.tile_tree import TILE_HEIGHT, TILE_WIDTH
from tradeplane.errors import AuditLogDamaged

Read = Callable[[str], bytes | None]
"""Returns the object at a path below the log's prefix, or None when there is none."""


class LogFiles:
    """The tree of one size, read from tiles. Every method may raise AuditLogDamaged.

    What it returns is only as good as the files; a proof made of it is checked against the root.

    Args:
        read: where the objects are.
        size: entries of the tree, as a checkpoint says.
    """

    def __init__(self, read: Read, size: int) -> None:
        self.size = size
        self._read = read
        self._tiles: dict[TilePath, bytes] = {}

    def hashes(self, level: int, start: int, end: int) -> list[bytes]:
        """Return the hashes *start* to *end* of tile level *level*; they lie in one tile."""
        index = start // TILE_WIDTH
        path = tile_of(level, index, self.size)
        tile = self._tiles.get(path)
        if tile is None:
            tile = self._tiles[path] = self._whole(path, path.width * HASH_BYTES)
        first = index * TILE_WIDTH
        return [
            tile[place * HASH_BYTES : (place + 1) * HASH_BYTES]
            for place in range(start - first, end - first)
        ]

    def node(self, height: int, index: int) -> bytes:
        """Return the root of the perfect subtree of 2**height leaves with this number."""
        level, rest = divmod(height, TILE_HEIGHT)
        first = index << rest
        return perfect_root(self.hashes(level, first, first + (1 << rest)))

    def inclusion(self, index: int) -> list[bytes]:
        """Return the proof that entry *index* is in the tree."""
        return inclusion_path(index, self.size, self.node)

    def consistency(self, old_size: int) -> list[bytes]:
        """Return the proof that the tree of *old_size* entries is this one's beginning."""
        return consistency_path(old_size, self.size, self.node)

    def entry(self, index: int) -> bytes:
        """Return entry *index*, which hashes to its leaf."""
        entry = self.entries(index // TILE_WIDTH)[index % TILE_WIDTH]
        if leaf_hash(entry) != self.hashes(0, index, index + 1)[0]:
            raise AuditLogDamaged(f"entry {index} does not hash to its leaf")
        return entry

    def entries(self, bundle: int) -> list[bytes]:
        """Return the entries of bundle number *bundle*, as many as this size has there."""
        path = tile_of(None, bundle, self.size)
        try:
            entries = decode_bundle(self._whole(path, 0))
        except ValueError as error:
            raise AuditLogDamaged(f"{path.text()} is damaged: {error}") from error
        if len(entries) < path.width:
            raise AuditLogDamaged(f"{path.text()} has {len(entries)} entries, not {path.width}")
        return entries[: path.width]

    def _whole(self, path: TilePath, length_min: int) -> bytes:
        """Return the object at *path*, or the fuller one that has taken its place."""
        found = self._read(path.text())
        if found is None and path.width < TILE_WIDTH:
            found = self._read(path.full().text())
        if found is None:
            raise AuditLogDamaged(f"{path.text()} is missing")
        if len(found) < length_min:
            raise AuditLogDamaged(f"{path.text()} is too short")
        return found
