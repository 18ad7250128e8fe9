"""Every kind of damage to a log is found, and each under its own code."""

from collections.abc import Callable

import pytest
from audit_files import NOW_NS, ORIGIN, OTHER, SIGNER, entry, files_of, log_of, published, rewritten
from hypothesis import given, settings
from hypothesis import strategies as st

from tradeplane.audit.checkpoint import Checkpoint
from tradeplane.audit.commands import AppendEntries
from tradeplane.audit.damage import Damage, Report
from tradeplane.audit.document import entry_document
from tradeplane.audit.entry_bundle import decode_bundle, encode_bundle
from tradeplane.audit.merkle import EMPTY_ROOT
from tradeplane.audit.signed_note import NoteSigner
from tradeplane.audit.verifier import verify_log

Files = dict[str, bytes]
SIZE = 600
SOUND = files_of(SIZE)
TAIL = "tile/entries/002.p/88"


def verify(files: Files, trusted: bytes | None = None) -> Report:
    return verify_log(files.get, SIGNER.verifier, trusted)


def kinds(files: Files, trusted: bytes | None = None) -> set[Damage]:
    return {finding.damage for finding in verify(files, trusted).findings}


def flipped(content: bytes, place: int, bit: int = 1) -> bytes:
    return content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]


def without(files: Files, *paths: str) -> Files:
    return {path: content for path, content in files.items() if path not in paths}


def entries_of(files: Files) -> list[bytes]:
    paths = sorted(path for path in files if path.startswith("tile/entries/"))
    return [one for path in paths for one in decode_bundle(files[path])]


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 513, 600, 65_536, 65_800])
def test_a_sound_log_of_any_size_is_found_sound(size: int) -> None:
    files = files_of(size) if size <= SIZE else rewritten(
        [entry_document(entry(number), number, NOW_NS) for number in range(size)]
    )  # fmt: skip

    report = verify(files)

    assert report.findings == ()
    assert (report.sound, report.size, report.origin) == (True, size, ORIGIN)


def test_a_log_that_grew_from_the_trusted_checkpoint_is_sound() -> None:
    for size in (0, 1, 255, 256, 257, 512, 599, 600):
        assert kinds(SOUND, files_of(size)["checkpoint"]) == set(), size


def test_a_flipped_byte_in_an_entry_is_an_altered_entry() -> None:
    for path in ("tile/entries/000", TAIL):
        files = SOUND | {path: flipped(SOUND[path], 40)}
        assert kinds(files) == {Damage.ENTRY_ALTERED}
    report = verify(SOUND | {TAIL: flipped(SOUND[TAIL], 40)})
    assert [finding.place for finding in report.findings] == ["entry 512"]


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"])
def test_a_flipped_byte_in_a_tile_is_an_altered_tile(path: str) -> None:
    report = verify(SOUND | {path: flipped(SOUND[path], 33)})

    assert [(finding.damage, finding.place) for finding in report.findings] == [
        (Damage.TILE_ALTERED, path)
    ]


def test_a_tile_that_was_cut_short_is_an_altered_tile() -> None:
    assert kinds(SOUND | {"tile/0/001": SOUND["tile/0/001"][:-1]}) == {Damage.TILE_ALTERED}


def test_a_missing_tile_is_named() -> None:
    for path in ("tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2"):
        report = verify(without(SOUND, path))
        assert [(one.damage, one.place) for one in report.findings] == [(Damage.TILE_MISSING, path)]


def test_a_missing_bundle_is_named() -> None:
    report = verify(without(SOUND, "tile/entries/001"))

    assert [(one.damage, one.place) for one in report.findings] == [
        (Damage.BUNDLE_MISSING, "tile/entries/001")
    ]


def test_a_bundle_whose_lengths_do_not_add_up_is_malformed() -> None:
    assert kinds(SOUND | {TAIL: SOUND[TAIL][:-1]}) == {Damage.BUNDLE_MALFORMED}


def test_a_hole_in_the_middle_is_no_cut_tail() -> None:
    files = without(SOUND, "tile/entries/001", "tile/0/001")

    assert kinds(files) == {Damage.BUNDLE_MISSING}


