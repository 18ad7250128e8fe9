"""Merkle trees and their proofs against RFC 6962 in its own words, and against its test vectors."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeplane.audit.merkle import EMPTY_ROOT, fold_peaks, leaf_hash, node_hash, perfect_root
from tradeplane.audit.proofs import (
    consistency_path,
    inclusion_path,
    range_root,
    verify_consistency,
    verify_inclusion,
)
from tradeplane.audit.tile_tree import TILE_WIDTH, TileTree

# The reference tree of Certificate Transparency: eight leaves, and its root at each size.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
INCLUSION = {
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
    (1, 5): (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}
CONSISTENCY = {
    (1, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word for word: MTH."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = naive_split(len(leaves))
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962, section 2.1.1: PATH."""
    if len(leaves) == 1:
        return []
    k = naive_split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    """RFC 6962, section 2.1.2: SUBPROOF."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = naive_split(len(leaves))
    if m <= k:
        return [*naive_subproof(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_subproof(m - k, leaves[k:], False), naive_root(leaves[:k])]


def naive_split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def records(count: int) -> list[bytes]:
    return [b"record %d" % number for number in range(count)]


def nodes(leaves: list[bytes]):
    def node(level: int, index: int) -> bytes:
        return naive_root(leaves[index << level : (index + 1) << level])

    return node


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_the_roots_are_those_of_the_reference_tree(size):
    leaves = LEAVES[:size]
    tree = TileTree()
    tree.extend(leaf_hash(leaf) for leaf in leaves)
    assert range_root(0, size, nodes(leaves)).hex() == ROOTS[size]
    assert tree.root().hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_the_inclusion_proofs_are_those_of_the_reference_tree(index, size):
    path = inclusion_path(index, size, nodes(LEAVES[:size]))
    assert tuple(part.hex() for part in path) == INCLUSION[index, size]
    root = bytes.fromhex(ROOTS[size])
    assert verify_inclusion(index, size, leaf_hash(LEAVES[index]), path, root)


@pytest.mark.parametrize(("old_size", "size"), CONSISTENCY)
def test_the_consistency_proofs_are_those_of_the_reference_tree(old_size, size):
    path = consistency_path(old_size, size, nodes(LEAVES[:size]))
    assert tuple(part.hex() for part in path) == CONSISTENCY[old_size, size]
    roots = bytes.fromhex(ROOTS[old_size]), bytes.fromhex(ROOTS[size])
    assert verify_consistency(old_size, size, *roots, path)


@pytest.mark.parametrize("size", range(1, 34))
def test_every_proof_of_small_trees_is_that_of_the_rfc_and_verifies(size):
    leaves = records(size)
    root = naive_root(leaves)
    for index in range(size):
        path = inclusion_path(index, size, nodes(leaves))
        assert path == naive_path(index, leaves)
        assert verify_inclusion(index, size, leaf_hash(leaves[index]), path, root)
        old_size = index + 1
        path = consistency_path(old_size, size, nodes(leaves))
        assert path == naive_subproof(old_size, leaves, True)
        assert verify_consistency(old_size, size, naive_root(leaves[:old_size]), root, path)


@given(st.integers(0, 5), st.lists(st.integers(1, 400), max_size=6))
def test_a_tree_of_tiles_has_the_root_of_the_rfc_whatever_the_batches(first, batches):
    tree, leaves = TileTree(), records(first)
    tree.extend(leaf_hash(leaf) for leaf in leaves)
    for count in batches:
        fresh = [b"%d of %d" % (number, count) for number in range(count)]
        published = tree.size
        tree.extend(leaf_hash(leaf) for leaf in fresh)
        leaves += fresh
        tree.trim(published - published % TILE_WIDTH)
        assert tree.root() == naive_root(leaves)
        assert tree.root(published) == naive_root(leaves[:published])


@given(st.integers(1, 300), st.binary(min_size=32, max_size=32) | st.none())
def test_folding_peaks_is_the_root_over_them_and_the_rest(count, right):
    hashes = [hashlib.sha256(b"%d" % number).digest() for number in range(count)]

    def naive(row: list[bytes]) -> bytes:
        if len(row) == 1:
            return row[0]
        k = naive_split(len(row))
        return node_hash(naive(row[:k]), naive(row[k:]))

    def joined(row: list[bytes]) -> bytes:
        # A rest on the right makes every complete subtree a sibling of all that follows it.
        if not row:
            return right
        k = 1 << (len(row).bit_length() - 1)
        return node_hash(perfect_root(row[:k]), joined(row[k:]))

    expected = naive(hashes) if right is None else joined(hashes)
    assert fold_peaks(hashes, right) == expected
    assert fold_peaks([], right) == right


MUTATIONS = st.sampled_from(
    ["flip", "drop", "add", "swap", "repeat", "index", "size", "leaf", "root", "shorten"]
)


@st.composite
def proofs(draw):
    size = draw(st.integers(1, 200))
    index = draw(st.integers(0, size - 1))
    return index, size


def mutated(draw, kind: str, path: list[bytes]) -> list[bytes]:
    path = list(path)
    at = draw(st.integers(0, max(0, len(path) - 1)))
    if kind == "flip" and path:
        bit = draw(st.integers(0, 255))
        value = int.from_bytes(path[at], "big") ^ (1 << bit)
        path[at] = value.to_bytes(32, "big")
    elif kind == "drop" and path:
        del path[at]
    elif kind == "add":
        path.insert(at, draw(st.binary(min_size=32, max_size=32)))
    elif kind == "swap" and len(path) > 1:
        other = draw(st.integers(0, len(path) - 1))
        path[at], path[other] = path[other], path[at]
    elif kind == "repeat" and path:
        path.insert(at, path[at])
    elif kind == "shorten" and path:
        path[at] = path[at][:-1]
    return path


@given(proofs(), MUTATIONS, st.data())
def test_a_falsified_inclusion_proof_is_never_accepted(case, kind, data):
    index, size = case
    leaves = records(size)
    root, leaf = naive_root(leaves), leaf_hash(leaves[index])
    true_path = naive_path(index, leaves)
    path = mutated(data.draw, kind, true_path)
    claimed_index, claimed_size = index, size
    if kind == "index":
        claimed_index = data.draw(st.integers(-3, size + 3))
    elif kind == "leaf":
        leaf = leaf_hash(data.draw(st.binary(max_size=40)))
    elif kind == "root":
        root = data.draw(st.binary(max_size=40))
    elif kind == "size":
        claimed_size = data.draw(st.integers(0, 400))
    accepted = verify_inclusion(claimed_index, claimed_size, leaf, path, root)
    told = (claimed_index, leaf, path, root)
    true = (index, leaf_hash(leaves[index]), true_path, naive_root(leaves))
    if told != true:
        assert not accepted
    elif claimed_size == size:
        assert accepted


@given(st.integers(1, 150), st.integers(0, 150), MUTATIONS, st.data())
def test_a_falsified_consistency_proof_is_never_accepted(old_size, more, kind, data):
    size = old_size + more
    leaves = records(size)
    old_root, root = naive_root(leaves[:old_size]), naive_root(leaves)
    true_path = naive_subproof(old_size, leaves, True)
    path = mutated(data.draw, kind, true_path)
    told_old = data.draw(st.integers(-2, size + 2)) if kind == "index" else old_size
    told_old_root, told_root = old_root, root
    if kind == "leaf":
        forked = [*leaves[: old_size - 1], data.draw(st.binary(max_size=40))]
        told_old_root = naive_root(forked)
    elif kind == "root":
        told_root = data.draw(st.binary(max_size=40))
    accepted = verify_consistency(told_old, size, told_old_root, told_root, path)
    told = (told_old, told_old_root, told_root, path)
    if told != (old_size, old_root, root, true_path):
        # Every log begins with the empty one.
        assert not accepted or (told_old == 0 and told_old_root == EMPTY_ROOT)
    else:
        assert accepted


@given(
    st.integers(-5, 10**20),
    st.integers(-5, 10**20),
    st.lists(st.binary(min_size=32, max_size=32), max_size=70),
    st.binary(min_size=32, max_size=32),
    st.binary(min_size=32, max_size=32),
)
def test_a_proof_made_of_noise_is_refused_and_never_crashes(index, size, path, leaf, root):
    assert not verify_inclusion(index, size, leaf, path, root) or (size == 1 and leaf == root)
    accepted = verify_consistency(index, size, leaf, root, path)
    assert not accepted or (index == size and leaf == root and not path)


def test_a_node_cannot_be_passed_off_as_a_leaf():
    leaves = records(4)
    left = node_hash(leaf_hash(leaves[0]), leaf_hash(leaves[1]))
    right = node_hash(leaf_hash(leaves[2]), leaf_hash(leaves[3]))
    root = naive_root(leaves)
    assert root == node_hash(left, right)
    assert not verify_inclusion(0, 2, leaf_hash(left + right), [], root)
    forged = leaf_hash(leaf_hash(leaves[0]) + leaf_hash(leaves[1]))
    assert not verify_inclusion(0, 2, forged, [right], root)


def test_an_old_tree_that_is_larger_or_empty_needs_no_path():
    leaves = records(5)
    root = naive_root(leaves)
    assert verify_consistency(0, 5, EMPTY_ROOT, root, [])
    assert not verify_consistency(0, 5, root, root, [])
    assert not verify_consistency(6, 5, root, root, [])
    assert not verify_consistency(5, 5, root, root, [root])
