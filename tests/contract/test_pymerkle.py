"""Our trees and proofs before a judge that nobody here wrote: pymerkle, with its own verifier."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymerkle import (
    ConsistencyProof,
    InclusionProof,
    InmemoryTree,
    InvalidProof,
    verify_consistency,
    verify_inclusion,
)

from tradeplane.audit.entry_bundle import encode_bundle
from tradeplane.audit.log_files import LogFiles
from tradeplane.audit.merkle import leaf_hash
from tradeplane.audit.proofs import verify_consistency as ours_consistent
from tradeplane.audit.proofs import verify_inclusion as ours_included
from tradeplane.audit.tile_paths import tiles_between
from tradeplane.audit.tile_tree import TILE_WIDTH, TileTree

SIZES = (1, 2, 3, 255, 256, 257, 600)


def records(count: int) -> list[bytes]:
    return [b"record %d" % number for number in range(count)]


def published(entries: list[bytes]) -> tuple[TileTree, LogFiles]:
    """Return our tree over *entries*, and the reader of its tiles."""
    tree = TileTree()
    tree.extend(leaf_hash(entry) for entry in entries)
    objects: dict[str, bytes] = {}
    for path in tiles_between(0, tree.size):
        start, end = path.index * TILE_WIDTH, path.index * TILE_WIDTH + path.width
        if path.level is None:
            objects[path.text()] = encode_bundle(entries[start:end])
        else:
            objects[path.text()] = b"".join(tree.hashes(path.level, start, end))
    return tree, LogFiles(objects.get, tree.size)


def their_tree(entries: list[bytes]) -> InmemoryTree:
    tree = InmemoryTree(algorithm="sha256")
    for entry in entries:
        tree.append_entry(entry)
    return tree


@pytest.mark.parametrize("size", SIZES)
def test_the_roots_are_the_same(size):
    entries = records(size)
    ours, _ = published(entries)
    theirs = their_tree(entries)
    assert ours.root() == theirs.get_root()
    assert leaf_hash(entries[-1]) == theirs.get_leaf(size)


@pytest.mark.parametrize("size", SIZES)
def test_pymerkle_accepts_our_inclusion_proofs_and_we_accept_its(size):
    entries = records(size)
    tree, files = published(entries)
    theirs = their_tree(entries)
    for index in {0, size // 2, size - 1}:
        leaf = leaf_hash(entries[index])
        path = files.inclusion(index)
        # Its layout: how the siblings lie, from the leaf up, follows from index and size alone.
        model = theirs.prove_inclusion(index + 1, size)
        proof = InclusionProof(
            algorithm="sha256",
            security=True,
            size=size,
            index=index + 1,
            rule=model.rule,
            path=[leaf, *path],
        )
        verify_inclusion(leaf, tree.root(), proof, index=index + 1, size=size)
        assert ours_included(index, size, leaf, model.path[1:], theirs.get_root())
        with pytest.raises(InvalidProof):
            verify_inclusion(leaf_hash(b"another"), tree.root(), proof)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 120), st.integers(1, 120))
def test_pymerkle_accepts_that_our_old_tree_begins_our_new_one(old_size, more):
    size = old_size + more
    entries = records(size)
    tree, files = published(entries)
    old_root = published(entries[:old_size])[0].root()
    model = their_tree(entries).prove_consistency(old_size, size)
    # It proves by the first new leaf's path, of which it can make out the old root too.
    path = [leaf_hash(entries[old_size]), *files.inclusion(old_size)]
    proof = ConsistencyProof(
        algorithm="sha256",
        security=True,
        size=size,
        prior_size=old_size,
        rule=model.rule,
        subset=model.subset,
        path=path,
    )
    verify_consistency(old_root, tree.root(), proof, prior_size=old_size, later_size=size)
    with pytest.raises(InvalidProof):
        verify_consistency(leaf_hash(b"forked"), tree.root(), proof)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 59), st.integers(1, 120))
def test_pymerkle_accepts_our_consistency_proofs_where_both_forms_have_the_same_hashes(half, more):
    # At an odd size RFC 6962 starts from the last old leaf and the first new one, as it does.
    old_size = 2 * half + 1
    size = old_size + more
    entries = records(size)
    tree, files = published(entries)
    old_root = published(entries[:old_size])[0].root()
    model = their_tree(entries).prove_consistency(old_size, size)
    ours = files.consistency(old_size)
    if old_size == 1:
        ours = [old_root, *ours]  # which RFC 6962 leaves out, for the verifier has it
    proof = ConsistencyProof(
        algorithm="sha256",
        security=True,
        size=size,
        prior_size=old_size,
        rule=model.rule,
        subset=model.subset,
        path=[ours[1], ours[0], *ours[2:]],
    )
    verify_consistency(old_root, tree.root(), proof, prior_size=old_size, later_size=size)
    their_path = [model.path[1], model.path[0], *model.path[2:]]
    theirs = their_path[1:] if old_size == 1 else their_path
    assert ours_consistent(old_size, size, old_root, tree.root(), theirs)
