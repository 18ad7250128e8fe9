"""The published audit log over HTTP: whose records are shown to whom, and that proofs hold."""

from __future__ import annotations

import asyncio
import json

import pytest
from audit_files import NOW_NS, ORIGIN, OTHER, SIGNER, entry, published

from actors.audit_reader import AuditReader
from adapters.database.audit_index import AuditIndex
from adapters.database.engine import open_database
from adapters.database.migration import migrate
from adapters.objects.folder import FolderObjects
from tradeplane.audit.checkpoint import parse_checkpoint
from tradeplane.audit.commands import AppendEntries
from tradeplane.audit.log import AuditLog
from tradeplane.audit.tile_paths import PREFIX
from tradeplane.audit.tlog_proof import parse_proof, verify_proof
from tradeplane.audit.verifier import verify_log
from tradeplane.auth.principal import HOME_TENANT, Principal

KEY = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
ACCOUNT = "11111111-1111-4111-8111-111111111111"
OTHER_ACCOUNT = "22222222-2222-4222-8222-222222222222"
COUNT = 600


def order_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def record(number: int):
    """Every third one is a rival's, and every second of the rest is of another account."""
    tenant_id = "rival" if number % 3 == 0 else "firm"
    account_id = OTHER_ACCOUNT if number % 2 else ACCOUNT
    details = {"account_id": account_id}
    action = "order.accepted" if number < COUNT - 2 else "order.canceled"
    return entry(number, tenant_id, details=details, action=action)


class PublishedLog:
    """A log in a folder with its index, and whoever asks about it."""

    def __init__(self, folder, engine) -> None:
        self.store = FolderObjects(folder)
        self.index = AuditIndex(engine)
        self.log = AuditLog()
        self.principal = Principal("PK1", "firm", ACCOUNT, subject_id="PK1")
        self.reader = AuditReader(self.store, self.index, wait_s=5)

    def append(self, count: int) -> None:
        after = self.log.size
        entries = tuple(record(number) for number in range(after, after + count))
        command = AppendEntries("ledger/0", after, after + count, entries)
        self.index.add(self.log.apply(command, NOW_NS).rows)

    def publish(self) -> None:
        objects = {PREFIX + path: content for path, content in published(self.log).items()}
        note = objects.pop(f"{PREFIX}checkpoint")
        objects[f"{PREFIX}vkey"] = SIGNER.verifier.vkey().encode() + b"\n"
        self.store.create(objects)
        self.store.replace(f"{PREFIX}checkpoint", note)

    def ask_as(self, role: str, tenant_id: str = "firm", account_id: str = ACCOUNT) -> None:
        self.principal = Principal("PK1", tenant_id, account_id, subject_id="PK1", role=role)


@pytest.fixture
def published_log(tmp_path, venue):
    engine = open_database(f"sqlite:///{tmp_path / 'log.db'}")
    migrate(engine)
    log = PublishedLog(tmp_path / "objects", engine)
    log.append(COUNT)
    log.publish()
    venue.ports = type(venue.ports)(
        venue.trading, venue.market, venue.keys, venue.readiness, audit=log.reader
    )
    venue.keys.authenticate = lambda *_: log.principal
    yield log
    engine.dispose()


@pytest.fixture
async def http(published_log, venue):
    async with venue.client() as client:
        yield client


async def test_checkpoint_and_key_are_the_published_ones_and_fit(http):
    note = await http.get("/audit/checkpoint")
    key = await http.get("/audit/key")
    assert note.headers["content-type"] == key.headers["content-type"]
    assert note.headers["content-type"].startswith("text/plain")
    checkpoint, signed = parse_checkpoint(note.content)
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, COUNT)
    assert key.text.strip() == SIGNER.verifier.vkey()
    assert SIGNER.verifier.judge(signed) == "valid"


async def test_a_whole_log_fetched_over_http_verifies(http, published_log):
    published_log.ask_as("auditor", HOME_TENANT)
    objects = {}
    for path in (
        "checkpoint",
        *(name.removeprefix(PREFIX) for name in published_log.store.names("audit/tile/")),
    ):
        answer = await http.get(f"/audit/{path}")
        assert answer.status_code == 200, path
        objects[path] = answer.content
    assert verify_log(objects.get, SIGNER.verifier).sound
    assert not verify_log(objects.get, OTHER.verifier).sound


async def test_tiles_are_immutable_to_caches_and_bundles_are_for_the_installations_auditors(
    http, published_log
):
    published_log.ask_as("auditor")
    tile = await http.get("/audit/tile/0/000")
    assert (tile.status_code, len(tile.content)) == (200, 256 * 32)
    assert "immutable" in tile.headers["cache-control"]
    assert (await http.get("/audit/tile/entries/000")).status_code == 404
    published_log.ask_as("auditor", HOME_TENANT)
    assert (await http.get("/audit/tile/entries/000")).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/999",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/9/000",
        "tile/00/000",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/..%2f..%2fcheckpoint",
        "tile/0/%2e%2e",
        "tile/0/000%00",
        "tile/0/x001/x002/x003/x004/000",
    ],
)
async def test_a_path_that_is_no_tile_is_not_found(http, published_log, path):
    published_log.ask_as("auditor", HOME_TENANT)
    assert (await http.get(f"/audit/{path}")).status_code == 404


@pytest.mark.parametrize("role", ["trader", "researcher", "operator"])
async def test_records_and_tiles_are_not_for_every_role(http, published_log, role):
    published_log.ask_as(role, HOME_TENANT)
    for path in ("entries", "tile/0/000", "tile/entries/000"):
        assert (await http.get(f"/audit/{path}")).status_code == 403


