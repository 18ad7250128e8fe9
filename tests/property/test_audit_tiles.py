"""The growing tree and its tiles against the definition of RFC 6962, hash by hash."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradeplane.audit.entry_bundle import ENTRY_BYTES_MAX, decode_bundle, encode_bundle
from tradeplane.audit.merkle import leaf_hash
from tradeplane.audit.tile_paths import TilePath, parse_tile_path, tile_of, tiles_between
from tradeplane.audit.tile_tree import TILE_WIDTH, TileTree

SIZES = st.one_of(
    st.integers(0, 40),
    st.integers(250, 262),
    st.integers(0, 3_000),
    st.sampled_from([65_535, 65_536, 65_537, 70_000]),
)


def naive_root(hashes: list[bytes]) -> bytes:
    """The definition in RFC 6962, section 2.1."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    left, right = naive_root(hashes[:split]), naive_root(hashes[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


LEAVES = [leaf_hash(str(number).encode()) for number in range(70_001)]


def grown(size: int) -> TileTree:
    tree = TileTree()
    tree.extend(LEAVES[:size])
    return tree


@settings(deadline=None)
@given(SIZES)
def test_the_root_is_the_one_that_the_definition_gives(size: int) -> None:
    tree = grown(size)

    assert tree.size == size
    assert tree.root() == naive_root(LEAVES[:size])


@settings(deadline=None)
@given(st.integers(0, 1_500), st.data())
def test_the_root_of_an_earlier_size_is_still_known_until_it_is_trimmed(
    size: int, data: st.DataObject
) -> None:
    tree = grown(size)
    kept = data.draw(st.integers(0, size))
    tree.trim(kept)
    asked = data.draw(st.integers(kept, size))

    assert tree.root(asked) == naive_root(LEAVES[:asked])


def test_a_size_that_was_trimmed_away_or_is_not_there_yet_is_an_error() -> None:
    tree = grown(1_000)
    tree.trim(700)

    with pytest.raises(LookupError):
        tree.root(300)
    with pytest.raises(LookupError):
        tree.root(1_001)


@settings(deadline=None)
@given(st.integers(0, 1_200), st.integers(0, 1_200), st.integers(0, 1_200))
def test_a_tree_that_was_stored_grows_on_as_if_it_had_not_been(
    first: int, trimmed: int, more: int
) -> None:
    tree = grown(first)
    tree.trim(min(trimmed, first))

    restored = TileTree.from_document(tree.to_document())
    restored.extend(LEAVES[first : first + more])

    assert restored.root() == naive_root(LEAVES[: first + more])
    tree.extend(LEAVES[first : first + more])
    assert restored.to_document() == tree.to_document()


@settings(deadline=None)
@given(SIZES)
def test_the_tiles_of_a_tree_are_those_of_the_specification(size: int) -> None:
    tree = grown(size)

    for path in tiles_between(0, size):
        if path.level is None:
            assert path.width == min(TILE_WIDTH, size - path.index * TILE_WIDTH)
            continue
        span = TILE_WIDTH**path.level
        start = path.index * TILE_WIDTH
        assert tree.hashes(path.level, start, start + path.width) == [
            naive_root(LEAVES[number * span : (number + 1) * span])
            for number in range(start, start + path.width)
        ]


def test_the_example_of_the_specification_has_these_tiles() -> None:
    tiles = list(tiles_between(0, 70_000))

    full = [path for path in tiles if path.width == TILE_WIDTH]
    partial = [path.text() for path in tiles if path.width < TILE_WIDTH]
    assert [sum(path.level == level for path in full) for level in (None, 0, 1, 2)] == [
        273, 273, 1, 0,
    ]  # fmt: skip
    assert partial == [
        "tile/entries/273.p/112", "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1",
    ]  # fmt: skip


@settings(deadline=None)
@given(st.integers(0, 2_000), st.integers(0, 2_000))
def test_what_grows_between_two_sizes_completes_the_older_set(one: int, other: int) -> None:
    old, new = sorted((one, other))

    before = {(path.level, path.index): path.width for path in tiles_between(0, old)}
    grown_since = {(path.level, path.index): path.width for path in tiles_between(old, new)}

    after = {(path.level, path.index): path.width for path in tiles_between(0, new)}
    assert before | grown_since == after
    assert all(before.get(key) != width for key, width in grown_since.items())


@settings(deadline=None)
@given(
    st.one_of(st.none(), st.integers(0, 7)),
    st.integers(0, 10**12),
    st.integers(1, TILE_WIDTH),
)
def test_a_path_that_was_written_is_read_back(level: int | None, index: int, width: int) -> None:
    path = TilePath(level, index, width)

    assert parse_tile_path(path.text()) == path


def test_the_index_is_written_in_groups_of_three() -> None:
    assert TilePath(0, 1_234_067).text() == "tile/0/x001/x234/067"
    assert TilePath(None, 7, 5).text() == "tile/entries/007.p/5"
    assert tile_of(1, 0, 256).text() == "tile/1/000.p/1"


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/67", "tile/00/067", "tile/0/x000/067", "tile/0/067.p/0", "tile/0/067.p/256",
        "tile/0/067.p/05", "tile/0/067/", "tile/64/000", "tile/8/000", "tile/-1/000",
        "tile/0/../0/000", "tile/0/x01/067", "checkpoint", "", "tile/0/067\n", "tile/0/٠٦٧",
        "TILE/0/067", "tile/0//067", "tile/entries/x000/x001/000",
    ],
)  # fmt: skip
def test_a_path_in_any_other_form_is_no_path(path: str) -> None:
    assert parse_tile_path(path) is None


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300), max_size=TILE_WIDTH))
def test_a_bundle_gives_its_entries_back(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries)) == entries


def test_the_longest_entry_fits() -> None:
    longest = b"x" * ENTRY_BYTES_MAX
    assert decode_bundle(encode_bundle([longest, b""])) == [longest, b""]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=9), min_size=1, max_size=4), st.data())
def test_a_bundle_that_is_cut_off_never_reads_as_the_whole(
    entries: list[bytes], data: st.DataObject
) -> None:
    bundle = encode_bundle(entries)
    cut = bundle[: data.draw(st.integers(0, len(bundle) - 1))]

    try:
        assert decode_bundle(cut) != entries
    except ValueError as error:
        assert "middle" in str(error)  # noqa: PT017  # either answer is right
