"""The audit records of key rings: one an event, complete, and without a key."""

from typing import get_args

import pytest

from tradeplane.auth.principal import Origin
from tradeplane.encryption import events as happened
from tradeplane.encryption.audit_trail import entries

BY = Origin("user", "u1", "firm", reason="a rotation that is due")
MATERIAL = happened.Material("m1", b"wrapped secret", "public")
COMMON = {"at_ns": 5, "by": BY, "tenant_id": "firm", "name": "payments"}
EVENTS = [
    happened.RingCreated(**COMMON, key_kind="aes256-gcm96", exportable=False, material=MATERIAL),
    happened.VersionAdded(**COMMON, version=2, material=MATERIAL),
    happened.VersionActivated(**COMMON, version=2),
    happened.RingConfigured(
        **COMMON,
        min_decryption_version=1,
        min_encryption_version=0,
        deletion_allowed=True,
        exportable=False,
    ),
    happened.RingTrimmed(**COMMON, min_available_version=2),
    happened.RingDeleted(**COMMON),
    happened.MaintenanceNoted(**COMMON, work="root_rotation"),
]


def test_no_kind_of_event_is_forgotten():
    assert {type(event) for event in EVENTS} == set(get_args(happened.EncryptionEvent))


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_each_event_is_one_record_with_who_what_and_why_and_no_key(event):
    (entry,) = entries(event, 77, "encryption/0/12")

    assert (entry.outcome, entry.at_ns, entry.by, entry.tenant_id) == ("success", 77, BY, "firm")
    assert (entry.target_kind, entry.target_id) == ("encryption_key", "payments")
    assert entry.details["source"] == "encryption/0/12"
    assert entry.details["reason"] == "a rotation that is due"
    assert "secret" not in repr(entry)
    assert "m1" not in repr(entry)


def test_the_facts_of_a_configuration_are_told():
    (entry,) = entries(EVENTS[3], 77, "")

    assert entry.action == "encryption_key.configured"
    assert entry.details["deletion_allowed"] == "true"
    assert entry.details["min_encryption_version"] == "0"
