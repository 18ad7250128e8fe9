"""``/stream``: order updates of one account, as Alpaca's trading stream speaks.

A client may add ``after`` to ``listen``: the ``sequence`` of the last update that it has seen. It
then gets what lies between, each once, and ``resync`` in the answer when that is not known here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from serve.streams.account_hub import AccountHub
from serve.streams.connection import Connection
from serve.streams.doorman import OAUTH, Doorman
from tradeplane.errors import LimitReached, TradeplaneError

TRADE_UPDATES = "trade_updates"
_encode = msgspec.json.Encoder().encode


class _Data(msgspec.Struct, frozen=True):
    key_id: str = ""
    secret_key: str = ""
    oauth_token: str = ""
    streams: list[str] = []
    after: int | None = None


class _Request(msgspec.Struct, frozen=True):
    action: str
    data: _Data = _Data()
    key: str = ""
    secret: str = ""


_decode_json = msgspec.json.Decoder(_Request).decode
_decode_msgpack = msgspec.msgpack.Decoder(_Request).decode


class TradingSession:
    """The protocol on one connection.

    Args:
        connection: the connection.
        doorman: who may come in.
        hub: where updates come from.
    """

    def __init__(self, connection: Connection, doorman: Doorman, hub: AccountHub) -> None:
        self._connection = connection
        self._doorman = doorman
        self._hub = hub
        self._joined = ""
        self._holding: list[tuple[int, bytes]] | None = None

    async def run(self) -> None:
        """Speak until either side ends."""
        if not await self._connection.accept():
            return
        try:
            await self._connection.serve(self._handle)
        finally:
            self._leave()
            if self._connection.credential is not None:
                self._doorman.leave(self._connection.credential)

    async def _handle(self, message: bytes) -> None:
        try:
            packed = self._connection.wants_msgpack
            request = _decode_msgpack(message) if packed else _decode_json(message)
        except msgspec.DecodeError as error:
            self._say("error", {"code": 400, "message": f"invalid syntax: {error}"})
            return
        match request.action:
            case "authenticate" | "auth":
                self._authenticate(request)
            case "listen":
                await self._listen(request.data)
            case _:
                self._say(
                    "error",
                    {"code": 400, "message": "action must be authenticate, auth or listen"},
                )

    def _authenticate(self, request: _Request) -> None:
        data = request.data
        key_id, secret_key = data.key_id or request.key, data.secret_key or request.secret
        if data.oauth_token:
            key_id, secret_key = OAUTH, data.oauth_token
        if self._connection.credential is not None:
            self._say("error", {"code": 403, "message": "already authenticated"})
            return
        try:
            credential = self._doorman.admit(key_id, secret_key)
        except LimitReached as error:
            self._say("error", {"code": 406, "message": error.message})
            return
        except TradeplaneError as error:
            self._say("error", {"code": 500, "message": error.message})
            return
        if credential is not None and not credential.principal.account_id:
            self._doorman.leave(credential)
            credential = None
        self._connection.credential = credential
        status = "authorized" if credential else "unauthorized"
        self._say("authorization", {"status": status, "action": "authenticate"})

    async def _listen(self, data: _Data) -> None:
        credential = self._connection.credential
        if credential is None:
            self._say("authorization", {"status": "unauthorized", "action": "listen"})
            return
        streams = [TRADE_UPDATES] if TRADE_UPDATES in data.streams else []
        answer: dict[str, Any] = {"streams": streams}
        self._leave()
        if streams:
            # Updates that are played back come after the answer that announces them.
            self._holding = []
            account_id = credential.principal.account_id
            try:
                sequence, whole = await self._hub.join(account_id, self._take, data.after)
            except TradeplaneError as error:
                self._holding = None
                self._say("error", {"code": 500, "message": error.message})
                return
            self._joined = account_id
            if data.after is not None:
                answer |= {"sequence": sequence, "resync": not whole}
        self._say("listening", answer)
        held, self._holding = self._holding or [], None
        for sequence, message in held:
            self._take(sequence, message)

    def _take(self, sequence: int, message: bytes) -> None:
        if self._holding is not None:
            self._holding.append((sequence, message))
        elif self._connection.wants_msgpack:
            self._connection.outbox.put(msgspec.msgpack.encode(msgspec.json.decode(message)))
        else:
            self._connection.outbox.put(message)

    def _leave(self) -> None:
        if self._joined:
            self._hub.leave(self._joined, self._take)
            self._joined = ""

    def _say(self, stream: str, data: dict[str, Any]) -> None:
        encode = msgspec.msgpack.encode if self._connection.wants_msgpack else _encode
        self._connection.outbox.put(encode({"stream": stream, "data": data}))
