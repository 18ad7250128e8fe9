import json

import pytest

from serve.error_table import ERROR_TABLE, error_reply, internal_error_reply
from tradeplane.errors import (
    CLASSES,
    CorruptJournal,
    InsufficientQuantity,
    NotAuthenticated,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    TooManyAttempts,
)


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_class_has_a_row(name):
    assert CLASSES[name] in ERROR_TABLE


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_row_agrees_with_itself_and_with_its_class(name):
    row, kind = ERROR_TABLE[CLASSES[name]], CLASSES[name]

    assert row.status != 504, "clients repeat a POST on 504"
    assert len(str(row.code)) == 8
    assert (row.status >= 500) == name.startswith(("Tradeplane", "Service")) or (
        (row.status >= 500) == issubclass(kind, CLASSES["ServiceFailed"])
    )
    assert row.public == (row.status != 500)
    if row.retry_after_s is not None:
        assert row.status in {429, 503}


def test_details_stand_beside_code_and_message():
    error = InsufficientQuantity(
        "insufficient qty", {"available": "0", "related_orders": ["a"], "code": "1"}
    )

    assert json.loads(error_reply(error).body) == {
        "available": "0",
        "related_orders": ["a"],
        "code": 40310000,
        "message": "insufficient qty",
    }


def test_an_error_of_ours_says_nothing_about_itself():
    reply = error_reply(CorruptJournal("sequence 7 of ledger/0 is missing", {"path": "x"}))

    assert reply.status == 500
    assert json.loads(reply.body) == {"code": 50010000, "message": "internal server error"}
    assert internal_error_reply().body == reply.body


@pytest.mark.parametrize(
    ("error", "override", "expected"),
    [
        (Overloaded("full"), None, b"1"),
        (RateLimited("slow down"), 7, b"7"),
        (OutcomeUnknown("who knows"), 7, None),
    ],
)
def test_retry_after_is_said_where_a_repetition_is_safe(error, override, expected):
    assert dict(error_reply(error, override).headers).get(b"retry-after") == expected


def test_a_401_names_a_scheme():
    headers = dict(error_reply(NotAuthenticated("unauthorized.")).headers)

    assert headers[b"www-authenticate"].startswith(b"Basic ")


def test_a_subclass_without_a_row_is_answered_as_its_parent():
    class NewlyOverloaded(Overloaded):
        pass

    try:
        assert error_reply(NewlyOverloaded("full")).status == 503
    finally:
        # The class must not stay in the tree that other tests walk.
        del NewlyOverloaded


@pytest.mark.parametrize(("told", "expected"), [("77", b"77"), ("soon", b"30"), ("²", b"30")])
def test_a_wait_that_the_error_names_is_the_one_that_is_told(told, expected):
    reply = error_reply(TooManyAttempts("wait", {"retry_after_s": told}))

    assert dict(reply.headers)[b"retry-after"] == expected