@pytest.mark.parametrize(
    ("gone", "first"),
    [
        (["tile/entries/002.p/88", "tile/0/002.p/88"], "entry 512"),
        (
            ["tile/entries/001", "tile/0/001", "tile/entries/002.p/88", "tile/0/002.p/88"],
            "entry 256",
        ),
    ],
)
def test_a_cut_tail_is_told_from_where_on(gone: list[str], first: str) -> None:
    report = verify(without(SOUND, *gone))

    assert [(one.damage, one.place) for one in report.findings] == [(Damage.TAIL_CUT, first)]


def test_a_size_line_that_names_far_too_many_entries_ends_soon() -> None:
    checkpoint = Checkpoint(ORIGIN, 10**18, b"\0" * 32).signed(SIGNER)

    assert Damage.TAIL_CUT in kinds(SOUND | {"checkpoint": checkpoint})


def change_bundle(change: Callable[[list[bytes]], None], path: str = "tile/entries/001") -> Files:
    entries = decode_bundle(SOUND[path])
    change(entries)
    return SOUND | {path: encode_bundle(entries)}


def test_a_record_dropped_from_a_bundle_is_named() -> None:
    report = verify(change_bundle(lambda entries: entries.pop(10)))

    assert [(one.damage, one.place) for one in report.findings] == [
        (Damage.RECORD_DROPPED, "entry 266")
    ]


def test_two_records_swapped_in_a_bundle_are_named() -> None:
    def swap(entries: list[bytes]) -> None:
        entries[3], entries[9] = entries[9], entries[3]

    assert kinds(change_bundle(swap)) == {Damage.RECORD_SWAPPED}


def test_records_swapped_between_bundles_are_named() -> None:
    first = decode_bundle(SOUND["tile/entries/000"])
    second = decode_bundle(SOUND["tile/entries/001"])
    first[5], second[7] = second[7], first[5]
    files = {"tile/entries/000": encode_bundle(first), "tile/entries/001": encode_bundle(second)}

    assert kinds(SOUND | files) == {Damage.RECORD_SWAPPED}


def test_a_record_in_the_place_of_another_is_a_duplicate_and_a_loss() -> None:
    def repeat(entries: list[bytes]) -> None:
        entries[9] = entries[8]

    assert kinds(change_bundle(repeat)) == {Damage.INDEX_DUPLICATED, Damage.RECORD_DROPPED}


def test_an_altered_root_line_is_told_from_a_wrong_signature() -> None:
    parts = SOUND["checkpoint"].split(b"\n")
    parts[2] = b"A" * 43 + b"="
    assert kinds(SOUND | {"checkpoint": b"\n".join(parts)}) == {Damage.ALTERED_ROOT}


def test_a_wrong_signature_and_a_wrong_key_are_told_apart() -> None:
    checkpoint = Checkpoint(ORIGIN, SIZE, log_of(SIZE)._tree.root())
    signed = checkpoint.signed(SIGNER)
    by_other = checkpoint.signed(OTHER)
    forged = signed.replace(signed[-30:-10], b"A" * 20)

    assert kinds(SOUND | {"checkpoint": forged}) == {Damage.WRONG_SIGNATURE}
    assert kinds(SOUND | {"checkpoint": by_other}) == {Damage.WRONG_KEY_ID}


def test_a_checkpoint_of_another_log_is_refused() -> None:
    signer = NoteSigner("other.example/log", b"\x01" * 32)
    checkpoint = Checkpoint(signer.verifier.name, SIZE, log_of(SIZE)._tree.root())

    assert kinds(SOUND | {"checkpoint": checkpoint.signed(signer)}) == {
        Damage.WRONG_ORIGIN, Damage.WRONG_KEY_ID,
    }  # fmt: skip


def test_a_checkpoint_that_is_missing_or_no_checkpoint_is_told() -> None:
    assert kinds(without(SOUND, "checkpoint")) == {Damage.CHECKPOINT_MISSING}
    assert kinds(SOUND | {"checkpoint": b"hello\n"}) == {Damage.CHECKPOINT_MALFORMED}


def forged_entries() -> list[bytes]:
    entries = entries_of(SOUND)
    entries[300] = entry_document(entry(300, target_id="forged"), 300, NOW_NS)
    return entries


