"""Inclusion and consistency proofs (RFC 6962 section 2.1, in the words of RFC 9162).

A proof is made from the roots of perfect subtrees alone, whoever keeps them, and verified from two
roots alone. Verification never raises: whatever is wrong with a proof, it proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tradeplane.audit.merkle import EMPTY_ROOT, HASH_BYTES, node_hash, split_size

Node = Callable[[int, int], bytes]
"""Returns the root of the perfect subtree of 2**level leaves with this number in its level."""


def range_root(start: int, end: int, node: Node) -> bytes:
    """Return the root of the leaves from *start* to before *end*, as RFC 6962 splits a tree.

    Args:
        start: the first leaf; a multiple of the largest power of two that is not above the count.
        end: the leaf after the last one.
        node: the perfect subtrees.
    """
    count = end - start
    if count == 0:
        return EMPTY_ROOT
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, start >> level)
    middle = start + split_size(count)
    return node_hash(range_root(start, middle, node), range_root(middle, end, node))


def inclusion_path(index: int, size: int, node: Node) -> list[bytes]:
    """Return the path from the leaf *index* up to the root of the tree of *size* leaves.

    Args:
        index: the leaf.
        size: how many leaves the tree has; more than *index*.
        node: the perfect subtrees of the tree.
    """
    assert 0 <= index < size, "the leaf is in the tree"
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + split_size(end - start)
        if index < middle:
            path.append(range_root(middle, end, node))
            end = middle
        else:
            path.append(range_root(start, middle, node))
            start = middle
    path.reverse()
    return path


def consistency_path(old_size: int, size: int, node: Node) -> list[bytes]:
    """Return the proof that the tree of *old_size* leaves is the beginning of that of *size*.

    Args:
        old_size: how many leaves the old tree has; from 1 to *size*.
        size: how many leaves the new tree has.
        node: the perfect subtrees of the new tree.
    """
    assert 0 < old_size <= size, "the old tree is part of the new one"
    path: list[bytes] = []
    start, end = 0, size
    while end != old_size:
        middle = start + split_size(end - start)
        if old_size <= middle:
            path.append(range_root(middle, end, node))
            end = middle
        else:
            path.append(range_root(start, middle, node))
            start = middle
    if start > 0:
        path.append(range_root(start, end, node))
    path.reverse()
    return path


def verify_inclusion(
    index: int, size: int, leaf: bytes, path: Sequence[bytes], root: bytes
) -> bool:
    """Return whether *path* proves the leaf hash *leaf* at *index* of the tree (RFC 9162, 2.1.3.2).

    Args:
        index: where the leaf is said to be.
        size: how many leaves the tree has.
        leaf: the hash of the leaf.
        path: the proof, from the leaf up.
        root: the root of the tree; trusted.
    """
    if not (0 <= index < size and _hashes([leaf, root, *path])):
        return False
    node, last, computed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            computed = node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and computed == root


def verify_consistency(
    old_size: int, size: int, old_root: bytes, root: bytes, path: Sequence[bytes]
) -> bool:
    """Return whether *path* proves that the old tree begins the new one (RFC 9162, 2.1.4.2).

    Every tree begins with the empty one, and equals itself: there the path must be empty.

    Args:
        old_size: how many leaves the old tree has.
        size: how many leaves the new tree has.
        old_root: the root of the old tree; trusted.
        root: the root of the new tree.
        path: the proof.
    """
    if not (0 <= old_size <= size and _hashes([old_root, root, *path])):
        return False
    if old_size == size:
        return not path and old_root == root
    if old_size == 0:
        return not path and old_root == EMPTY_ROOT
    return _grows(old_size, size, old_root, root, path)


def _grows(old_size: int, size: int, old_root: bytes, root: bytes, path: Sequence[bytes]) -> bool:
    steps = list(path)
    if old_size & (old_size - 1) == 0:
        steps.insert(0, old_root)
    if not steps:
        return False
    node, last = old_size - 1, size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old_computed = computed = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old_computed = node_hash(sibling, old_computed)
            computed = node_hash(sibling, computed)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and old_computed == old_root and computed == root


def _hashes(values: Sequence[bytes]) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
