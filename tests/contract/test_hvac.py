"""``hvac``, unmodified, against ``/v1/transit``: each method works, or fails as documented."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Iterator

import hvac
import pytest
import requests
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hvac import exceptions
from hvac.api.secrets_engines import Transit
from tests.support.vault_server import VaultServer, vault_server

from tradeplane.encryption.ciphertext import REFUSED
from tradeplane.encryption.kinds import KINDS

TEXT = base64.b64encode(b"a text to keep").decode()
OTHER = base64.b64encode(b"another text").decode()
WORKING = {
    "create_key",
    "read_key",
    "list_keys",
    "delete_key",
    "update_key_configuration",
    "rotate_key",
    "encrypt_data",
    "decrypt_data",
    "rewrap_data",
    "generate_data_key",
    "generate_random_bytes",
    "hash_data",
    "generate_hmac",
    "sign_data",
    "verify_signed_data",
    "trim_key",
}
REFUSED_METHODS = {"export_key", "backup_key", "restore_key"}


@pytest.fixture(scope="module")
def server() -> Iterator[VaultServer]:
    with vault_server() as running:
        yield running


def transit_of(server: VaultServer, token: str) -> Transit:
    return hvac.Client(url=server.url, token=token).secrets.transit


@pytest.fixture
def transit(server: VaultServer, request: pytest.FixtureRequest) -> Transit:
    """An administrator of a firm of the test's own."""
    return transit_of(server, f"{request.node.name[:60]}/admin")


def test_every_method_of_hvac_is_decided_about():
    methods = {
        name for name, _ in inspect.getmembers(Transit, inspect.isfunction) if name[0] != "_"
    }

    assert methods == WORKING | REFUSED_METHODS


def test_a_key_is_made_read_listed_and_deleted(transit):
    with pytest.raises(exceptions.InvalidPath):
        transit.list_keys()
    with pytest.raises(exceptions.InvalidPath):
        transit.read_key("payments")

    assert transit.create_key("payments").status_code == 204
    assert transit.create_key("payments").status_code == 204, "again is no error"

    assert transit.list_keys()["data"]["keys"] == ["payments"]
    found = transit.read_key("payments")["data"]
    assert found["name"] == "payments"
    assert (found["type"], found["latest_version"]) == ("aes256-gcm96", 1)
    assert (found["min_decryption_version"], found["min_encryption_version"]) == (1, 0)
    assert list(found["keys"]) == ["1"]
    with pytest.raises(exceptions.InvalidRequest, match="deletion is not allowed"):
        transit.delete_key("payments")
    transit.update_key_configuration("payments", deletion_allowed=True)
    assert transit.delete_key("payments").status_code == 204
    with pytest.raises(exceptions.InvalidPath):
        transit.read_key("payments")


@pytest.mark.parametrize("kind", [kind for kind, can in KINDS.items() if can.encrypts])
def test_what_is_encrypted_is_decrypted(transit, kind):
    transit.create_key("k", key_type=kind)

    ciphertext = transit.encrypt_data("k", plaintext=TEXT)["data"]["ciphertext"]

    assert ciphertext.startswith("vault:v1:")
    assert transit.decrypt_data("k", ciphertext=ciphertext)["data"]["plaintext"] == TEXT


def test_associated_data_must_be_the_same(transit):
    transit.create_key("k")
    sealed = transit.encrypt_data("k", plaintext=TEXT, associated_data=TEXT)["data"]["ciphertext"]

    opened = transit.decrypt_data("k", ciphertext=sealed, associated_data=TEXT)
    assert opened["data"]["plaintext"] == TEXT
    for wrong in (None, OTHER):
        with pytest.raises(exceptions.InvalidRequest) as refusal:
            transit.decrypt_data("k", ciphertext=sealed, associated_data=wrong)
        assert refusal.value.errors == [REFUSED]


