"""Identity on a running system: what is revoked is refused everywhere, and nothing is lost."""

import json
import urllib.error
import urllib.request

import pytest
from running_system import RunningSystem

pytestmark = pytest.mark.cluster
CONNECTIONS = 24
WHY = ("--reason", "a test")


def status(system: RunningSystem, key: dict[str, str]) -> int:
    """Ask for the account on a connection of its own, so that any replica may answer."""
    headers = {
        "APCA-API-KEY-ID": key["key_id"],
        "APCA-API-SECRET-KEY": key["secret_key"],
        "Connection": "close",
    }
    request = urllib.request.Request(f"{system.url}/v2/account", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


def made_key(system: RunningSystem, *more: str) -> dict[str, str]:
    account_id = system.credentials["account_id"]
    made = json.loads(system.cli("keys", "create", account_id, *WHY, *more))
    return {"key_id": made["key"]["key_id"], "secret_key": made["secret_key"]}


def test_a_key_opens_every_replica_until_it_is_revoked_and_then_none(
    system: RunningSystem,
) -> None:
    key = made_key(system)
    assert {status(system, key) for _ in range(CONNECTIONS)} == {200}

    system.cli("keys", "revoke", key["key_id"], *WHY)

    assert {status(system, key) for _ in range(CONNECTIONS)} == {401}
    assert status(system, system.credentials) == 200


def test_a_user_who_is_locked_out_takes_the_keys_along(system: RunningSystem) -> None:
    made = json.loads(system.cli("users", "create", "ben", "--role", "trader", *WHY))
    (account,) = json.loads(
        system.cli("accounts", "create", "--user", "ben", "--cash", "1000", *WHY)
    )
    assert status(system, account) == 200

    system.cli("users", "disable", "ben", *WHY)
    assert {status(system, account) for _ in range(CONNECTIONS)} == {401}
    system.cli("users", "enable", made["user"]["user_id"], *WHY)
    assert {status(system, account) for _ in range(CONNECTIONS)} == {200}


def test_a_killed_writer_loses_nothing_and_opens_nothing(system: RunningSystem) -> None:
    revoked, kept = made_key(system), made_key(system)
    system.cli("keys", "revoke", revoked["key_id"], *WHY)
    before = json.loads(system.cli("keys", "list"))

    system.kill("ray::Auth")
    answers: list[tuple[int, int]] = []
    while not answers or answers[-1] != (200, 401) or len(answers) < CONNECTIONS:
        answers.append((status(system, kept), status(system, revoked)))

    assert {kept for kept, _ in answers} <= {200, 503}
    assert {revoked for _, revoked in answers} <= {401, 503}
    assert json.loads(system.cli("keys", "list")) == before


def test_what_is_personal_or_secret_is_not_in_the_database(system: RunningSystem) -> None:
    planted = "planted.person@firm.test"
    made = json.loads(system.cli("users", "create", "planted-name", "--email", planted, *WHY))
    system.cli("users", "link", "planted-name", "https://idp.test", "planted-subject", *WHY)

    stored = b"".join(path.read_bytes() for path in system.home.glob("tradeplane.db*"))

    key = system.credentials
    for secret in (
        planted, "planted-name", "planted-subject", made["password"], key["admin_password"],
        key["secret_key"], "$argon2id$",
    ):  # fmt: skip
        assert secret.encode() not in stored
    assert made["user"]["email"] == planted
