"""What the audit log keeps of identity: every event has a record or a reason to have none."""

import msgspec
import pytest

from tradeplane.auth.audit_trail import _ACTIONS, _UNRECORDED, entries
from tradeplane.auth.events import KeyRevoked, PoliciesReplaced, SessionEnded
from tradeplane.auth.identity import Identity
from tradeplane.auth.principal import Origin
from tradeplane.auth.private_events import AttemptFailed, MfaEnrollmentStarted, PasswordSet

BY = Origin("user", "u1", "acme", "request", "f00d", "left the firm")
SECRET = "a-secret-value"


def test_every_event_has_a_record_or_is_known_to_have_none() -> None:
    assert set(_ACTIONS) | set(_UNRECORDED) == set(Identity.event_type.__args__)
    assert not set(_ACTIONS) & set(_UNRECORDED)


def test_a_record_says_who_did_what_to_whom_and_why() -> None:
    event = KeyRevoked(at_ns=1, by=BY, key_id="PK1", tenant_id="acme", account_id="a1")

    (entry,) = entries(event, 7, "auth/0")

    assert (entry.action, entry.outcome, entry.at_ns) == ("key.revoked", "success", 7)
    assert entry.by is BY
    assert (entry.tenant_id, entry.target_kind, entry.target_id) == ("acme", "key", "PK1")
    assert entry.details == {"source": "auth/0", "account_id": "a1"}


@pytest.mark.parametrize(
    ("reason", "outcome"), [("logout", "success"), ("reuse", "failure"), ("code_reuse", "failure")]
)
def test_a_theft_is_a_failure(reason: str, outcome: str) -> None:
    event = SessionEnded(
        at_ns=1, by=BY, session_id="s", user_id="u", tenant_id="t", reason=reason, until_ns=2
    )
    assert entries(event, 1, "")[0].outcome == outcome


def test_a_failed_attempt_is_a_failure_and_names_no_name() -> None:
    event = AttemptFailed(
        at_ns=1, by=BY, user_id="", tenant_id="", name_sha256="f00", factor="password",
        failures=3, until_ns=0,
    )  # fmt: skip
    (entry,) = entries(event, 1, "")
    assert (entry.outcome, entry.details["failures"]) == ("failure", "3")
    assert "f00" not in str(entry.details)


@pytest.mark.parametrize(
    "event",
    [
        PasswordSet(
            at_ns=1, by=BY, user_id="u", tenant_id="t", password_phc=SECRET, temporary=True,
            how="reset",
        ),
        MfaEnrollmentStarted(
            at_ns=1, by=BY, user_id="u", tenant_id="t", secret=SECRET, expires_ns=1
        ),
        PoliciesReplaced(at_ns=1, by=BY, version=1, documents={"a.cedar": SECRET}),
    ],
)  # fmt: skip
def test_no_secret_is_in_a_record(event: object) -> None:
    (entry,) = entries(event, 1, "auth/0")
    assert SECRET not in msgspec.json.encode(entry).decode()
