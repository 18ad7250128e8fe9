"""The written form of ciphertexts and signatures: one payload has one form, and one refusal."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeplane.encryption.ciphertext import (
    REFUSED,
    VERSION_MAX,
    Versioned,
    associated_data,
    read,
    read_for_jws,
    written,
    written_for_jws,
)
from tradeplane.errors import InvalidRequest

versions = st.integers(1, VERSION_MAX)


@given(versions, st.binary(max_size=100))
def test_what_was_written_is_read(version, payload):
    assert read(written(version, payload)) == Versioned(version, payload)
    assert read_for_jws(written_for_jws(version, payload), "no") == Versioned(version, payload)


@given(versions, st.binary(min_size=1, max_size=20), st.text(max_size=3), st.integers(0, 60))
def test_no_other_text_means_the_same(version, payload, extra, position):
    good = written(version, payload)
    for text in (good[:position] + extra + good[position:], extra + good, good + extra):
        try:
            found = read(text)
        except InvalidRequest:
            continue
        assert text == good or found != Versioned(version, payload)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vault:v1",
        "vault:v0:AAAA",
        "vault:v01:AAAA",
        "vault:v+1:AAAA",
        f"vault:v{VERSION_MAX + 1}:AAAA",
        "vault:v1:AAA",
        "vault:v1:AB==",  # spare bits that are not zero
        "vault:v1:A-_A",
        "vault:v1:AA AA",
        "vault:v1:AAAA\n",
        "vault:v\u0661:AAAA",
    ],
)
def test_a_malformed_text_is_refused(text):
    with pytest.raises(InvalidRequest) as refusal:
        read(text)
    assert refusal.value.message == REFUSED


def test_a_signature_for_jws_has_no_padding_and_the_other_alphabet():
    assert written_for_jws(1, b"\xff\xff") == "vault:v1:__8"
    with pytest.raises(InvalidRequest, match=r"^no$"):
        read_for_jws("vault:v1:__8=", "no")
    with pytest.raises(InvalidRequest, match=r"^no$"):
        read_for_jws("vault:v1:" + base64.b64encode(b"\xff\xff").decode(), "no")


@given(st.tuples(st.text(), st.text(), versions, st.binary()), st.data())
def test_two_places_are_never_bound_to_the_same_bytes(place, data):
    other = data.draw(st.tuples(st.text(), st.text(), versions, st.binary()))
    shifted = (place[0] + place[1], "", place[2], place[3])

    for each in (other, shifted):
        assert (associated_data(*place) == associated_data(*each)) == (place == each)