def test_a_batch_keeps_its_order_references_and_its_good_items(transit):
    transit.create_key("k")
    items = [{"plaintext": TEXT, "reference": str(number)} for number in range(5)]
    results = transit.encrypt_data("k", batch_input=items)["data"]["batch_results"]
    assert [each["reference"] for each in results] == ["0", "1", "2", "3", "4"]
    opening = [{"ciphertext": each["ciphertext"]} for each in results]
    opened = transit.decrypt_data("k", batch_input=opening)["data"]["batch_results"]
    assert [each["plaintext"] for each in opened] == [TEXT] * 5

    opening[2] = {"ciphertext": "vault:v1:AAAA", "reference": "bad"}
    with pytest.raises(exceptions.InvalidRequest) as refusal:
        transit.decrypt_data("k", batch_input=opening)

    mixed = refusal.value.json["data"]["batch_results"]
    assert [each.get("plaintext") for each in mixed] == [TEXT, TEXT, None, TEXT, TEXT]
    assert mixed[2] == {"error": REFUSED, "reference": "bad"}


def test_the_status_of_a_partly_failed_batch_can_be_chosen(server, transit):
    transit.create_key("k")
    tenant = transit._adapter.token
    answer = requests.post(
        f"{server.url}/v1/transit/encrypt/k",
        headers={"X-Vault-Token": tenant},
        json={
            "batch_input": [{"plaintext": TEXT}, {"plaintext": "no base64!"}, {"context": TEXT}],
            "partial_failure_response_code": 207,
        },
        timeout=10,
    )

    assert answer.status_code == 207
    results = answer.json()["data"]["batch_results"]
    assert ["error" in each for each in results] == [False, True, True]


def test_rotation_rewrapping_and_minimum_versions(transit):
    transit.create_key("k")
    old = transit.encrypt_data("k", plaintext=TEXT)["data"]["ciphertext"]
    assert transit.rotate_key("k").status_code == 204

    new = transit.encrypt_data("k", plaintext=TEXT)["data"]["ciphertext"]
    assert new.startswith("vault:v2:")
    rewrapped = transit.rewrap_data("k", ciphertext=old)["data"]
    assert rewrapped["ciphertext"].startswith("vault:v2:")
    assert "plaintext" not in rewrapped
    pinned = transit.encrypt_data("k", plaintext=TEXT, key_version=1)["data"]["ciphertext"]
    assert pinned.startswith("vault:v1:")

    transit.update_key_configuration("k", min_decryption_version=2)
    with pytest.raises(exceptions.InvalidRequest, match=REFUSED):
        transit.decrypt_data("k", ciphertext=old)
    with pytest.raises(exceptions.InvalidRequest):
        transit.encrypt_data("k", plaintext=TEXT, key_version=1)
    assert list(transit.read_key("k")["data"]["keys"]) == ["2"]


def test_trimming_destroys_old_versions_for_good(transit):
    transit.create_key("k")
    old = transit.encrypt_data("k", plaintext=TEXT)["data"]["ciphertext"]
    for _ in range(2):
        transit.rotate_key("k")
    with pytest.raises(exceptions.InvalidRequest, match="min_encryption_version"):
        transit.trim_key("k", 2)
    transit.update_key_configuration("k", min_decryption_version=2)
    transit.update_key_configuration("k", min_encryption_version=3)

    transit.trim_key("k", 2)

    assert transit.read_key("k")["data"]["min_available_version"] == 2
    with pytest.raises(exceptions.InvalidRequest, match="min_decryption_version"):
        transit.update_key_configuration("k", min_decryption_version=1)
    with pytest.raises(exceptions.InvalidRequest, match=REFUSED):
        transit.decrypt_data("k", ciphertext=old)


@pytest.mark.parametrize("kind", [kind for kind, can in KINDS.items() if can.signs])
def test_signatures_verify(transit, kind):
    transit.create_key("k", key_type=kind)
    signature = transit.sign_data("k", hash_input=TEXT)["data"]["signature"]

    assert signature.startswith("vault:v1:")

    def valid(text: str) -> bool:
        return transit.verify_signed_data("k", text, signature=signature)["data"]["valid"]

    assert (valid(TEXT), valid(OTHER)) == (True, False)


def test_a_signature_verifies_with_the_public_key_alone(transit):
    transit.create_key("k", key_type="ecdsa-p256")
    signature = transit.sign_data("k", hash_input=TEXT, hash_algorithm="sha2-384")["data"]
    public = load_pem_public_key(transit.read_key("k")["data"]["keys"]["1"]["public_key"].encode())

    raw = base64.b64decode(signature["signature"].removeprefix("vault:v1:"))
    public.verify(raw, base64.b64decode(TEXT), ec.ECDSA(hashes.SHA384()))


