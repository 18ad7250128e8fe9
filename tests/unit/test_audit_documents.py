"""Log entries: canonical JSON, OCSF's classes, and what a reader makes of them."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradeplane.audit.canonical_json import INTEGER_MAX, canonical_json
from tradeplane.audit.document import DETAILS_MAX, entry_document, read_record
from tradeplane.audit.entry import AuditEntry
from tradeplane.audit.entry_bundle import ENTRY_BYTES_MAX
from tradeplane.audit.ocsf import (
    ACCOUNT_CHANGE,
    API_ACTIVITY,
    AUTHENTICATION,
    OTHER,
    USER_ACCESS,
    classify,
)
from tradeplane.auth import audit_trail
from tradeplane.auth.principal import Origin
from tradeplane.errors import InvalidRequest, ProofRefused

NOW_NS = 1_700_000_000_123_456_789

texts = st.text(max_size=40)
entries = st.builds(
    AuditEntry,
    action=st.sampled_from(["auth.login", "user.role_set", "user.created", "order.accepted", "x"]),
    outcome=st.sampled_from(["success", "failure"]),
    at_ns=st.integers(-(2**63), 2**63 - 1),
    by=st.builds(
        Origin,
        st.sampled_from(["user", "key", "client", "operator", "system"]),
        texts,
        texts,
        texts,
        texts,
        texts,
    ),
    tenant_id=texts,
    target_kind=texts,
    target_id=st.text(max_size=2_000),
    details=st.dictionaries(texts, st.text(max_size=2_000), max_size=40),
)


def test_the_example_of_rfc_8785_is_sorted_and_escaped_as_there():
    value = {
        "\u20ac": "Euro Sign",
        "\r": "Carriage Return",
        "\ufb33": "Hebrew Letter Dalet With Dagesh",
        "1": "One",
        "\U0001f600": "Emoji: Grinning Face",
        "\u0080": "Control",
        "\u00f6": "Latin Small Letter O With Diaeresis",
    }
    assert [*json.loads(canonical_json(value))] == [
        "\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33",
    ]  # fmt: skip
    text = "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/"
    assert canonical_json(text) == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'.encode()
    assert canonical_json({"b": [None, True, False, -1], "a": {}}) == (
        b'{"a":{},"b":[null,true,false,-1]}'
    )


@pytest.mark.parametrize("value", [1.5, INTEGER_MAX + 1, "\ud800", {1: 2}, {"a": {2}}, b"x"])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(InvalidRequest):
        canonical_json(value)


@given(entries, st.integers(0, 2**40))
def test_every_entry_is_canonical_json_and_fits_a_bundle(entry, index):
    document = entry_document(entry, index, NOW_NS)
    assert canonical_json(json.loads(document)) == document
    assert len(document) <= ENTRY_BYTES_MAX
    assert b"\0" not in document
    assert "\\u0000" not in document.decode()


@given(entries, st.integers(0, 2**40))
def test_what_an_entry_is_found_by_is_what_was_recorded(entry, index):
    found = read_record(entry_document(entry, index, NOW_NS))
    assert (found.log_index, found.outcome, found.at_ns) == (index, entry.outcome, entry.at_ns)
    assert found.action == entry.action
    assert found.logged_ms == NOW_NS // 1_000_000
    if entry.tenant_id.isascii() and "\0" not in entry.tenant_id:
        assert found.tenant_id == entry.tenant_id


@given(entries)
def test_an_entry_has_what_its_ocsf_class_requires(entry):
    document = json.loads(entry_document(entry, 7, NOW_NS))
    class_uid = document["class_uid"]
    assert document["category_uid"] == class_uid // 1_000
    assert document["type_uid"] == class_uid * 100 + document["activity_id"]
    assert document["metadata"]["version"] == "1.6.0"
    assert document["metadata"]["product"]["name"] == "Tradeplane"
    assert document["metadata"]["sequence"] == 7
    assert document["severity_id"] in {1, 2}
    assert {"time", "actor"} <= set(document)
    required = {
        AUTHENTICATION: {"user", "service"},
        ACCOUNT_CHANGE: {"user"},
        USER_ACCESS: {"user", "privileges"},
        API_ACTIVITY: {"api", "src_endpoint"},
    }
    assert required[class_uid] <= set(document)
    assert len(document.get("unmapped", {})) <= DETAILS_MAX + 1


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("auth.login", (AUTHENTICATION, 1)),
        ("auth.failed", (AUTHENTICATION, 1)),
        ("session.ended", (AUTHENTICATION, 2)),
        ("user.created", (ACCOUNT_CHANGE, 1)),
        ("mfa.enabled", (ACCOUNT_CHANGE, 10)),
        ("user.role_set", (USER_ACCESS, 1)),
        ("order.accepted", (API_ACTIVITY, 1)),
        ("key.revoked", (API_ACTIVITY, 4)),
        ("access.denied", (API_ACTIVITY, OTHER)),
        ("something.new", (API_ACTIVITY, OTHER)),
    ],
)
def test_actions_have_the_class_of_what_they_are(action, expected):
    assert classify(action) == expected


def test_what_happens_to_people_and_sessions_is_no_mere_api_activity():
    for action, _, _ in audit_trail._ACTIONS.values():
        if action.partition(".")[0] in {"auth", "session", "mfa", "user", "password"}:
            assert classify(action)[0] != API_ACTIVITY, action


def test_a_record_of_another_firms_doer_names_that_firm():
    entry = AuditEntry(
        "user.disabled", "success", NOW_NS, Origin("user", "u1", "default"), "firm", "user", "u2"
    )
    document = json.loads(entry_document(entry, 0, NOW_NS))
    assert document["actor"]["user"]["org"] == {"uid": "default"}
    assert document["user"]["uid"] == "u2"
    assert document["metadata"]["tenant_uid"] == "firm"


@pytest.mark.parametrize("noise", [b"", b"{}", b"[]", b"\xff", b'{"metadata":{}}'])
def test_what_is_no_entry_is_refused_when_read(noise):
    with pytest.raises(ProofRefused):
        read_record(noise)


@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | texts, lambda inner: st.lists(
    inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8))  # fmt: skip
def test_canonical_json_says_the_same_as_it_was_given_and_is_its_own_canon(value):
    try:
        encoded = canonical_json(value)
    except InvalidRequest:
        return
    assert json.loads(encoded) == value
    assert canonical_json(json.loads(encoded)) == encoded
    assert msgspec.json.decode(encoded) == value
