"""The listener that a replica owns: it accepts, serves on uvicorn's protocol, drains and stops."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Literal

import structlog
import uvicorn
from uvicorn.server import ServerState

from serve.balance import Balance
from serve.guarded_protocol import GuardedProtocol
from serve.shared_port import SharedPort
from tradeplane.clock import Clock

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = structlog.get_logger()

_ACCEPTS_A_WAKE = 16
_YIELD_S = 0.001
_YIELD_MAX_S = 0.005
_BEAT_S = 0.1
_CLOSING_MAX_S = 10.0
_CLOSE_AFTER_S = 1.0
_MESSAGE_BYTES_MAX = 262_144
_PING_S = 20.0


class Listener:
    """Serves one ASGI application on the node's shared port.

    Args:
        app: the application.
        host: address to listen on.
        port: port to listen on.
        clock: monotonic time.
        keep_alive_s: how long an idle connection is kept.
        ws: uvicorn's name of the WebSocket protocol; ``none`` refuses them.
    """

    def __init__(  # noqa: PLR0913  # each is an independent choice
        self,
        app: ASGIApp,
        host: str,
        port: int,
        clock: Clock,
        *,
        keep_alive_s: int = 75,
        ws: Literal["none", "websockets-sansio"] = "none",
    ) -> None:
        self._app = app
        self._loop = asyncio.get_running_loop()
        self._draining = False
        self._config = uvicorn.Config(
            self._serve,
            interface="asgi3",
            http=GuardedProtocol,
            proxy_headers=False,
            ws=ws,
            ws_max_size=_MESSAGE_BYTES_MAX,
            ws_ping_interval=_PING_S,
            ws_ping_timeout=_PING_S,
            lifespan="off",
            access_log=False,
            log_config=None,
            timeout_keep_alive=keep_alive_s,
        )
        self._config.load()
        self._state = ServerState()
        self._port = SharedPort(host, port)
        self._balance = Balance(self._port.folder, clock)
        self._reading = False
        self._beats: asyncio.Task[None] | None = None
        self._closing: dict[Any, float] = {}
        self._connecting: set[asyncio.Task[Any]] = set()

    @property
    def connections(self) -> int:
        """Connections that are open or about to be."""
        return len(self._state.connections) + len(self._connecting)

    @property
    def in_flight(self) -> int:
        """Requests that are being answered."""
        return len(self._state.tasks)

    def start(self) -> None:
        """Begin to accept."""
        self._beat()
        self._beats = self._loop.create_task(self._keep_beating(), name="listener beat")
        self._port.hand_over(self._loop)
        self._listen()

    def check(self) -> str | None:
        """Return None while connections can be accepted, else what is wrong."""
        if self._draining:
            return "the listener is draining"
        if self._beats is None or self._beats.done():
            return "the listener has stopped"
        return None

    async def drain(self, limit_s: float) -> None:
        """Stop accepting, finish what runs, close; at most *limit_s* seconds. Idempotent.

        Requests that arrive on open connections are still answered, with ``Connection: close``,
        for a moment, so that a client that sends just now is not cut off.
        """
        if self._draining:
            return
        self._draining = True
        self._deafen()
        self._balance.leave()
        deadline = self._loop.time() + limit_s
        await self._until_empty(min(deadline, self._loop.time() + _CLOSE_AFTER_S))
        for connection in list(self._state.connections):
            connection.shutdown()
        await self._until_empty(deadline)
        for connection in list(self._state.connections):
            connection.transport.abort()
        if self._beats is not None:
            self._beats.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beats
        self._port.close(self._loop)

    async def _until_empty(self, deadline: float) -> None:
        while self.connections and self._loop.time() < deadline:  # noqa: ASYNC110  # no event says so
            await asyncio.sleep(0.01)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._draining:
            await self._app(scope, receive, send)
            return

        async def send_and_close(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), (b"connection", b"close")]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_and_close)

    def _listen(self) -> None:
        if not self._reading and not self._draining:
            self._loop.add_reader(self._port.listener, self._readable)
            self._reading = True

    def _deafen(self) -> None:
        if self._reading:
            self._loop.remove_reader(self._port.listener)
            self._reading = False

    def _readable(self) -> None:
        """Accept while this process has no more connections than the others; else give way.

        Giving way lasts a few milliseconds: if no other process has taken the connection by then,
        it is accepted here after all.
        """
        for _ in range(_ACCEPTS_A_WAKE):
            excess = self._balance.excess(self.connections)
            if excess > 0:
                self._deafen()
                delay_s = min(excess * _YIELD_S, _YIELD_MAX_S)
                self._loop.call_later(delay_s, self._accept_after_all)
                return
            if not self._accept():
                return

    def _accept_after_all(self) -> None:
        if not self._draining:
            self._accept()
            self._listen()

    def _accept(self) -> bool:
        try:
            connection, _ = self._port.listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return False
        except OSError as error:
            # Out of descriptors, most likely: pause instead of spinning on a readable socket.
            log.warning("cannot accept", why=error.strerror)
            self._deafen()
            self._loop.call_later(0.1, self._listen)
            return False
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._connect(connection))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
        self._balance.beat(self.connections)
        return True

    async def _connect(self, connection: socket.socket) -> None:
        protocol = self._config.http_protocol_class
        try:
            await self._loop.connect_accepted_socket(
                lambda: protocol(  # type: ignore[call-arg]  # a union of classes
                    config=self._config,
                    server_state=self._state,
                    app_state={},
                    _loop=self._loop,
                ),
                connection,
            )
        except OSError:
            connection.close()

    def _beat(self) -> None:
        self._balance.beat(self.connections)
        date = formatdate(usegmt=True).encode()
        self._state.default_headers = [(b"date", date), (b"server", b"tradeplane")]

    def _abort_stuck(self) -> None:
        """End connections that cannot be closed in order, because their client does not read."""
        now = self._loop.time()
        closing = {
            connection: self._closing.get(connection, now)
            for connection in self._state.connections
            if connection.transport.is_closing()
        }
        for connection, since in closing.items():
            if now - since > _CLOSING_MAX_S:
                connection.transport.abort()
        self._closing = closing

    def _hang_up_on_the_late(self) -> None:
        now = self._loop.time()
        for connection in list(self._state.connections):
            if isinstance(connection, GuardedProtocol) and connection.is_late(now):
                connection.transport.abort()

    async def _keep_beating(self) -> None:
        while True:
            self._abort_stuck()
            self._hang_up_on_the_late()
            if not self._draining:
                self._beat()
            await asyncio.sleep(_BEAT_S)
