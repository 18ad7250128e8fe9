"""Two firms and the one that runs the installation, administered over HTTP on the real identity."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import httpx
import msgspec
from identity_system import ADMIN, PASSWORD, SOMEWHERE, IdentitySystem
from jsonschema import Draft202012Validator

from actors.auth_manager import AuthManager
from policies.authorization.authorizer import packaged_authorizer
from serve.asgi import build_app
from serve.edge_settings import EdgeSettings
from tradeplane.audit.entry import AuditEntry
from tradeplane.auth.audit_trail import entries
from tradeplane.auth.principal import HOME_TENANT
from tradeplane.auth.private_events import IdentityEvent
from tradeplane.auth.wanted import ClientWanted, KeyWanted, UserWanted
from tradeplane.errors import NotFound
from tradeplane.journal import Stream
from tradeplane.ports import Ports
from tradeplane.trading.account import Account

NOBODY = "99999999-9999-4999-8999-999999999999"
CALLBACK = "https://app.firm.test/callback"
_OFF = EdgeSettings(rate_limit_per_minute=0, address_limit_per_minute=0, login_limit_per_minute=0)


class Firm:
    """One of everything that a firm has.

    Attributes:
        admin: headers of its administrator.
        ids: of its things, by what the routes call them.
    """

    def __init__(self, tenant_id: str, admin: dict[str, str], ids: dict[str, str]) -> None:
        self.tenant_id = tenant_id
        self.admin = admin
        self.ids = ids


class AdminOffice:
    """The application on a running identity, with clients whose answers are checked.

    Attributes:
        system: the identity.
        document: the OpenAPI document, which every answer is held against.
        firms: ``acme``, ``rival`` and the home tenant.
    """

    def __init__(self, system: IdentitySystem, ports: Ports) -> None:
        self.system = system
        self.document: dict[str, Any] = {}
        self.firms: dict[str, Firm] = {}
        self._ports = ports
        self._clients: list[httpx.AsyncClient] = []

    async def replica(self) -> tuple[AuthManager, httpx.AsyncClient]:
        """Return one more replica's identity, and a client of it."""
        authorizer = packaged_authorizer()
        manager = await self.system.replica(authorizer)
        ports = msgspec.structs.replace(
            self._ports,
            trading=OpenedAccounts(self.system),
            keys=manager,
            identity=manager,
            authorizer=authorizer,
        )
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(build_app(ports, _OFF)),
            base_url="http://venue",
            event_hooks={"response": [self._check]},
        )
        self._clients.append(client)
        return manager, client

    async def settle(self) -> None:
        """Make the firms, and the first replica."""
        self.manager, self.client = await self.replica()
        self.document = (await self.client.get("/openapi.json")).json()
        for tenant_id in ("acme", "rival"):
            await self.manager.create_tenant(tenant_id, tenant_id.title(), ADMIN)
        for tenant_id in ("acme", "rival", HOME_TENANT):
            self.firms[tenant_id] = await self._firm(tenant_id)
        self.acme, self.rival = self.firms["acme"], self.firms["rival"]
        self.home = self.firms[HOME_TENANT]

    async def _firm(self, tenant_id: str) -> Firm:
        await self.person(tenant_id, "admin")
        admin = await self.bearer(f"{tenant_id}-admin")
        user_id = await self.person(tenant_id, "trader")
        account = await self.manager.create_account(tenant_id, user_id, Decimal(1_000), ADMIN)
        key = await self.manager.create_key(tenant_id, KeyWanted(account.account_id), ADMIN)
        wanted = ClientWanted("app", (CALLBACK,), scopes=("market:read",))
        client = await self.manager.create_client(tenant_id, wanted, ADMIN)
        await self.bearer(f"{tenant_id}-trader")
        (session,) = await self.manager.user_sessions(tenant_id, user_id)
        return Firm(
            tenant_id,
            admin,
            {
                "user_id": user_id,
                "account_id": account.account_id,
                "key_id": key.key.key_id,
                "client_id": client.client.client_id,
                "session_id": session.session_id,
            },
        )

    async def person(self, tenant_id: str, role: str) -> str:
        """Make a user of this role with PASSWORD; return its id."""
        wanted = UserWanted(f"{tenant_id}-{role}", "", role, PASSWORD)
        return (await self.manager.create_user(tenant_id, wanted, ADMIN)).user.user_id

    async def bearer(self, username: str, password: str = PASSWORD) -> dict[str, str]:
        """Log a user in; return the headers of an administrator's request, reason included."""
        tokens = await self.manager.login(username, password, None, SOMEWHERE)
        return {
            "Authorization": f"Bearer {tokens.access_token}",
            "X-Tradeplane-Reason": "as agreed",
        }

    def events(self) -> list[tuple[Any, int]]:
        """Return every event of the journal, with when it was taken."""
        records = self.system.store.store.records[Stream("auth")]
        return [
            (msgspec.json.decode(one.event, type=IdentityEvent), one.recorded_ns) for one in records
        ]

    def journal(self) -> str:
        """Return the journal as text."""
        return "\n".join(str(one) for one in self.system.store.store.records[Stream("auth")])

    def trail(self, request_id: str) -> list[AuditEntry]:
        """Return what the audit log keeps of one request."""
        found = []
        for event, at_ns in self.events():
            found += [
                entry for entry in entries(event, at_ns, "") if entry.by.request_id == request_id
            ]
        return found

    def rows(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return method, path and description of each operation of administrators."""
        return [
            (method.upper(), path, described)
            for path, methods in self.document["paths"].items()
            if path.startswith("/admin/")
            for method, described in methods.items()
        ]

    async def _check(self, answer: httpx.Response) -> None:
        """Hold an answer against the OpenAPI document."""
        path, method = answer.request.url.path, answer.request.method.lower()
        if not path.startswith("/admin/"):
            return
        described = self.document["paths"][self._template(path)][method]
        expected = described["responses"].get(str(answer.status_code))
        await answer.aread()
        assert expected is not None, (method, path, answer.status_code, answer.text)
        if answer.status_code == 204:
            assert "content" not in expected
            return
        [(media_type, content)] = expected["content"].items()
        assert answer.headers["content-type"].split(";")[0] == media_type
        whole = {**content["schema"], "components": self.document["components"]}
        Draft202012Validator(whole).validate(answer.json())

    def _template(self, path: str) -> str:
        if path in self.document["paths"]:
            return path
        for template in self.document["paths"]:
            if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
                return str(template)
        raise AssertionError(f"{path} is not documented")

    async def close(self) -> None:
        """Let go of the clients."""
        for client in self._clients:
            await client.aclose()


class OpenedAccounts:
    """The ledger, as far as administrators see it: what accounts were opened with, first."""

    def __init__(self, system: IdentitySystem) -> None:
        self._system = system

    async def account(self, account_id: str) -> Account:
        for one in self._system.opened:
            if one.account_id == account_id:
                return Account(
                    one.account_id, one.tenant_id, one.account_number, 0, one.cash, one.cash
                )
        raise NotFound(f"account not found for {account_id}")


@contextlib.asynccontextmanager
async def admin_office(ports: Ports) -> AsyncIterator[AdminOffice]:
    """A settled office."""
    system = IdentitySystem()
    await system.start()
    office = AdminOffice(system, ports)
    try:
        await office.settle()
        yield office
    finally:
        await office.close()
        await system.stop()
