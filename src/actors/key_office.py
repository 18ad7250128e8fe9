"""What an operator does to keys: to named ones by the actor, to those below in the database."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from pathlib import Path
from types import TracebackType
from typing import Self

from actors.call_port import CallPort
from actors.encryption_service import SEALER_PURPOSE, EncryptionService
from actors.names import ENCRYPTION
from actors.ray_call import ActorPort
from adapters.database.engine import open_database
from adapters.keys.data_keys import DataKeyRow, DataKeys
from adapters.keys.file_root_key import NAME, FileRootKey
from adapters.keys.root_key_choice import open_root_key
from adapters.system_clock import SystemClock
from tradeplane.auth.principal import Origin
from tradeplane.errors import ComponentUnavailable, InvalidRequest, NotFound
from tradeplane.settings import Settings

_CALL_S = 10.0
_WAIT_MS = 30_000
_ARRIVE_S = 30.0
_POLL_S = 0.01


class KeyOffice:
    """One operator's session; an asynchronous context in one event loop.

    Args:
        settings: the installation's settings.
        port: the actor; by default that of the cluster.

    Attributes:
        keys: the named keys of all tenants.
    """

    def __init__(self, settings: Settings, port: CallPort | None = None) -> None:
        self._settings = settings
        self._engine = open_database(settings.database_url)
        self._root = open_root_key(settings.root_key_url, settings.home)
        self._data_keys = DataKeys(self._engine, self._root)
        self.keys = EncryptionService(
            port or ActorPort(ENCRYPTION, _CALL_S),
            f"operator-{uuid.uuid4().hex[:12]}",
            self._data_keys.sealer(SEALER_PURPOSE),
            SystemClock(),
            _WAIT_MS,
        )
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Follow the actor, and wait until its keys have arrived.

        Raises:
            ComponentUnavailable: it does not answer.
        """
        self._following = asyncio.create_task(self.keys.follower.follow(), name="follow keys")
        try:
            async with asyncio.timeout(_ARRIVE_S):
                while self.keys.follower.silent_ns() is None:  # noqa: ASYNC110  # no event for it
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            await self._stop()
            raise ComponentUnavailable("encryption does not answer") from None
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
        self._engine.dispose()

    async def data_keys(self) -> list[DataKeyRow]:
        """Return every data key, without its secret."""
        return await asyncio.to_thread(self._data_keys.rows)

    async def rotate_data_key(self, purpose: str, by: Origin) -> int:
        """Add a version to a data key and return it; what older ones sealed stays readable.

        Raises:
            NotFound: no such data key is in use.
        """
        if all(row.purpose != purpose for row in await self.data_keys()):
            raise NotFound(f"no data key {purpose[:80]}; `tradeplane encryption data-keys list`")
        await self.keys.note_maintenance(purpose, "data_key_rotation", by)
        return (await asyncio.to_thread(self._data_keys.rotate, purpose)).version

    async def rotate_root(self, to: str | None, by: Origin) -> int:
        """Wrap every data key by another root key; return how many were wrapped anew.

        What the data keys sealed is not touched. After a crash at any moment every data key can be
        read, and the same call goes on.

        Args:
            to: the URL of the new root key, empty for the file in the home; None to replace the
                key in the file by a new one.
            by: who wants it, and why.

        Raises:
            InvalidRequest: the root key in use cannot be rotated like that.
            RootKeyUnavailable: one of the two cannot be used now.
        """
        if to is None and not isinstance(self._root, FileRootKey):
            raise InvalidRequest(
                "AWS KMS rotates this root key itself; to change to another key, name it by --to"
            )
        await self.keys.note_maintenance("root", "root_rotation", by)
        return await asyncio.to_thread(self._rewrap, to)

    def _rewrap(self, to: str | None) -> int:
        if to is None:
            assert isinstance(self._root, FileRootKey), "checked by the caller"
            return self._data_keys.rotate_file_root(self._root)
        if not to:
            FileRootKey.create(Path(self._settings.home) / NAME)
        return self._data_keys.rewrap(open_root_key(to, self._settings.home))
