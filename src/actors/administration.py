"""What an operator does to a running system: accounts, keys, the first credentials, the clock."""

from __future__ import annotations

import asyncio
import hashlib
import os
import uuid
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from actors.batch_client import BatchClient, BatchSettings
from actors.batch_run import reply_of
from actors.names import AUTH, MARKET, ledger_name
from actors.ray_call import ActorPort
from adapters.passwords import hash_password
from adapters.system_clock import SystemClock
from tradeplane.auth.api_key import RANDOM_BYTES, ApiKey, api_key_from
from tradeplane.auth.directory import (
    CreateKey,
    CreateUser,
    DirectoryFound,
    GetDirectory,
    IdentityReply,
    RegisterAccount,
    RevokeKey,
)
from tradeplane.clock import NS_PER_S
from tradeplane.errors import from_wire
from tradeplane.protocol import AskReply, AskRequest
from tradeplane.settings import Settings
from tradeplane.trading.commands import OpenAccount
from tradeplane.trading.replay_commands import ReplayReply
from tradeplane.trading.replies import LedgerReply

_CALL_S = 10.0
DEFAULT_TENANT = "default"
_encode = msgspec.msgpack.Encoder().encode


class Credentials(msgspec.Struct, frozen=True):
    """The contents of ``credentials.json``, made at the first start."""

    key_id: str
    secret_key: str
    admin_user: str
    admin_password: str
    account_id: str


class NewAccount(msgspec.Struct, frozen=True):
    """An account just created, with the key that opens it."""

    account_id: str
    key_id: str
    secret_key: str


class Administration:
    """One operator's session; used from one event loop.

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

        self._auth_port = ActorPort(AUTH, _CALL_S)
        self._auth = client(AUTH)
        self._market = client(MARKET)
        self._ledgers = [client(ledger_name(shard)) for shard in range(settings.ledger_shards)]

    async def create_accounts(self, count: int, cash: Decimal) -> Sequence[NewAccount]:
        """Open *count* accounts with *cash* US dollars and one key each."""
        accounts = [str(uuid.uuid4()) for _ in range(count)]
        return await asyncio.gather(
            *(self._open_account(account, _new_key(), cash) for account in accounts)
        )

    async def create_key(self, account_id: str) -> ApiKey:
        """Create one more key for an account.

        Raises:
            NotFound: no such account.
        """
        key = _new_key()
        await self._create_key(account_id, key)
        return key

    async def revoke_key(self, key_id: str) -> None:
        """End a key; every replica refuses it as soon as the feed has reached it.

        Raises:
            NotFound: no such key.
        """
        await self._auth.call(RevokeKey(key_id), fresh=False)

    async def directory(self) -> DirectoryFound:
        """Return accounts and live keys."""
        payload = _encode(AskRequest(msgspec.Raw(_encode(GetDirectory()))))
        reply = msgspec.msgpack.decode(await self._auth_port.call("ask", payload), type=AskReply)
        if reply.error is not None:
            raise from_wire(reply.error)
        found = msgspec.msgpack.decode(reply.reply, type=IdentityReply)
        assert isinstance(found, DirectoryFound), "the directory answers with itself"
        return found

    async def replay(self, command: Any) -> Any:
        """Send the market one of its replay commands."""
        return reply_of(await self._market.call(command, fresh=True), ReplayReply)

    async def bootstrap(self) -> Credentials | None:
        """Make the first account, key and administrator of a new installation.

        The credentials are written before they are put in force, and put in force again at every
        start, so a crash in between leaves nothing half made.

        Returns:
            The credentials, or None where the installation is not new and their file is gone.
        """
        path = Path(self._settings.home) / "credentials.json"
        if path.exists():
            credentials = msgspec.json.decode(path.read_bytes(), type=Credentials)
        elif (await self.directory()).accounts:
            return None
        else:
            key = _new_key()
            credentials = Credentials(
                key.key_id, key.secret_key, "admin", os.urandom(18).hex(), str(uuid.uuid4())
            )
            _write_private(path, msgspec.json.format(msgspec.json.encode(credentials)))
        key = ApiKey(credentials.key_id, credentials.secret_key)
        known = (await self.directory()).keys
        if credentials.key_id not in known:
            cash = self._settings.starting_cash
            await self._open_account(credentials.account_id, key, cash)
            password_phc = await asyncio.to_thread(hash_password, credentials.admin_password)
            user = CreateUser(credentials.admin_user, DEFAULT_TENANT, "admin", password_phc)
            await self._auth.call(user, fresh=False)
        return credentials

    async def _open_account(self, account_id: str, key: ApiKey, cash: Decimal) -> NewAccount:
        shard = uuid.UUID(account_id).int % len(self._ledgers)
        number = f"PA{uuid.UUID(account_id).hex[:10].upper()}"
        await self._auth.call(RegisterAccount(account_id, DEFAULT_TENANT, shard), fresh=False)
        opened = OpenAccount(account_id, DEFAULT_TENANT, number, cash)
        reply_of(await self._ledgers[shard].call(opened, fresh=False), LedgerReply)
        await self._create_key(account_id, key)
        return NewAccount(account_id, key.key_id, key.secret_key)

    async def _create_key(self, account_id: str, key: ApiKey) -> None:
        digest = hashlib.sha256(key.secret_key.encode()).hexdigest()
        command = CreateKey(key.key_id, digest, account_id)
        reply_of(await self._auth.call(command, fresh=False), IdentityReply)


def _new_key() -> ApiKey:
    return api_key_from(os.urandom(RANDOM_BYTES))


def _write_private(path: Path, contents: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    draft = path.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(contents + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
