"""The real application with real encryption on a loopback socket, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import msgspec
import uvicorn
from tests.edge.conftest import ACCOUNT_ID, FakeVenue
from tests.support.encryption_system import encryption_system

from serve.asgi import build_app
from serve.edge_settings import EdgeSettings
from serve.guarded_protocol import GuardedProtocol
from tradeplane.audit.entry import AuditEntry
from tradeplane.auth.principal import Principal
from tradeplane.errors import NotAuthenticated


class TokenIdentity:
    """As much of identity as tokens need: a token is ``TENANT/ROLE``."""

    issuer = "http://venue.test"

    def authenticate_token(self, token: str, account_id: str = "") -> Principal:
        tenant_id, slash, role = token.partition("/")
        if not slash:
            raise NotAuthenticated("unauthorized.")
        del account_id
        return Principal(token, tenant_id, ACCOUNT_ID, "user", f"{role}-id", f"{role}-id", role)

    def pseudonym(self, address: str) -> str:
        return f"pseudonym of {len(address)}" if address else ""


class AuditList:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    def observe(self, entry: AuditEntry) -> None:
        self.entries.append(entry)


class VaultServer:
    """Where the server is, and what it told the audit log."""

    def __init__(self) -> None:
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.audit = AuditList()
        self.server: uvicorn.Server | None = None
        self.started = threading.Event()
        self.failure: BaseException | None = None

    async def _serve(self) -> None:
        async with encryption_system() as system:
            replica = await system.replica()
            venue = FakeVenue()
            ports = msgspec.structs.replace(
                venue.ports,
                identity=TokenIdentity(),
                encryption=replica,
                audit_sink=self.audit,
            )
            edge = EdgeSettings(rate_limit_per_minute=0)
            app = build_app(ports, edge)
            config = uvicorn.Config(
                app, http=GuardedProtocol, ws="none", lifespan="off", log_level="warning"
            )
            self.server = uvicorn.Server(config)
            self.started.set()
            await self.server.serve([self.socket])

    def run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # raised again by the fixture
            self.failure = error
            self.started.set()


@contextlib.contextmanager
def vault_server() -> Iterator[VaultServer]:
    """Yield a running server."""
    server = VaultServer()
    thread = threading.Thread(target=server.run, name="vault server")
    thread.start()
    server.started.wait()
    if server.failure is not None:
        raise server.failure
    server.socket.listen()  # so that a client may connect before the server accepts
    try:
        yield server
    finally:
        if server.server is not None:
            server.server.should_exit = True
        thread.join()
