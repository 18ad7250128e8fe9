"""The Merkle tree of RFC 6962 (RFC 9162 keeps its hashes): leaves, nodes, and how they join.

A leaf is ``SHA-256(0x00 || data)``, a node ``SHA-256(0x01 || left || right)``: the prefixes keep a
node from being passed off as a leaf.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
"""The root of the tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of the leaf that holds *data*."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above *left* and *right*."""
    return sha256(b"\x01" + left + right).digest()


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """Return the root of the perfect tree over *hashes*, whose count is a power of two."""
    count = len(hashes)
    assert count > 0, "a perfect tree has a leaf"
    assert count & (count - 1) == 0, "a perfect tree has a power of two of leaves"
    row = list(hashes)
    while len(row) > 1:
        row = [sha256(b"\x01" + row[at] + row[at + 1]).digest() for at in range(0, len(row), 2)]
    return row[0]


def fold_peaks(hashes: Sequence[bytes], right: bytes | None = None) -> bytes | None:
    """Return the root over *hashes*, any number of them, and what lies to their *right*.

    Args:
        hashes: roots of perfect subtrees of one size, from the left.
        right: the root of the smaller rest on their right, or None when there is none.

    Returns:
        The root, or None when there are neither hashes nor a rest.
    """
    end, bit = len(hashes), 1
    while end:
        if end & bit:
            peak = perfect_root(hashes[end - bit : end])
            right = peak if right is None else node_hash(peak, right)
            end -= bit
        bit <<= 1
    return right


def split_size(size: int) -> int:
    """Return the largest power of two below *size*, which is where RFC 6962 splits a tree."""
    assert size > 1, "a single leaf is not split"
    return 1 << ((size - 1).bit_length() - 1)
