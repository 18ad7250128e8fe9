"""What the gate refuses, in which order, and what it tells the audit log."""

import pytest

from serve.asgi import build_app
from serve.edge_settings import EdgeSettings
from serve.routes.catalog import operations
from serve.telemetry import RequestMetrics
from tradeplane.auth.principal import Origin, Principal
from tradeplane.auth.scopes import ACTIONS
from tradeplane.errors import NotFound


class Records:
    """An audit sink that keeps everything."""

    def __init__(self) -> None:
        self.entries = []

    def observe(self, entry) -> None:
        self.entries.append(entry)


@pytest.fixture
def records(venue):
    sink = Records()
    venue.ports = type(venue.ports)(
        venue.trading, venue.market, venue.keys, venue.readiness, audit_sink=sink
    )
    return sink


def act_as(venue, **fields) -> None:
    account_id = venue.account.account_id
    principal = Principal("PK1", "firm", account_id, **{"subject_id": "PK1", **fields})
    venue.keys.authenticate = lambda *_: principal


def test_every_operation_that_is_not_public_has_an_action(venue):
    from prometheus_client import CollectorRegistry  # noqa: PLC0415

    rows = operations(venue.ports, lambda: "id", RequestMetrics(CollectorRegistry()))

    for row in rows:
        assert (row.action in ACTIONS) is (not row.public), row.operation_id
        assert row.public is (row.action == ""), row.operation_id


async def test_a_role_that_may_not_is_refused_by_name_and_nothing_happens(venue, records, order):
    act_as(venue, role="auditor")
    async with venue.client() as client:
        answer = await client.post("/v2/orders", json=order, headers={"X-Request-ID": "r1"})

    assert (answer.status_code, answer.json()) == (
        403,
        {"code": 40310000, "message": "account:trade is not permitted to the role auditor"},
    )
    assert venue.trading.calls == []
    [entry] = records.entries
    assert (entry.action, entry.outcome, entry.target_id) == (
        "access.denied",
        "failure",
        "placeOrder",
    )
    assert entry.by == Origin("key", "PK1", "firm", "r1")
    assert (entry.tenant_id, entry.details) == (
        "firm",
        {"action": "account:trade", "role": "auditor"},
    )


async def test_scopes_narrow_what_the_role_may(venue, order):
    act_as(venue, scopes=("account:read",))
    async with venue.client() as client:
        assert (await client.get("/v2/account")).status_code == 200
        refused = await client.post("/v2/orders", json=order)

    assert refused.status_code == 403
    assert "not scoped for account:trade" in refused.json()["message"]
    assert venue.trading.calls == []


async def test_refused_credentials_are_recorded_without_any_secret(venue, records):
    wrong = {"APCA-API-KEY-ID": "somebody", "APCA-API-SECRET-KEY": "planted-secret"}
    async with venue.client(headers=wrong) as client:
        assert (await client.get("/v2/account")).status_code == 401

    [entry] = records.entries
    assert (entry.action, entry.target_id) == ("access.refused", "getAccount")
    assert "planted-secret" not in repr(entry)
    assert "somebody" not in repr(entry)


async def test_a_denial_costs_the_callers_budget(venue):
    act_as(venue, role="researcher")
    app = build_app(venue.ports, EdgeSettings(rate_limit_per_minute=1), clock=venue.clock)
    async with venue.client(app) as client:
        denied = await client.get("/v2/account")
        limited = await client.get("/v2/account")

    assert (denied.status_code, limited.status_code) == (403, 429)
    assert denied.headers["x-ratelimit-remaining"] == "0"


async def test_guessing_accounts_with_good_credentials_uses_up_the_addresss_budget(venue):
    def elsewhere(key_id: str, secret_key: str):
        raise NotFound("account not found")

    venue.keys.authenticate = elsewhere
    app = build_app(venue.ports, EdgeSettings(address_limit_per_minute=2), clock=venue.clock)
    async with venue.client(app) as client:
        answers = [(await client.get("/v2/account")).status_code for _ in range(4)]

    assert answers == [404, 404, 429, 429]
