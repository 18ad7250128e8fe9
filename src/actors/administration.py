"""What an operator does to a running system, beside the API: identity, accounts, the clock."""

from __future__ import annotations

import asyncio
import contextlib
import os
import uuid
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from actors.auth_manager import AuthManager
from actors.batch_client import BatchClient, BatchSettings
from actors.batch_run import reply_of
from actors.names import AUTH, MARKET, ledger_name
from actors.ray_call import ActorPort
from adapters.system_clock import SystemClock
from policies.authorization.authorizer import packaged_authorizer
from tradeplane.auth.answers import UserFound
from tradeplane.auth.api_key import RANDOM_BYTES, ApiKey, api_key_from
from tradeplane.auth.principal import HOME_TENANT, Origin
from tradeplane.auth.wanted import KeyWanted, UserWanted
from tradeplane.clock import NS_PER_S
from tradeplane.errors import ComponentUnavailable, NotFound
from tradeplane.settings import Settings, issuer
from tradeplane.trading.commands import OpenAccount
from tradeplane.trading.replay_commands import ReplayReply
from tradeplane.trading.replies import LedgerReply

_CALL_S = 10.0
_DESK_CALL_S = 30.0
_ARRIVE_S = 30.0
_WAIT_MS = 30_000
_BOOTSTRAP = Origin("system", "bootstrap", HOME_TENANT, reason="first start")
_USER_NAMESPACE = uuid.UUID("6f1f64ab-6f52-4a5e-8f0b-5d7a0d3a7c11")


class Credentials(msgspec.Struct, frozen=True):
    """The contents of ``credentials.json``, made at the first start."""

    key_id: str
    secret_key: str
    admin_user: str
    admin_password: str
    account_id: str

    def __repr__(self) -> str:
        """Name the account, nothing secret."""
        return f"Credentials(account_id={self.account_id!r})"


class NewAccount(msgspec.Struct, frozen=True):
    """An account just created, with the key that opens it."""

    account_id: str
    key_id: str
    secret_key: str

    def __repr__(self) -> str:
        """Name the account, nothing secret."""
        return f"NewAccount(account_id={self.account_id!r})"


class Administration:
    """One operator's session; an asynchronous context in one event loop.

    Attributes:
        identity: everything about tenants, users, sessions, keys and clients.

    Args:
        settings: the installation's settings.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        clock = SystemClock()
        wait = BatchSettings(wait_ns=30 * NS_PER_S)

        def client(name: str) -> BatchClient:
            port = ActorPort(name, _CALL_S)
            return BatchClient(name, lambda payload: port.call("submit", payload), wait, clock)

        self._market = client(MARKET)
        self._ledgers = [client(ledger_name(shard)) for shard in range(settings.ledger_shards)]
        self.identity = AuthManager(
            ActorPort(AUTH, _CALL_S),
            ActorPort(AUTH, _DESK_CALL_S),
            subscriber=f"operator-{uuid.uuid4().hex[:12]}",
            issuer=issuer(settings),
            clock=clock,
            open_in_ledger=self._open_in_ledger,
            shards=settings.ledger_shards,
            wait_ms=_WAIT_MS,
            authorizer=packaged_authorizer(),
        )
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Follow identity, and wait until it has arrived.

        Raises:
            ComponentUnavailable: it does not answer.
        """
        self._following = asyncio.create_task(self.identity.follower.follow(), name="follow auth")
        try:
            async with asyncio.timeout(_ARRIVE_S):
                while self.identity.follower.silent_ns() is None:  # noqa: ASYNC110  # no event for it
                    await asyncio.sleep(0.01)
        except TimeoutError:
            await self._stop()
            raise ComponentUnavailable("identity does not answer") from None
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop following."""
        await self._stop()

    async def _stop(self) -> None:
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following

    async def _open_in_ledger(self, command: OpenAccount, shard: int) -> None:
        reply_of(await self._ledgers[shard].call(command, fresh=False), LedgerReply)

    async def user_named(self, tenant_id: str, username: str) -> UserFound:
        """Return the user of this name or id in a tenant.

        Raises:
            NotFound: there is none.
        """
        for user in await self.identity.users(tenant_id):
            if username.lower() in {user.username.lower(), user.user_id}:
                return user
        raise NotFound(f"tenant {tenant_id} has no user {username}")

    async def create_accounts(
        self, tenant_id: str, username: str, count: int, cash: Decimal, origin: Origin
    ) -> Sequence[NewAccount]:
        """Open *count* accounts of a user with *cash* US dollars and one key each.

        The keys can trade, where their owner may.
        """
        user = await self.user_named(tenant_id, username)

        async def one() -> NewAccount:
            listed = await self.identity.create_account(tenant_id, user.user_id, cash, origin)
            role = "trader" if user.role == "admin" else user.role
            wanted = KeyWanted(listed.account_id, role)
            made = await self.identity.create_key(tenant_id, wanted, origin)
            return NewAccount(listed.account_id, made.key.key_id, made.secret_key)

        return await asyncio.gather(*(one() for _ in range(count)))

    async def replay(self, command: Any) -> Any:
        """Send the market one of its replay commands."""
        return reply_of(await self._market.call(command, fresh=True), ReplayReply)

    async def bootstrap(self) -> Credentials | None:
        """Make the administrator, first account and key of a new installation.

        The credentials are written before they are put in force, and put in force again at every
        start until they were, so a crash in between leaves nothing half made. What an
        administrator has changed since stays as it is.

        Returns:
            The credentials, or None where the installation is not new and their file is gone.
        """
        path = Path(self._settings.home) / "credentials.json"
        if path.exists():
            credentials = msgspec.json.decode(path.read_bytes(), type=Credentials)
        elif await self.identity.users(HOME_TENANT):
            return None
        else:
            key = api_key_from(os.urandom(RANDOM_BYTES))
            credentials = Credentials(
                key.key_id, key.secret_key, "admin", os.urandom(18).hex(), str(uuid.uuid4())
            )
            _write_private(path, msgspec.json.format(msgspec.json.encode(credentials)))
        keys = await self.identity.keys(HOME_TENANT)
        if all(key.key_id != credentials.key_id for key in keys):
            await self._put_in_force(credentials)
        return credentials

    async def _put_in_force(self, credentials: Credentials) -> None:
        # The key comes last, so where it is, all is; a key that was revoked since stays revoked.
        user_id = str(uuid.uuid5(_USER_NAMESPACE, credentials.account_id))
        wanted = UserWanted(
            credentials.admin_user, role="admin", password=credentials.admin_password
        )
        await self.identity.create_user_named(user_id, HOME_TENANT, wanted, _BOOTSTRAP)
        await self.identity.create_account_named(
            credentials.account_id,
            HOME_TENANT,
            user_id,
            self._settings.starting_cash,
            _BOOTSTRAP,
        )
        await self.identity.create_key_named(
            ApiKey(credentials.key_id, credentials.secret_key),
            HOME_TENANT,
            KeyWanted(credentials.account_id, "trader"),
            _BOOTSTRAP,
        )


async def bootstrap(settings: Settings) -> Credentials | None:
    """Make the first credentials of a new installation; see :meth:`Administration.bootstrap`."""
    async with Administration(settings) as office:
        return await office.bootstrap()


def _write_private(path: Path, contents: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(contents + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