@pytest.mark.parametrize(
    "form",
    [
        {"signature_algorithm": "pkcs1v15"},
        {"signature_algorithm": "pss", "salt_length": "hash"},
        {"hash_algorithm": "sha2-512"},
    ],
)
def test_rsa_signs_in_every_form(transit, form):
    transit.create_key("k", key_type="rsa-2048")

    signature = transit.sign_data("k", hash_input=TEXT, **form)["data"]["signature"]

    assert transit.verify_signed_data("k", TEXT, signature=signature, **form)["data"]["valid"]


def test_many_inputs_are_signed_in_order(transit):
    transit.create_key("k", key_type="ed25519")
    items = [{"input": TEXT, "reference": "one"}, {"input": OTHER, "reference": "two"}]

    results = transit.sign_data("k", batch_input=items)["data"]["batch_results"]

    assert [each["reference"] for each in results] == ["one", "two"]
    for text, found in zip((TEXT, OTHER), results, strict=True):
        verdict = transit.verify_signed_data("k", text, signature=found["signature"])
        assert verdict["data"]["valid"]


def test_an_hmac_verifies(transit):
    transit.create_key("k")
    made = transit.generate_hmac("k", TEXT, algorithm="sha2-512")["data"]["hmac"]

    def valid(text: str) -> bool:
        verdict = transit.verify_signed_data("k", text, hmac=made, hash_algorithm="sha2-512")
        return verdict["data"]["valid"]

    assert (valid(TEXT), valid(OTHER)) == (True, False)


@pytest.mark.parametrize("bits", [None, 128, 256, 512])
def test_data_keys_come_in_the_clear_or_wrapped_as_the_path_says(transit, bits):
    transit.create_key("k")
    shown = transit.generate_data_key("k", "plaintext", bits=bits)["data"]
    hidden = transit.generate_data_key("k", "wrapped", bits=bits)["data"]

    assert len(base64.b64decode(shown["plaintext"])) * 8 == (bits or 256)
    opened = transit.decrypt_data("k", ciphertext=shown["ciphertext"])
    assert opened["data"]["plaintext"] == shown["plaintext"]
    assert "plaintext" not in hidden


def test_random_bytes_and_hashes(transit):
    assert len(base64.b64decode(transit.generate_random_bytes()["data"]["random_bytes"])) == 32
    found = transit.generate_random_bytes(n_bytes=4, output_format="hex")["data"]["random_bytes"]
    assert len(bytes.fromhex(found)) == 4
    summed = transit.hash_data(base64.b64encode(b"").decode(), algorithm="sha2-256")["data"]["sum"]
    assert summed == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_what_is_not_supported_says_so(transit):
    transit.create_key("k")
    for call in (
        lambda: transit.export_key("k", "encryption-key"),
        lambda: transit.export_key("k", "hmac-key", version=1),
        lambda: transit.backup_key("k"),
        lambda: transit.restore_key("backup"),
        lambda: transit.restore_key("backup", name="k2"),
        lambda: transit.create_key("d", derived=True),
        lambda: transit.create_key("d", derived=True, convergent_encryption=True),
        lambda: transit.create_key("d", allow_plaintext_backup=True),
        lambda: transit.create_key("d", auto_rotate_period="24h"),
        lambda: transit.update_key_configuration("k", allow_plaintext_backup=True),
        lambda: transit.encrypt_data("k", plaintext=TEXT, context=TEXT),
        lambda: transit.encrypt_data("k", plaintext=TEXT, nonce=TEXT),
        lambda: transit.encrypt_data("k", plaintext=TEXT, convergent_encryption=True),
        lambda: transit.decrypt_data("k", ciphertext="vault:v1:AAAA", context=TEXT),
    ):
        with pytest.raises(exceptions.InvalidRequest, match="not supported"):
            call()
    for kind in ("ecdsa-p384", "ecdsa-p521"):
        with pytest.raises(exceptions.InvalidRequest, match="unknown key type"):
            transit.create_key("d", key_type=kind)


def test_a_switch_that_goes_one_way_stays_on(transit):
    transit.create_key("k")
    transit.update_key_configuration("k", exportable=True)
    assert transit.read_key("k")["data"]["exportable"] is True

    with pytest.raises(exceptions.InvalidRequest, match="exportable cannot be taken back"):
        transit.update_key_configuration("k", exportable=False)


