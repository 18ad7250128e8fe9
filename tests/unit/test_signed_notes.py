"""Signed notes, checkpoints and proof files: the formats to the byte, and what is refused."""

import base64

import pytest
from audit_files import ORIGIN, OTHER, SIGNER, files_of
from hypothesis import given
from hypothesis import strategies as st

from tradeplane.audit.checkpoint import Checkpoint, parse_checkpoint
from tradeplane.audit.log_files import LogFiles
from tradeplane.audit.merkle import EMPTY_ROOT
from tradeplane.audit.signed_note import (
    SIGNATURES_MAX,
    NoteSigner,
    parse_note,
    parse_vkey,
)
from tradeplane.audit.tlog_proof import TlogProof, parse_proof, verify_proof
from tradeplane.errors import InvalidRequest

# The example in the documentation of Go's package note, where the format comes from.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngo"
    "tpRZb6KE6RyyBwJnAM=\n"
).encode()


def test_a_note_that_another_program_signed_is_valid():
    key = parse_vkey(GO_VKEY)
    assert key.name == "PeterNeumann"
    assert key.vkey() == GO_VKEY
    assert key.judge(parse_note(GO_NOTE)) == "valid"


def test_the_same_note_with_a_changed_text_is_not():
    key = parse_vkey(GO_VKEY)
    changed = GO_NOTE.replace(b"answer", b"anzwer")
    assert key.judge(parse_note(changed)) == "wrong signature"


def test_lines_of_other_keys_say_nothing_and_a_wrong_one_of_ours_spoils_a_right_one():
    note = SIGNER.sign("text\n")
    own = note.split(b"\n")[-2] + b"\n"
    foreign = OTHER.sign("text\n").split(b"\n")[-2] + b"\n"
    bad = SIGNER.sign("another\n").split(b"\n")[-2] + b"\n"
    judge = SIGNER.verifier.judge
    assert judge(parse_note(b"text\n\n" + foreign + own)) == "valid"
    assert judge(parse_note(b"text\n\n" + foreign)) == "unknown key"
    assert judge(parse_note(b"text\n\n" + own + bad)) == "wrong signature"
    assert judge(parse_note(b"text\n\n" + bad + own)) == "wrong signature"


def test_a_key_of_another_name_is_another_key():
    one, other = (NoteSigner(name, b"\x01" * 32).verifier for name in ("one", "other"))
    assert one.key_id != other.key_id
    assert one.judge(parse_note(NoteSigner("other", b"\x01" * 32).sign("x\n"))) == "unknown key"


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\n",
        b"text\n",
        b"text\n\n",
        b"text\n\nno dash\n",
        SIGNER.sign("text\n")[:-1],
        SIGNER.sign("text\n") + b"\n",
        SIGNER.sign("text\n").replace(b"text", b"te\x00xt"),
        SIGNER.sign("text\n").replace(b"text", b"te\rxt"),
        SIGNER.sign("text\n").replace(b"text", b"te\xffxt"),
        "text\n\n— name AAAA\n".encode(),
        "text\n\n— na+me AAAAAAAA\n".encode(),
        "text\n\n— name AAAAAAB=\n".encode(),
        "text\n\n— name !!!!\n".encode(),
        b"text\n\n" + SIGNER.sign("text\n").split(b"\n")[-2] * (SIGNATURES_MAX + 1),
        b"x" * 70_000,
    ],
)
def test_what_is_no_note_is_refused(note):
    with pytest.raises(InvalidRequest):
        parse_note(note)


def test_a_note_may_have_many_signatures():
    lines = b"".join(
        NoteSigner(f"signer{number}", bytes([number] * 32)).sign("text\n").split(b"\n")[-2] + b"\n"
        for number in range(1, 17)
    )
    note = parse_note(b"text\n\n" + lines)
    assert len(note.signatures) == 16
    assert NoteSigner("signer16", bytes([16] * 32)).verifier.judge(note) == "valid"


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000",
        GO_VKEY.replace("c74f20a3", "c74f20a4"),
        GO_VKEY.replace("PeterNeumann", "PeterNewmann"),
        GO_VKEY[:-1],
        "name+00000000+" + base64.b64encode(b"\x06" + b"\0" * 32).decode(),
        "na me+00000000+" + base64.b64encode(b"\x01" + b"\0" * 32).decode(),
    ],
)
def test_what_is_no_verifier_key_is_refused(vkey):
    with pytest.raises(InvalidRequest):
        parse_vkey(vkey)