def test_entries_and_tiles_rewritten_without_the_key_do_not_have_the_signed_root() -> None:
    files = rewritten(forged_entries()) | {"checkpoint": SOUND["checkpoint"]}

    assert Damage.ROOT_MISMATCH in kinds(files)
    assert Damage.ENTRY_ALTERED not in kinds(files)


def test_a_fork_is_seen_by_whoever_keeps_an_older_checkpoint_and_by_no_one_else() -> None:
    fork = rewritten(forged_entries())
    assert kinds(fork) == set(), "it is signed by the operator, and sound in itself"
    assert Damage.FORK in kinds(fork, files_of(301)["checkpoint"])
    assert Damage.FORK in kinds(fork, SOUND["checkpoint"])
    assert Damage.FORK not in kinds(fork, files_of(300)["checkpoint"]), "equal up to there"


def test_an_old_checkpoint_that_is_replayed_with_its_files_needs_a_newer_one_to_be_seen() -> None:
    old = files_of(300)

    assert kinds(old) == set()
    assert kinds(old, SOUND["checkpoint"]) == {Damage.CHECKPOINT_REPLAYED}


def test_a_trusted_checkpoint_that_is_not_signed_by_the_key_is_not_trusted() -> None:
    forged = Checkpoint(ORIGIN, 1, b"\x07" * 32).signed(OTHER)

    assert kinds(SOUND, forged) == {Damage.TRUSTED_REFUSED}
    assert kinds(SOUND, b"no note") == {Damage.TRUSTED_REFUSED}


def renumbered(count: int, index: Callable[[int], int], ms: Callable[[int], int]) -> Files:
    return rewritten(
        [
            entry_document(entry(number), index(number), NOW_NS + ms(number) * 1_000_000)
            for number in range(count)
        ]
    )


def test_a_log_that_was_signed_with_a_wrong_order_is_still_told() -> None:
    same = renumbered(300, lambda number: number, lambda number: number)
    assert kinds(same) == set()
    assert kinds(renumbered(300, lambda n: n + (n >= 7), lambda n: n)) == {Damage.RECORD_DROPPED}
    assert kinds(renumbered(300, lambda n: {7: 8, 8: 7}.get(n, n), lambda n: n)) == {
        Damage.RECORD_SWAPPED
    }
    assert kinds(renumbered(300, lambda n: n - (n > 7), lambda n: n)) == {Damage.INDEX_DUPLICATED}


def test_a_log_whose_clock_goes_back_is_told_where() -> None:
    report = verify(renumbered(300, lambda n: n, lambda n: n if n != 9 else 2))

    assert [(one.damage, one.place) for one in report.findings] == [
        (Damage.CLOCK_WENT_BACK, "entry 9")
    ]


def test_the_empty_log_with_a_wrong_root_is_told() -> None:
    checkpoint = Checkpoint(ORIGIN, 0, b"\x07" * 32)
    assert checkpoint.root != EMPTY_ROOT

    assert kinds({"checkpoint": checkpoint.signed(SIGNER)}) == {Damage.ROOT_MISMATCH}


def test_a_report_is_bounded_and_says_so() -> None:
    entries = [b"x" * 9] * 2_000
    report = verify(rewritten(entries))

    assert (len(report.findings), report.cut_off) == (1_000, True)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_change_of_any_object_is_found(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(SOUND)))
    content = SOUND[path]
    change = data.draw(st.sampled_from(["flip", "cut", "drop", "append", "swap"]))
    place = data.draw(st.integers(0, len(content) - 1))
    if change == "flip":
        files = SOUND | {path: flipped(content, place, 1 << data.draw(st.integers(0, 7)))}
    elif change == "cut":
        files = SOUND | {path: content[:place]}
    elif change == "drop":
        files = without(SOUND, path)
    elif change == "append":
        files = SOUND | {path: content + data.draw(st.binary(min_size=1, max_size=40))}
    else:
        other = data.draw(st.sampled_from(sorted(set(SOUND) - {path})))
        files = SOUND | {path: SOUND[other], other: content}

    assert kinds(files), (change, path)


def test_the_component_itself_never_makes_a_log_that_is_found_damaged() -> None:
    log = log_of(300)
    log.apply(AppendEntries("ledger/0", 300, 301, (entry(300),)), NOW_NS - 10**12)

    assert kinds(published(log)) == set()