async def test_pages_hold_the_firms_own_entries_once_newest_first(http, published_log):
    published_log.ask_as("auditor")
    token, seen = "", []
    while token is not None:
        answer = await http.get("/audit/entries", params={"limit": 90, "page_token": token})
        body = answer.json()
        assert body["size"] == COUNT
        seen += [one["index"] for one in body["entries"]]
        for one in body["entries"]:
            assert one["record"]["metadata"]["tenant_uid"] == "firm"
            assert one["record"]["metadata"]["sequence"] == one["index"]
        token = body["next_page_token"]
    assert seen == [number for number in reversed(range(COUNT)) if number % 3]


async def test_the_records_text_is_the_logs_own(http, published_log):
    published_log.ask_as("auditor")
    answer = await http.get("/audit/entries", params={"limit": 1})
    document = json.loads(answer.content)["entries"][0]["record"]
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert canonical.encode() in answer.content


async def test_filters_are_all_applied(http, published_log):
    published_log.ask_as("auditor")
    for params, expected in (
        ({"action": "order.canceled"}, [599, 598]),
        ({"target_id": order_id(7)}, [7]),
        ({"target_id": order_id(9)}, []),
        ({"account_id": ACCOUNT, "target_id": order_id(7)}, []),
        ({"outcome": "failure"}, []),
        ({"until": "2001-01-01"}, []),
        ({"after": "2201-01-01"}, []),
    ):
        answer = await http.get("/audit/entries", params={"limit": 200, **params})
        assert [one["index"] for one in answer.json()["entries"]] == expected, params


@pytest.mark.parametrize(
    "params",
    [
        {"limit": "0"},
        {"limit": "201"},
        {"page_token": "-1"},
        {"page_token": "9" * 19},
        {"page_token": "x"},
        {"outcome": "perhaps"},
        {"after": "yesterday"},
        {"action": "x" * 257},
        {"target_id": "a\x00b"},
    ],
)
async def test_a_malformed_search_is_refused(http, published_log, params):
    published_log.ask_as("auditor")
    assert (await http.get("/audit/entries", params=params)).status_code == 422


async def test_the_proof_of_an_own_order_verifies_offline_and_names_it(http):
    answer = await http.get(f"/audit/proof/{order_id(4)}")
    assert answer.status_code == 200
    proof = parse_proof(answer.content)
    assert verify_proof(proof, proof.extra, [SIGNER.verifier]) is None
    assert json.loads(proof.extra)["resources"] == [{"type": "order", "uid": order_id(4)}]
    assert verify_proof(proof, proof.extra + b" ", [SIGNER.verifier]) is not None
    assert verify_proof(proof, proof.extra, [OTHER.verifier]) is not None


async def test_another_accounts_order_and_another_firms_are_not_found_alike(http, published_log):
    published_log.reader._wait_s = 0
    bodies = []
    for number in (5, 3, 9_999):  # another account's, another firm's, nobody's
        answer = await http.get(f"/audit/proof/{order_id(number)}")
        assert answer.status_code == 404
        bodies.append(answer.text.replace(order_id(number), "ID"))
    assert len(set(bodies)) == 1
    published_log.ask_as("auditor")
    assert (await http.get(f"/audit/proof/{order_id(5)}")).status_code == 200
    assert (await http.get(f"/audit/proof/{order_id(3)}")).status_code == 404
    assert (await http.get("/audit/proof/none")).status_code == 422


async def test_an_order_that_is_accepted_later_is_waited_for(http, published_log):
    late = order_id(77_000)
    fresh = entry(77_000, "firm", details={"account_id": ACCOUNT})
    asked = asyncio.create_task(http.get(f"/audit/proof/{late}"))
    await asyncio.sleep(0)
    size = published_log.log.size
    command = AppendEntries("ledger/0", size, size + 1, (fresh,))
    published_log.index.add(published_log.log.apply(command, NOW_NS).rows)
    published_log.publish()
    answer = await asked
    assert answer.status_code == 200
    assert parse_proof(answer.content).index == size


async def test_an_order_without_a_checkpoint_is_asked_for_again_later(http, published_log):
    published_log.reader._wait_s = 0
    fresh = entry(77_000, "firm", details={"account_id": ACCOUNT})
    size = published_log.log.size
    command = AppendEntries("ledger/0", size, size + 1, (fresh,))
    published_log.index.add(published_log.log.apply(command, NOW_NS).rows)
    answer = await http.get(f"/audit/proof/{order_id(77_000)}")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


async def test_records_that_were_tampered_with_are_not_shown(http, published_log, tmp_path):
    published_log.ask_as("auditor")
    path = tmp_path / "objects" / "audit" / "tile" / "entries" / "000"
    path.write_bytes(path.read_bytes().replace(b"order.accepted", b"order.acceptee"))
    answer = await http.get("/audit/entries", params={"target_id": order_id(1)})
    assert answer.status_code == 500
    assert (await http.get(f"/audit/proof/{order_id(1)}")).status_code == 500


async def test_a_log_that_was_not_published_yet_is_unavailable(http, published_log, tmp_path):
    published_log.ask_as("auditor")
    for name in ("checkpoint", "vkey"):
        (tmp_path / "objects" / "audit" / name).unlink()
    for path in ("checkpoint", "key", "entries"):
        assert (await http.get(f"/audit/{path}")).status_code == 503


async def test_without_a_log_there_are_no_routes_of_one(venue):
    async with venue.client() as client:
        assert (await client.get("/audit/checkpoint")).status_code == 404
