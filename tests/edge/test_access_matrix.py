"""Role x route x owner x credential, over every operation; what is expected stands in a table.

The identity is the real one, on a journal in memory, and so are the policies and the application.
Handlers are replaced by one that says that it was reached, so that the matrix needs no bodies; what
handlers themselves must refuse, another's objects by id, is the second half of this file.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import ClassVar
from unittest.mock import MagicMock

import httpx
import msgspec
from identity_system import ADMIN, PASSWORD, SOMEWHERE, identity_system
from prometheus_client import CollectorRegistry

from policies.authorization.authorizer import packaged_authorizer
from serve.asgi import build_app
from serve.edge_settings import EdgeSettings
from serve.exchange import Reply
from serve.routes.catalog import operations
from serve.telemetry import RequestMetrics
from tradeplane.auth.principal import HOME_TENANT
from tradeplane.auth.scopes import ACTIONS
from tradeplane.auth.wanted import ClientWanted, KeyWanted, UserWanted
from tradeplane.ports import Ports
from tradeplane.trading.account import Account

TABLE = Path(__file__).with_name("access_matrix.txt")
ROLES = ("trader", "researcher", "operator", "auditor", "admin", "home-admin")
OWNERS = ("own", "other", "foreign")
CREDENTIALS = ("token", "key", "client")
STATUS = {"Y": 299, "N": 403, "-": 404, "0": 401}
REACHED = 299


def read_table() -> dict[str, list[str]]:
    """Return the cells of each operation: for each role three letters, one an owner."""
    rows: dict[str, list[str]] = {}
    for line in TABLE.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, *cells = line.split()
            assert name not in rows, f"{name} is there twice"
            assert cells == ["public"] or [len(cell) for cell in cells] == [3] * len(ROLES), line
            rows[name] = cells
    return rows


EXPECTED = read_table()


def every_operation(ports: Ports):
    """Return the operations of an edge that has every port that there is."""
    optional = {
        name: MagicMock(issuer="http://venue.test")
        for name in Ports.__struct_fields__
        if getattr(ports, name) is None and name != "audit_sink"
    }
    full = msgspec.structs.replace(ports, **optional)
    return operations(full, lambda: "id", RequestMetrics(CollectorRegistry()))


class Holder:
    """One role's account and what opens it, by the kind of credential."""

    def __init__(self, account_id: str, headers: dict[str, dict[str, str]]) -> None:
        self.account_id = account_id
        self.headers = headers


async def holder(manager, tenant: str, name: str, role: str) -> Holder:
    """Make a user with an account, a login, a key, and a client for the account."""
    wanted = UserWanted(name, f"{name}@firm.test", role, PASSWORD)
    made = await manager.create_user(tenant, wanted, ADMIN)
    account = await manager.create_account(tenant, made.user.user_id, Decimal(1_000), ADMIN)
    tokens = await manager.login(name, PASSWORD, None, SOMEWHERE)
    key = await manager.create_key(tenant, KeyWanted(account.account_id), ADMIN)
    client = await manager.create_client(
        tenant,
        ClientWanted(
            name,
            grant_types=("client_credentials",),
            scopes=ACTIONS,
            confidential=True,
            role=role,
            account_id=account.account_id,
        ),
        ADMIN,
    )
    machine = await manager.client_credentials(
        client.client.client_id, client.client_secret, "", SOMEWHERE
    )
    return Holder(
        account.account_id,
        {
            "token": {"Authorization": f"Bearer {tokens.access_token}"},
            "client": {"Authorization": f"Bearer {machine.access_token}"},
            "key": {
                "APCA-API-KEY-ID": key.key.key_id,
                "APCA-API-SECRET-KEY": key.secret_key,
            },
        },
    )


class Firms:
    """A firm with everybody in it, its neighbour, and the firm that runs the installation."""

    rival: ClassVar[Holder]

    def __init__(self) -> None:
        self.holders: dict[str, Holder] = {}

    async def settle(self, manager) -> None:
        for tenant in ("firm", "rival"):
            await manager.create_tenant(tenant, tenant, ADMIN)
        for role in ROLES[:-1]:
            self.holders[role] = await holder(manager, "firm", f"f-{role}", role)
        self.holders["home-admin"] = await holder(manager, HOME_TENANT, "h-admin", "admin")
        self.neighbours = {
            "firm": await holder(manager, "firm", "f-other", "trader"),
            HOME_TENANT: await holder(manager, HOME_TENANT, "h-other", "trader"),
        }
        self.rival = await holder(manager, "rival", "r-other", "trader")

    def target(self, role: str, owner: str) -> str:
        """Return the account that the request names."""
        if owner == "own":
            return self.holders[role].account_id
        if owner == "foreign":
            return self.rival.account_id
        tenant = HOME_TENANT if role == "home-admin" else "firm"
        return self.neighbours[tenant].account_id


def concrete(path: str) -> str:
    return re.sub(r"\{[^}]+\}", "11111111-1111-4111-8111-111111111111", path)


