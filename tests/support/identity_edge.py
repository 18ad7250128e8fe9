"""The edge on the real identity: its state machine, actor shell and client, on a journal in memory.

Every answer is held against the OpenAPI document.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import re
from collections.abc import AsyncIterator
from decimal import Decimal
from html import unescape

import httpx
import msgspec
from identity_system import ADMIN, ISSUER, PASSWORD, IdentitySystem
from jsonschema import Draft202012Validator

from actors.auth_manager import AuthManager
from policies.authorization.authorizer import packaged_authorizer
from serve.asgi import build_app
from serve.edge_settings import EdgeSettings
from tradeplane.auth.principal import HOME_TENANT
from tradeplane.auth.wanted import ClientWanted, UserWanted
from tradeplane.clock import NS_PER_S
from tradeplane.encryption.seal_key import NONCE_BYTES, SECRET_BYTES, SealKey
from tradeplane.trading.account import Account

REDIRECT = "https://client.example/back"
VERIFIER = "v" * 50
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")
REASON = {"X-Tradeplane-Reason": "a test"}


class OneKeySealer:
    """A sealer with one key."""

    def __init__(self) -> None:
        self._key = SealKey(1, os.urandom(SECRET_BYTES))

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        return self._key.seal(os.urandom(NONCE_BYTES), plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        return self._key.open(sealed, context)


class Person:
    """A user with a login and, if wanted, an account."""

    def __init__(self, user_id: str, username: str, account_id: str) -> None:
        self.user_id = user_id
        self.username = username
        self.account_id = account_id


class IdentityEdge:
    """The application, its identity, and people in it."""

    def __init__(self, system: IdentitySystem, manager: AuthManager, venue) -> None:
        self.system = system
        self.manager = manager
        self.venue = venue
        self.sealer = OneKeySealer()
        self.ports = msgspec.structs.replace(
            venue.ports, keys=manager, identity=manager, form_sealer=self.sealer
        )
        self.app = self.new_app()
        self._document: dict = {}

    def new_app(self, **settings: int):
        edge = EdgeSettings(**{"rate_limit_per_minute": 0, "login_limit_per_minute": 0, **settings})
        return build_app(self.ports, edge, clock=self.system.clock)

    async def later(self, seconds: int) -> None:
        """Move the clock on, and wait until the replica has heard from the writer since."""
        self.system.clock.offset_ns += seconds * NS_PER_S
        while (self.manager.follower.silent_ns() or 0) > NS_PER_S:
            await asyncio.sleep(0.002)

    async def person(
        self,
        username: str,
        role: str = "trader",
        tenant_id: str = HOME_TENANT,
        *,
        account: bool = True,
    ) -> Person:
        wanted = UserWanted(username, f"{username}@firm.test", role, PASSWORD)
        made = await self.manager.create_user(tenant_id, wanted, ADMIN)
        account_id = ""
        if account:
            account_id = await self.account(made.user.user_id, tenant_id)
        return Person(made.user.user_id, username, account_id)

    async def account(self, user_id: str, tenant_id: str = HOME_TENANT) -> str:
        """Open an account in identity and in the fake venue."""
        made = await self.manager.create_account(tenant_id, user_id, Decimal(1_000), ADMIN)
        cash = Decimal(1_000)
        self.venue.trading.accounts[made.account_id] = Account(
            made.account_id, tenant_id, f"PA-{made.account_id[:8]}", 0, cash, cash
        )
        return made.account_id

    async def tenant(self, tenant_id: str) -> str:
        await self.manager.create_tenant(tenant_id, tenant_id.title(), ADMIN)
        return tenant_id

    async def oauth_client(self, **fields):
        wanted = ClientWanted(
            **{
                "name": "Charts & <b>more</b>",
                "redirect_uris": (REDIRECT,),
                "scopes": ("market:read", "account:read"),
                **fields,
            }
        )
        return await self.manager.create_client(HOME_TENANT, wanted, ADMIN)

    def client(self, token: str = "", app=None, **headers: str) -> httpx.AsyncClient:
        """Return a client of the application whose answers are checked by the document."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            named["Authorization"] = f"Bearer {token}"
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app or self.app),
            base_url=ISSUER,
            headers=named,
            event_hooks={"response": [self._check]},
        )

    async def log_in(self, username: str, password: str = PASSWORD, **more: str) -> dict:
        """Return the tokens of a login over HTTP."""
        async with self.client() as http:
            body = {"username": username, "password": password, **more}
            answer = await http.post("/auth/login", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def logged_in(self, username: str, password: str = PASSWORD) -> httpx.AsyncClient:
        """Return a client with the token of a new session."""
        return self.client((await self.log_in(username, password))["access_token"])

    async def _check(self, answer: httpx.Response) -> None:
        await answer.aread()
        document = await self.document()
        path, method = answer.request.url.path, answer.request.method.lower()
        template = next(
            (
                template
                for template in document["paths"]
                if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path)
            ),
            None,
        )
        if template is None or method not in document["paths"][template]:
            assert answer.status_code in {404, 405}, (method, path)
            return
        responses = document["paths"][template][method]["responses"]
        told = (method, template, answer.status_code, answer.text)
        assert str(answer.status_code) in responses, told
        content = responses[str(answer.status_code)].get("content", {})
        if not content:
            assert not answer.content, told
            return
        media_type = answer.headers["content-type"].partition(";")[0]
        assert media_type in content, told
        if media_type.endswith("json"):
            schema = {**content[media_type]["schema"], "components": document["components"]}
            Draft202012Validator(schema).validate(answer.json())

    async def document(self) -> dict:
        """Return the OpenAPI document."""
        if not self._document:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=ISSUER) as http:
                self._document = (await http.get("/openapi.json")).json()
        return self._document


@contextlib.asynccontextmanager
async def identity_edge(venue) -> AsyncIterator[IdentityEdge]:
    """The edge on an identity of its own."""
    system = IdentitySystem()
    await system.start()
    try:
        yield IdentityEdge(system, await system.replica(packaged_authorizer()), venue)
    finally:
        await system.stop()


def authorization(client_id: str, **changes: str | None) -> dict[str, str]:
    """Return the query of ``/oauth/authorize``; a change to None leaves a field out."""
    fields: dict[str, str | None] = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": REDIRECT,
        "state": "a state of the client's",
        "code_challenge": CHALLENGE.decode(),
        "code_challenge_method": "S256",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def sealed_request(page: str) -> str:
    """Return the hidden field of the login page."""
    [found] = re.findall(r'name="request" value="([^"]+)"', page)
    return unescape(found)