@given(st.binary(max_size=200))
def test_noise_is_refused_or_parsed_and_never_crashes(noise):
    for parse in (parse_note, parse_checkpoint, parse_proof):
        try:
            parse(noise)
        except InvalidRequest:
            continue


@given(st.integers(0, 2**62), st.binary(min_size=32, max_size=32))
def test_a_checkpoint_comes_back_as_it_was_signed(size, root):
    checkpoint = Checkpoint(ORIGIN, size, root)
    found, note = parse_checkpoint(checkpoint.signed(SIGNER))
    assert found == checkpoint
    assert SIGNER.verifier.judge(note) == "valid"


def test_a_checkpoint_has_the_form_of_the_specification():
    text = Checkpoint("example.com/log", 5, EMPTY_ROOT).text()
    assert text == "example.com/log\n5\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"


@pytest.mark.parametrize(
    "body",
    [
        "origin\n5\n",
        "origin\n05\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "origin\n-5\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "origin\n5 \n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "origin\n\u0665\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "origin\n99999999999999999999\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
        "origin\n5\n47DEQpj8HBSa\n",
        "origin\n5\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFV=\n",
        "origin\n5\nnot base64\n",
        "\n5\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n",
    ],
)
def test_a_signed_text_that_is_no_checkpoint_is_refused(body):
    with pytest.raises(InvalidRequest):
        parse_checkpoint(SIGNER.sign(body))


SIZE = 300
FILES = files_of(SIZE)
LOG = LogFiles(FILES.get, SIZE)


def proof_of(index: int) -> TlogProof:
    path = tuple(LOG.inclusion(index))
    return TlogProof(index, path, FILES["checkpoint"], LOG.entry(index))


def test_a_proof_file_has_the_form_of_the_specification():
    lines = proof_of(7).encode().decode().split("\n")
    assert lines[0] == "c2sp.org/tlog-proof@v1"
    assert base64.b64decode(lines[1].removeprefix("extra ")) == LOG.entry(7)
    assert lines[2] == "index 7"
    end = lines.index("")
    assert [len(base64.b64decode(line)) for line in lines[3:end]] == [32] * len(LOG.inclusion(7))
    assert "\n".join(lines[end + 1 :]).encode() == FILES["checkpoint"]


@given(st.integers(0, SIZE - 1))
def test_every_entry_has_a_proof_that_holds_for_it_and_no_other(index):
    proof = parse_proof(proof_of(index).encode())
    assert proof == proof_of(index)
    assert verify_proof(proof, LOG.entry(index), [OTHER.verifier, SIGNER.verifier]) is None
    other = LOG.entry((index + 1) % SIZE)
    assert verify_proof(proof, other, [SIGNER.verifier]) is not None
    assert verify_proof(proof, LOG.entry(index), [OTHER.verifier]) is not None
    assert verify_proof(proof, LOG.entry(index), []) is not None


def test_a_checkpoint_under_another_name_than_its_key_does_not_count():
    stranger = NoteSigner("stranger.example", b"\x03" * 32)
    same = parse_checkpoint(FILES["checkpoint"])[0]
    proof = TlogProof(7, tuple(LOG.inclusion(7)), same.signed(stranger))
    assert verify_proof(proof, LOG.entry(7), [stranger.verifier]) is not None


@given(st.integers(0, SIZE - 1), st.data())
def test_a_proof_file_with_any_byte_changed_is_refused(index, data):
    content = proof_of(index).encode()
    position = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[position] ^= data.draw(st.integers(1, 255))
    try:
        proof = parse_proof(bytes(changed))
    except InvalidRequest:
        return
    assert verify_proof(proof, proof.extra, [SIGNER.verifier]) is not None
