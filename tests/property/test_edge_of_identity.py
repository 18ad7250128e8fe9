"""Forms, pages, cookies and sealed state, each beside a naive model or against any bytes."""

import asyncio
from types import SimpleNamespace
from urllib.parse import urlencode

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from identity_edge import OneKeySealer

from serve.cookies import read_cookie
from serve.form_body import parse_form
from serve.oauth_error import plain_words
from serve.page import page
from serve.query import Query
from serve.request_key import RequestKey
from serve.sealed_forms import SealedForms
from tradeplane.auth.principal import Principal
from tradeplane.clock import FakeClock
from tradeplane.errors import InvalidRequest

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FIELDS = st.dictionaries(TEXTS, TEXTS, max_size=20)
IDS = st.lists(st.text("abcdef", min_size=1, max_size=4), unique=True, max_size=40)


@given(FIELDS)
def test_a_form_is_read_as_it_was_written(fields):
    found = parse_form(urlencode(fields).encode())

    assert found == {name: value for name, value in fields.items() if value}


@given(FIELDS.filter(bool), st.data())
def test_a_field_that_is_there_twice_is_refused(fields, data):
    name = data.draw(st.sampled_from(sorted(fields)))
    pairs = data.draw(st.permutations([*fields.items(), (name, data.draw(TEXTS))]))
    with pytest.raises(InvalidRequest):
        parse_form(urlencode(pairs).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_are_refused(raw):
    try:
        found = parse_form(raw)
    except InvalidRequest:
        return
    assert all(isinstance(value, str) and value for value in found.values())


@given(IDS, st.integers(1, 10), st.sets(st.integers(0, 39), max_size=10))
def test_pages_show_what_stays_once_whatever_goes_meanwhile(ids, limit, going):
    leaving = {ids[index] for index in going if index < len(ids)}
    shown: list[str] = []
    after: str | None = ""
    present = list(ids)
    while after is not None:
        query = Query({"limit": str(limit), "after": after})
        found, after = page(query, present, lambda item: item)
        assert len(found) <= limit
        shown += found
        present = [item for item in present if item not in leaving]

    assert shown == sorted(set(shown))
    assert set(ids) - leaving <= set(shown) <= set(ids)


class Secret(msgspec.Struct):
    word: str


@given(st.text(max_size=20), st.integers(0, 10_000), st.integers(1, 255))
def test_sealed_state_opens_unchanged_or_not_at_all(word, at, change):
    forms = SealedForms(OneKeySealer(), FakeClock())

    async def run() -> None:
        text = await forms.seal("one", Secret(word))
        assert await forms.open("one", text, Secret) == Secret(word)
        with pytest.raises(InvalidRequest):
            await forms.open("other", text, Secret)
        index = at % len(text)
        changed = chr(ord(text[index]) ^ (change & 127) or 65)
        forged = text[:index] + changed + text[index + 1 :]
        try:
            # The last character may have bits that mean nothing.
            assert await forms.open("one", forged, Secret) == Secret(word)
            assert index == len(text) - 1 or forged == text
        except InvalidRequest:
            pass

    asyncio.run(run())


@given(st.binary(max_size=100))
def test_any_cookie_header_is_read_without_an_error(raw):
    assert isinstance(read_cookie(SimpleNamespace(headers={b"cookie": raw}), "name"), str)


@given(TEXTS)
def test_a_description_has_the_characters_that_oauth_allows(text):
    assert all(
        sign in " !" or "#" <= sign <= "[" or "]" <= sign <= "~" for sign in plain_words(text)
    )


def exchange(user_id: str, key: bytes | None) -> SimpleNamespace:
    headers = {} if key is None else {b"idempotency-key": key}
    return SimpleNamespace(
        headers=headers, principal=Principal("k", "firm", "", user_id=user_id, subject_id=user_id)
    )


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.sampled_from("12"))))
def test_a_request_key_names_one_thing_of_one_caller(calls):
    ids: dict[tuple[str, str, str], str] = {}
    for user_id, what, key in calls:
        found = RequestKey(exchange(user_id, key.encode()), what).uuid()
        assert ids.setdefault((user_id, what, key), found) == found
    assert len(set(ids.values())) == len(ids)


def test_without_a_key_every_request_makes_something_new():
    assert len({RequestKey(exchange("a", None), "x").uuid() for _ in range(100)}) == 100
