"""API keys: recognisable, checkable offline, made from all of their randomness."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeplane.auth.api_key import RANDOM_BYTES, api_key_from, is_well_formed

_randomness = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES)


@given(_randomness)
def test_a_key_has_its_documented_form(random: bytes) -> None:
    key = api_key_from(random)

    assert key.key_id.startswith("PK")
    assert len(key.key_id) == 20
    assert key.secret_key.startswith("tps_")
    assert is_well_formed(key.secret_key)


@given(_randomness, st.integers(4, 52), st.sampled_from("0aZ"))
def test_one_wrong_character_is_noticed(random: bytes, place: int, character: str) -> None:
    secret = api_key_from(random).secret_key
    typo = secret[:place] + character + secret[place + 1 :]

    assert is_well_formed(typo) == (typo == secret)


def test_keys_differ() -> None:
    keys = {api_key_from(os.urandom(RANDOM_BYTES)).secret_key for _ in range(100)}

    assert len(keys) == 100


def test_too_little_randomness_is_a_mistake_of_ours() -> None:
    with pytest.raises(AssertionError):
        api_key_from(b"short")
