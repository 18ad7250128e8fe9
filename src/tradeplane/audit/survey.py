"""Reads every object of a log and finds out which of them can be believed."""

from __future__ import annotations

from tradeplane.audit.damage import Damage, Findings
from tradeplane.audit.document import read_record
from tradeplane.audit.entry_bundle import decode_bundle
from tradeplane.audit.log_files import Read
from tradeplane.audit.merkle import EMPTY_ROOT, HASH_BYTES, fold_peaks, leaf_hash, perfect_root
from tradeplane.audit.sequence_check import SequenceCheck
from tradeplane.audit.tile_paths import TilePath, tile_of
from tradeplane.audit.tile_tree import TILE_HEIGHT, TILE_WIDTH
from tradeplane.errors import ProofRefused

MISSING_MAX = 1_024
"""After so many bundles in a row that are gone, the rest is taken to be gone too."""


class Survey:
    """One pass over the log, bundle by bundle; memory grows by 32 bytes for 256 entries.

    Where entries and tile disagree, the tile above them says which of the two was changed; in the
    last bundle, which has no tile above it yet, the root does.

    Args:
        read: where the objects are.
        size: entries, as the checkpoint says.
        root: of the tree, as the checkpoint says.
        findings: where damage is noted.
        also_at: a smaller size whose root is wanted too, or 0.
    """

    def __init__(
        self, read: Read, size: int, root: bytes, findings: Findings, *, also_at: int = 0
    ) -> None:
        self._read = read
        self._size = size
        self._root = root
        self._findings = findings
        self._sequence = SequenceCheck(findings)
        self._also_at = also_at
        self._also_leaves: list[bytes] = []
        self._rows: list[list[bytes]] = [[], []]
        self.complete = True

    def run(self) -> bytes:
        """Survey everything; return the root that the believable objects have together."""
        bundles = -(-self._size // TILE_WIDTH)
        missing: list[int] = []
        for bundle in range(bundles):
            if self._survey_bundle(bundle):
                continue
            missing.append(bundle)
            if len(missing) >= MISSING_MAX and missing[-MISSING_MAX] == bundle - MISSING_MAX + 1:
                break
        self._note_missing(missing, bundles)
        self._sequence.finish()
        if self.complete:
            self._survey_levels()
        return self.root_at(self._size) if self.complete else b""

    def root_at(self, size: int) -> bytes:
        """Return the root of the first *size* entries: of all, or of those that were asked for."""
        right = fold_peaks(self._rows[0] if size == self._size else self._also_leaves, None)
        for level in range(1, len(self._rows)):
            count = size >> TILE_HEIGHT * level
            right = fold_peaks(self._rows[level][count - count % TILE_WIDTH : count], right)
        return EMPTY_ROOT if right is None else right

    def _survey_bundle(self, bundle: int) -> bool:
        """Take in one bundle and its tile; False when both are gone."""
        bundle_path, tile_path = tile_of(None, bundle, self._size), tile_of(0, bundle, self._size)
        tile = self._tile(tile_path)
        raw, exact = self._object(bundle_path)
        if raw is None and tile is None:
            self._pass_over(bundle * TILE_WIDTH, bundle_path.width)
            return False
        entries = self._entries(bundle_path, raw, exact=exact)
        computed = None if entries is None else [leaf_hash(entry) for entry in entries]
        if tile is None:
            self._findings.add(Damage.TILE_MISSING, tile_path.text(), "is missing")
        leaves = self._believed(bundle, bundle_path.width, computed, tile, tile_path)
        if entries is None or computed is None:
            self._pass_over(bundle * TILE_WIDTH, bundle_path.width)
        else:
            self._read_entries(bundle, bundle_path.width, entries, computed, leaves)
        self._add_leaves(bundle, leaves)
        return True

    def _entries(self, path: TilePath, raw: bytes | None, *, exact: bool) -> list[bytes] | None:
        if raw is None:
            self._findings.add(Damage.BUNDLE_MISSING, path.text(), "is missing")
            return None
        try:
            entries = decode_bundle(raw)
        except ValueError as error:
            self._findings.add(Damage.BUNDLE_MALFORMED, path.text(), str(error))
            return None
        if exact and len(entries) > path.width:
            self._findings.add(Damage.BUNDLE_MALFORMED, path.text(), f"has {len(entries)} entries")
        return entries[: path.width]

    def _believed(
        self,
        bundle: int,
        width: int,
        computed: list[bytes] | None,
        tile: list[bytes] | None,
        tile_path: TilePath,
    ) -> list[bytes]:
        """Return the leaves that are most likely the true ones."""
        if computed is None or len(computed) != width:
            return tile or []
        if tile is None or tile == computed:
            return computed
        if self._entries_are_right(bundle, computed, tile):
            place = next(
                number
                for number, (mine, theirs) in enumerate(zip(computed, tile, strict=True))
                if mine != theirs
            )
            self._findings.add(
                Damage.TILE_ALTERED,
                tile_path.text(),
                f"hash {place} is not that of its entry, which the rest of the tree confirms",
            )
            return computed
        return tile

    def _entries_are_right(self, bundle: int, computed: list[bytes], tile: list[bytes]) -> bool:
        if len(computed) < TILE_WIDTH:
            return self._root_with(bundle, computed) == self._root
        above = self._tile(tile_of(1, bundle // TILE_WIDTH, self._size))
        confirmed = None if above is None else above[bundle % TILE_WIDTH]
        if confirmed is None or confirmed not in (perfect_root(computed), perfect_root(tile)):
            return self._size == TILE_WIDTH and perfect_root(computed) == self._root
        return confirmed == perfect_root(computed)

    def _root_with(self, bundle: int, leaves: list[bytes]) -> bytes:
        kept, self._rows[0] = self._rows[0], leaves
        try:
            complete = len(self._rows[1]) == bundle
            return self.root_at(self._size) if complete else b""
        finally:
            self._rows[0] = kept

    def _read_entries(
        self,
        bundle: int,
        width: int,
        entries: list[bytes],
        computed: list[bytes],
        leaves: list[bytes],
    ) -> None:
        first = bundle * TILE_WIDTH
        for place, (entry, leaf) in enumerate(zip(entries, computed, strict=True)):
            position = first + place
            in_place = place < len(leaves) and leaves[place] == leaf
            try:
                record = read_record(entry)
            except ProofRefused:
                record = None
            if record is not None and (in_place or self._is_leaf(record.log_index, leaf)):
                self._sequence.take(position, record)
                continue
            self._findings.add(
                Damage.ENTRY_ALTERED, f"entry {position}", "does not hash to any leaf of the log"
            )
            self._sequence.skip(position)
        if len(entries) < width:
            self._sequence.reach(first + width)
            # Without a tile to say which ones are gone, there is no root to compute.
            self.complete &= bool(leaves)

    def _is_leaf(self, index: int, leaf: bytes) -> bool:
        """Return whether *leaf* is what the tiles have at *index*: a record in a wrong place."""
        if not 0 <= index < self._size:
            return False
        tile = self._tile(tile_of(0, index // TILE_WIDTH, self._size))
        return tile is not None and tile[index % TILE_WIDTH] == leaf

    def _add_leaves(self, bundle: int, leaves: list[bytes]) -> None:
        if not leaves:
            self.complete = False
            return
        if bundle == self._also_at // TILE_WIDTH:
            self._also_leaves = leaves[: self._also_at % TILE_WIDTH]
        if len(leaves) < TILE_WIDTH:
            self._rows[0] = leaves
            return
        root, level = perfect_root(leaves), 1
        while True:
            if level == len(self._rows):
                self._rows.append([])
            row = self._rows[level]
            row.append(root)
            if len(row) % TILE_WIDTH:
                return
            root, level = perfect_root(row[-TILE_WIDTH:]), level + 1

    def _pass_over(self, first: int, width: int) -> None:
        self._sequence.skip(first + width - 1)

    def _note_missing(self, missing: list[int], bundles: int) -> None:
        if not missing:
            return
        self.complete = False
        tail = len(missing)
        while tail and missing[tail - 1] == missing[-1] - (len(missing) - tail):
            tail -= 1
        ends = missing[-1] == bundles - 1 or len(missing) - tail >= MISSING_MAX
        for bundle in missing[:tail] if ends else missing:
            path = tile_of(None, bundle, self._size)
            self._findings.add(Damage.BUNDLE_MISSING, path.text(), "is missing, and so is its tile")
        if ends:
            first = missing[tail] * TILE_WIDTH
            self._findings.add(
                Damage.TAIL_CUT,
                f"entry {first}",
                f"and all after it are missing; the checkpoint has {self._size} entries",
            )

    def _survey_levels(self) -> None:
        for level in range(1, len(self._rows)):
            row = self._rows[level]
            for index in range(-(-len(row) // TILE_WIDTH)):
                path = tile_of(level, index, self._size)
                start = index * TILE_WIDTH
                tile = self._tile(path)
                if tile is None:
                    self._findings.add(Damage.TILE_MISSING, path.text(), "is missing")
                elif tile != row[start : start + path.width]:
                    self._findings.add(
                        Damage.TILE_ALTERED, path.text(), "does not follow from the level below it"
                    )

    def _object(self, path: TilePath) -> tuple[bytes | None, bool]:
        """Return the object at *path*, or the full one in its place, and whether it is its own."""
        found = self._read(path.text())
        if found is not None or path.width == TILE_WIDTH:
            return found, True
        return self._read(path.full().text()), False

    def _tile(self, path: TilePath) -> list[bytes] | None:
        """Return the hashes of a tile, None when it is missing; of another length it is altered."""
        found, exact = self._object(path)
        if found is None:
            return None
        size = path.width * HASH_BYTES
        whole = found[:size].ljust(size, b"\0")
        hashes = [whole[at : at + HASH_BYTES] for at in range(0, size, HASH_BYTES)]
        if exact and len(found) > size:
            hashes[-1] = bytes(HASH_BYTES)
        return hashes
