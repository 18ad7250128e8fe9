"""`hvac` against a running system, while its actor is killed and its keys rotate."""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Callable

import hvac
import pytest
from hvac import exceptions
from hvac.api.secrets_engines import Transit
from running_system import RunningSystem

pytestmark = pytest.mark.cluster
TEXT = base64.b64encode(b"a text that must not be found").decode()
ROTATIONS = 4
KILLS = 2
BACK_S = 60.0
RETRY_S = 0.2


@pytest.fixture(scope="module")
def transit(system: RunningSystem) -> Transit:
    return hvac.Client(url=system.url, token=token_of(system)).secrets.transit


def token_of(system: RunningSystem) -> str:
    known = system.credentials
    body = {"username": known["admin_user"], "password": known["admin_password"]}
    request = urllib.request.Request(
        f"{system.url}/auth/login",
        data=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=15) as answer:
        return str(json.loads(answer.read())["access_token"])


def test_a_key_of_the_operator_serves_a_client_of_the_api(system, transit):
    system.cli("encryption", "keys", "create", "cli", "--reason", "a test")
    sealed = transit.encrypt_data("cli", plaintext=TEXT)["data"]["ciphertext"]
    rotated = json.loads(system.cli("encryption", "keys", "rotate", "cli", "--reason", "a test"))
    assert rotated["latest_version"] == 2

    assert transit.decrypt_data("cli", ciphertext=sealed)["data"]["plaintext"] == TEXT
    assert transit.rewrap_data("cli", ciphertext=sealed)["data"]["key_version"] == 2


def test_a_new_root_key_is_used_without_a_restart(system, transit):
    transit.create_key("before")
    sealed = transit.encrypt_data("before", plaintext=TEXT)["data"]["ciphertext"]

    found = json.loads(system.cli("encryption", "root", "rotate", "--reason", "a test"))
    assert found["rewrapped"] >= 3
    system.kill("ray::Encryption")

    after_kill(lambda: transit.create_key("after"))
    assert transit.decrypt_data("before", ciphertext=sealed)["data"]["plaintext"] == TEXT


def test_rotations_and_kills_under_load_lose_and_double_nothing(  # noqa: C901  # one load
    system, transit
):
    transit.create_key("load")
    stop, failures = threading.Event(), []
    kept: list[str] = []

    def load() -> None:
        client = hvac.Client(url=system.url, token=transit._adapter.token)
        while not stop.is_set():
            try:
                made = client.secrets.transit.encrypt_data("load", plaintext=TEXT)
                kept.append(made["data"]["ciphertext"])
                opened = client.secrets.transit.decrypt_data("load", ciphertext=kept[-1])
                assert opened["data"]["plaintext"] == TEXT
            except exceptions.VaultDown:
                # Closed while the actor is away for seconds; never wrong.
                continue
            except BaseException as error:  # noqa: BLE001  # raised again below
                failures.append(error)
                return

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(ROTATIONS):
        if number < KILLS:
            system.kill("ray::Encryption")
        after_kill(lambda: transit.rotate_key("load"))
    stop.set()
    for thread in threads:
        thread.join()

    if failures:
        raise failures[0]
    # A rotation whose answer was lost has happened; it is repeated by the client, not by us.
    latest = transit.read_key("load")["data"]["latest_version"]
    assert latest >= ROTATIONS + 1
    for ciphertext in kept[:: max(1, len(kept) // 50)]:
        assert transit.decrypt_data("load", ciphertext=ciphertext)["data"]["plaintext"] == TEXT
    assert len({each.split(":")[1] for each in kept}) > 1, "work went on from version to version"


def test_the_database_has_no_name_or_key_in_the_clear(system, transit):
    transit.create_key("find-me-if-you-can")
    with sqlite3.connect(system.home / "tradeplane.db") as database:
        rows = database.execute(
            "SELECT event, key FROM journal WHERE component IN ('encryption', 'auth')"
        ).fetchall()
        keys = database.execute("SELECT purpose FROM data_keys").fetchall()

    assert rows
    assert {"journal", "journal-key", "key-rings"} <= {purpose for (purpose,) in keys}
    told = repr(rows)
    for text in ("find-me", "aes256", system.credentials["admin_user"] + '"'):
        assert text not in told


def after_kill(call: Callable[[], object]) -> None:
    """Call, and again while the service says that it is closed for the moment."""
    deadline = time.monotonic() + BACK_S
    while True:
        try:
            call()
        except exceptions.VaultDown:
            assert time.monotonic() < deadline, f"it did not come back within {BACK_S} s"
            time.sleep(RETRY_S)
        else:
            return