def test_every_operation_has_a_row_and_every_row_an_operation(venue):
    rows = {row.operation_id for row in every_operation(venue.ports)}

    assert rows - set(EXPECTED) == set(), "add their rows to access_matrix.txt"
    assert set(EXPECTED) - rows == set(), "no operation has these names any more"


async def test_the_matrix_of_roles_routes_owners_and_credentials(venue, monkeypatch, capsys):
    async with identity_system() as (_, manager):
        firms = Firms()
        await firms.settle(manager)
        ports = msgspec.structs.replace(
            venue.ports, keys=manager, identity=manager, authorizer=packaged_authorizer()
        )
        rows = every_operation(ports)

        async def reached(exchange) -> Reply:
            return Reply(REACHED)

        replaced = tuple(msgspec.structs.replace(row, handler=reached) for row in rows)
        monkeypatch.setattr("serve.asgi.operations", lambda *_: replaced)
        app = build_app(
            ports,
            EdgeSettings(
                rate_limit_per_minute=0, address_limit_per_minute=0, login_limit_per_minute=0
            ),
        )
        counts: Counter[str] = Counter()
        wrong = []
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://venue") as client:
            for row in rows:
                for cell, headers in cases(firms, EXPECTED.get(row.operation_id, []), row.path):
                    expected = STATUS[cell[-1]]
                    answer = await client.request(row.method, concrete(row.path), headers=headers)
                    counts[f"{expected}"] += 1
                    # Nothing here waits for anything, and the feed of identity wants its turn.
                    await asyncio.sleep(0)
                    if answer.status_code != expected:
                        wrong.append((row.operation_id, *cell, answer.status_code, answer.text))

    with capsys.disabled():
        total = sum(counts.values())
        print(  # the counts belong into the report of a test run
            f"\naccess matrix: {len(rows)} operations, {total} decisions: "
            f"{counts['299']} let through, {counts['403']} refused by policy, "
            f"{counts['404']} of another's account, {counts['401']} without credentials"
        )
    assert wrong == []


def cases(firms: Firms, cells: list[str], path: str):
    """Yield role, credential, owner and expected letter, with the headers of the request."""
    if cells == ["public"]:
        yield ("nobody", "none", "own", "Y"), {}
        return
    # Vault's clients know one refusal for all reasons.
    yield ("nobody", "none", "own", "N" if path.startswith("/v1/transit/") else "0"), {}
    for role, letters in zip(ROLES, cells, strict=False):
        for credential in CREDENTIALS:
            for owner, letter in zip(OWNERS, letters, strict=True):
                # A key and a client open one account and no other, whoever holds them.
                expected = letter if credential == "token" or owner == "own" else "-"
                yield (
                    (role, credential, owner, expected),
                    {
                        **firms.holders[role].headers[credential],
                        "X-Tradeplane-Account": firms.target(role, owner),
                    },
                )


OBJECTS = (
    ("GET", "/v2/orders/{order_id}"),
    ("DELETE", "/v2/orders/{order_id}"),
    ("GET", "/v2/orders:by_client_order_id?client_order_id={client_order_id}"),
)
NEVER = {"order_id": "99999999-9999-4999-8999-999999999999", "client_order_id": "never"}


async def test_an_id_of_another_account_is_as_unknown_as_one_that_never_was(venue, order):
    async with identity_system() as (_, manager):
        firms = Firms()
        await firms.settle(manager)
        for one in (*firms.holders.values(), *firms.neighbours.values(), firms.rival):
            venue.trading.accounts[one.account_id] = Account(
                one.account_id, "firm", "PA1", 0, Decimal(10_000), Decimal(10_000)
            )
        ports = msgspec.structs.replace(venue.ports, keys=manager, identity=manager)
        app = build_app(ports, EdgeSettings(rate_limit_per_minute=0), clock=venue.clock)
        transport = httpx.ASGITransport(app)
        limit = {**order, "type": "limit", "limit_price": "1", "client_order_id": "theirs"}
        found = 0
        async with httpx.AsyncClient(transport=transport, base_url="http://venue") as client:
            for victim in (firms.neighbours["firm"], firms.rival):
                keys = victim.headers["key"]
                placed = await client.post("/v2/orders", json=limit, headers=keys)
                theirs = {"order_id": placed.json()["id"], "client_order_id": "theirs"}
                for method, path in OBJECTS:
                    for role in ROLES:
                        for credential in CREDENTIALS:
                            headers = firms.holders[role].headers[credential]
                            said = []
                            for ids in (theirs, NEVER):
                                url = path.format_map(ids)
                                answer = await client.request(method, url, headers=headers)
                                text = answer.text
                                for value in ids.values():
                                    text = text.replace(value, "<id>")
                                said.append((answer.status_code, text))
                            assert said[0] == said[1], (method, path, role, credential)
                            assert said[0][0] in {403, 404}
                            found += said[0][0] == 404
                still = await client.get(f"/v2/orders/{theirs['order_id']}", headers=keys)
                assert still.json()["status"] == "new"
    assert found > 0
