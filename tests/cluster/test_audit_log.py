"""The audit log of a running system: complete, in order, provable, and there after a kill."""

import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import LimitOrderRequest
from running_system import RunningSystem

from tradeplane.audit.checkpoint import parse_checkpoint
from tradeplane.audit.document import AuditRecord, read_record
from tradeplane.audit.log_files import LogFiles
from tradeplane.audit.signed_note import NoteVerifier, parse_vkey
from tradeplane.audit.tlog_proof import parse_proof, verify_proof
from tradeplane.audit.verifier import verify_log

pytestmark = pytest.mark.cluster
WAIT_S = 20.0


class Files:
    """The published log of a system, read past the system."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def read(self, path: str) -> bytes | None:
        file = self._home / "objects" / "audit" / path
        return file.read_bytes() if file.is_file() else None

    @property
    def key(self) -> NoteVerifier:
        return parse_vkey((self._home / "audit.vkey").read_text())

    def size(self) -> int:
        note = self.read("checkpoint")
        return 0 if note is None else parse_checkpoint(note)[0].size

    def records(self) -> list[tuple[AuditRecord, bytes]]:
        # A partial tile may give way to a fuller one between two reads.
        while True:
            size = self.size()
            try:
                files = LogFiles(self.read, size)
                entries = [
                    one for bundle in range(-(-size // 256)) for one in files.entries(bundle)
                ]
            except Exception:
                if self.size() == size:
                    raise
                continue
            return [(read_record(one), one) for one in entries]


def order(client: TradingClient) -> str:
    request = LimitOrderRequest(
        symbol="AAPL",
        qty=1,
        side=OrderSide.BUY,
        time_in_force=TimeInForce.GTC,
        limit_price=1,
    )
    return str(client.submit_order(request).id)


def until_logged(files: Files, wanted: set[tuple[str, str]]) -> list[tuple[AuditRecord, bytes]]:
    deadline = time.monotonic() + WAIT_S
    while True:
        records = files.records()
        missing = wanted - {(record.action, record.target_id) for record, _ in records}
        if not missing:
            return records
        assert time.monotonic() < deadline, f"not in the log: {missing}"
        time.sleep(0.1)


@pytest.fixture
def client(system: RunningSystem) -> TradingClient:
    keys = system.credentials
    return TradingClient(keys["key_id"], keys["secret_key"], url_override=system.url)


def test_every_order_is_in_the_log_once_with_its_author_though_the_actor_is_killed(
    system: RunningSystem, client: TradingClient
) -> None:
    files = Files(system.home)
    before = files.read("checkpoint")
    ids: list[str] = []
    stop = threading.Event()

    def trade() -> None:
        while not stop.is_set():
            ids.append(order(client))

    trader = threading.Thread(target=trade)
    trader.start()
    try:
        for count in (30, 60, 90):
            while len(ids) < count:
                time.sleep(0.01)
            system.kill("ray::Audit")
    finally:
        stop.set()
        trader.join()
    client.cancel_orders()

    wanted = {("order.accepted", one) for one in ids} | {("order.canceled", one) for one in ids}
    records = until_logged(files, wanted)

    acts = [(record.action, record.target_id) for record, _ in records]
    assert all(acts.count(one) == 1 for one in wanted)
    by = f'"uid":"{system.credentials["key_id"]}"'.encode()
    ours = [entry for record, entry in records if (record.action, record.target_id) in wanted]
    assert all(by in entry for entry in ours)
    report = verify_log(files.read, files.key, before)
    assert report.findings == ()
    key = str(system.home / "audit.vkey")
    said = system.cli("audit", "verify", str(system.home / "objects" / "audit"), "--key", key)
    assert "sound" in said, said


def test_the_proof_of_an_order_stands_without_the_system(
    system: RunningSystem, client: TradingClient
) -> None:
    order_id = order(client)
    request = urllib.request.Request(f"{system.url}/audit/proof/{order_id}", headers=system.headers)
    with urllib.request.urlopen(request, timeout=15) as answer:
        text = answer.read()
    client.cancel_order_by_id(order_id)

    proof = parse_proof(text)
    assert verify_proof(proof, proof.extra, [Files(system.home).key]) is None
    record = read_record(proof.extra)
    assert (record.action, record.target_id) == ("order.accepted", order_id)


def test_no_one_proves_the_order_of_another(system: RunningSystem) -> None:
    request = urllib.request.Request(
        f"{system.url}/audit/proof/00000000-0000-4000-8000-000000000000", headers=system.headers
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=15)
    refused.value.close()
    assert refused.value.code == 404


def test_accounts_and_keys_of_the_first_start_are_in_the_log(system: RunningSystem) -> None:
    actions = {record.action for record, _ in Files(system.home).records()}

    assert {"account.opened", "key.created", "user.created"} <= actions