def test_another_firm_sees_and_opens_nothing(server, transit):
    transit.create_key("k")
    sealed = transit.encrypt_data("k", plaintext=TEXT)["data"]["ciphertext"]
    stranger = transit_of(server, "stranger/admin")

    with pytest.raises(exceptions.InvalidPath):
        stranger.read_key("k")
    with pytest.raises(exceptions.InvalidRequest, match="not found"):
        stranger.decrypt_data("k", ciphertext=sealed)
    stranger.create_key("k")
    with pytest.raises(exceptions.InvalidRequest, match=REFUSED):
        stranger.decrypt_data("k", ciphertext=sealed)


def test_who_may_not_is_forbidden_in_vaults_words(server, transit):
    transit.create_key("k")
    firm = transit._adapter.token.partition("/")[0]
    for token, calls in (
        ("", ("list_keys", "encrypt")),
        ("nonsense", ("list_keys", "encrypt")),
        (f"{firm}/trader", ("list_keys", "encrypt")),
        (f"{firm}/auditor", ("list_keys", "encrypt")),
        (f"{firm}/operator", ("encrypt",)),
    ):
        other = transit_of(server, token)
        for name in calls:
            with pytest.raises(exceptions.Forbidden) as refusal:
                other.list_keys() if name == "list_keys" else other.encrypt_data("k", TEXT)
            assert refusal.value.errors == ["permission denied"]
    assert transit_of(server, f"{firm}/operator").list_keys()["data"]["keys"] == ["k"]


def test_missing_keys_have_vaults_statuses(transit):
    for call in (
        lambda: transit.encrypt_data("none", plaintext=TEXT),
        lambda: transit.rotate_key("none"),
        lambda: transit.update_key_configuration("none", min_decryption_version=1),
        lambda: transit.delete_key("none"),
        lambda: transit.sign_data("none", hash_input=TEXT),
    ):
        with pytest.raises(exceptions.InvalidRequest, match="not found"):
            call()


def test_both_ways_to_list_are_one(server, transit):
    transit.create_key("k")
    strict = hvac.Client(url=server.url, token=transit._adapter.token, strict_http=True)

    assert strict.secrets.transit.list_keys()["data"] == transit.list_keys()["data"]
    with requests.Session() as session:
        # On one connection, between other requests, as a client with a pool sends them.
        session.headers["X-Vault-Token"] = transit._adapter.token
        for method, path, status in (
            ("LIST", "/v1/transit/keys", 200),
            ("GET", "/v1/transit/keys", 400),
            ("LIST", "/v1/transit/keys?list=true", 200),
            ("POST", "/v1/transit/random/8", 200),
            ("LIST", "/v1/transit/keys", 200),
        ):
            answer = session.request(method, server.url + path, timeout=10)
            assert answer.status_code == status, (method, path)


@pytest.mark.parametrize(
    "body",
    [b"[]", b"{", b'{"plaintext": 1, "batch_input": 5}', b'{"batch_input": []}', b'"x"', b"\xff"],
)
def test_a_malformed_body_is_a_bad_request(server, transit, body):
    transit.create_key("k")
    answer = requests.post(
        f"{server.url}/v1/transit/encrypt/k",
        headers={"X-Vault-Token": transit._adapter.token},
        data=body,
        timeout=10,
    )

    assert answer.status_code == 400
    assert list(answer.json()) == ["errors"]


def test_each_use_is_told_to_the_audit_log_without_the_text(server, transit):
    transit.create_key("k")
    server.audit.entries.clear()
    sealed = transit.encrypt_data("k", plaintext=TEXT)["data"]["ciphertext"]
    with pytest.raises(exceptions.InvalidRequest):
        transit.decrypt_data("k", ciphertext=sealed, associated_data=TEXT)

    told = [(entry.action, entry.outcome, entry.target_id) for entry in server.audit.entries]
    assert told == [("encryption.encrypt", "success", "k"), ("encryption.decrypt", "failure", "k")]
    assert TEXT not in repr(server.audit.entries)
    assert sealed not in repr(server.audit.entries)
    assert {entry.by.subject_id for entry in server.audit.entries} == {"admin-id"}
