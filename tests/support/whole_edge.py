"""Every route of the edge on a loopback socket, in a thread of its own: real identity, encryption
and audit log on journals in memory, the venue of the edge tests behind it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import uvicorn
from tests.edge.conftest import FakeVenue
from tests.edge.test_audit_routes import PublishedLog
from tests.support.encryption_system import FixedSealer, encryption_system
from tests.support.identity_system import ADMIN, PASSWORD, identity_system

from adapters.database.engine import open_database
from adapters.database.migration import migrate
from policies.authorization.authorizer import packaged_authorizer
from serve.asgi import build_app
from serve.edge_settings import EdgeSettings
from serve.guarded_protocol import GuardedProtocol
from tradeplane.auth.principal import HOME_TENANT
from tradeplane.auth.wanted import KeyWanted, UserWanted
from tradeplane.trading.account import Account


class WholeEdge:
    """Where the server is, and the key of an administrator who may do everything.

    Attributes:
        url: of the server.
        key: the headers of the administrator's key.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        # Whoever connects before the server accepts waits for it.
        self._socket.listen(128)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.key: dict[str, str] = {}
        self.server: uvicorn.Server | None = None
        self.started = threading.Event()
        self.failure: BaseException | None = None

    def run(self) -> None:
        """Serve until told to exit."""
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001  # the thread that waits is told
            self.failure = error
        finally:
            self.started.set()
            self._socket.close()

    async def _serve(self) -> None:
        async with identity_system() as (identity, _), encryption_system() as encryption:
            authorizer = packaged_authorizer()
            manager = await identity.replica(authorizer, pseudonym=lambda _: "0" * 32)
            venue = FakeVenue()
            self.key = await self._administrator(manager, venue)
            engine = open_database(f"sqlite:///{self._folder / 'log.db'}")
            migrate(engine)
            log = PublishedLog(self._folder / "objects", engine)
            log.append(30)
            log.publish()
            ports = msgspec.structs.replace(
                venue.ports,
                keys=manager,
                identity=manager,
                authorizer=authorizer,
                encryption=await encryption.replica(),
                audit=log.reader,
                form_sealer=FixedSealer(),
            )
            edge = EdgeSettings(
                rate_limit_per_minute=0, address_limit_per_minute=0, login_limit_per_minute=0
            )
            config = uvicorn.Config(
                build_app(ports, edge),
                http=GuardedProtocol,
                ws="none",
                lifespan="off",
                log_level="error",
            )
            self.server = uvicorn.Server(config)
            self.started.set()
            await self.server.serve([self._socket])
            engine.dispose()

    async def _administrator(self, manager, venue: FakeVenue) -> dict[str, str]:
        wanted = UserWanted("root", "root@firm.test", "admin", PASSWORD)
        made = await manager.create_user(HOME_TENANT, wanted, ADMIN)
        user_id = made.user.user_id
        account = await manager.create_account(HOME_TENANT, user_id, Decimal(1_000), ADMIN)
        account_id = account.account_id
        venue.trading.accounts[account_id] = Account(
            account_id, HOME_TENANT, "PA1", 0, Decimal(100_000), Decimal(100_000)
        )
        key = await manager.create_key(HOME_TENANT, KeyWanted(account_id), ADMIN)
        return {"APCA-API-KEY-ID": key.key.key_id, "APCA-API-SECRET-KEY": key.secret_key}


@contextlib.contextmanager
def whole_edge(folder: Path) -> Iterator[WholeEdge]:
    """A running server."""
    edge = WholeEdge(folder)
    thread = threading.Thread(target=edge.run, daemon=True)
    thread.start()
    edge.started.wait(30)
    if edge.failure is not None:
        raise edge.failure
    try:
        yield edge
    finally:
        assert edge.server is not None
        edge.server.should_exit = True
        thread.join(30)
