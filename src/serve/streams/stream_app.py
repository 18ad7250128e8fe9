"""The application of the stream port: two WebSocket endpoints, and its own health."""

from __future__ import annotations

import asyncio
from collections import Counter
from functools import partial

import structlog
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import generate_latest
from starlette.types import Receive, Scope, Send

from serve.asset_directory import AssetDirectory
from serve.streams.account_hub import AccountHub
from serve.streams.connection import POLICY, Connection, StreamSettings
from serve.streams.doorman import Doorman
from serve.streams.market_hub import MarketHub
from serve.streams.market_session import MarketSession
from serve.streams.trading_session import TradingSession
from tradeplane.stream_ports import StreamPorts

log = structlog.get_logger()
FEEDS = ("/v2/iex", "/v2/sip", "/v2/test")
"""Paths of the market-data stream. The replay has one feed; these are its names."""

TRADING = "/stream"


class StreamApp:
    """The ASGI application of one stream replica.

    Args:
        ports: keys, policies, the market and the events of accounts.
        settings: limits.
    """

    def __init__(self, ports: StreamPorts, settings: StreamSettings) -> None:
        assets = AssetDirectory(ports.market.data.assets())
        self.accounts = AccountHub(ports.account_events, assets)
        self.market = MarketHub(ports.market.view, assets)
        self._ports = ports
        self._settings = settings
        self._trading_doorman = Doorman(ports.access, "account:read", settings.key_connections_max)
        self._market_doorman = Doorman(ports.access, "market:read", settings.key_connections_max)
        self._open: Counter[str] = Counter()
        self._registry = CollectorRegistry()
        gauge = Gauge(
            "tradeplane_stream_connections",
            "Open connections of this replica",
            ["endpoint"],
            registry=self._registry,
        )
        for endpoint in (TRADING, *FEEDS):
            gauge.labels(endpoint).set_function(partial(self._count, endpoint))

    def _count(self, endpoint: str) -> float:
        return float(self._open[endpoint])

    @property
    def connections(self) -> int:
        """Open connections."""
        return self._open.total()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or one request for health."""
        if scope["type"] == "websocket":
            await self._serve(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope["path"], send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].rstrip("/")
        full = self.connections >= self._settings.connections_max
        if full or (path != TRADING and path not in FEEDS):
            await receive()
            reason = "connection limit exceeded" if full else "no such stream"
            await send({"type": "websocket.close", "code": POLICY, "reason": reason})
            return
        connection = Connection(scope, receive, send, self._settings)
        session = (
            TradingSession(connection, self._trading_doorman, self.accounts)
            if path == TRADING
            else MarketSession(connection, self._market_doorman, self.market)
        )
        self._open[path] += 1
        try:
            await session.run()
        except (OSError, RuntimeError, asyncio.IncompleteReadError) as error:
            # The client has gone while something was on its way to it.
            log.debug("stream broke", path=path, why=str(error))
        finally:
            self._open[path] -= 1

    async def _answer(self, path: str, send: Send) -> None:
        status, kind = 404, b"application/json"
        body = b'{"code":40410000,"message":"no such endpoint"}'
        if path == "/livez":
            status, body = 200, b'{"status":"ok"}'
        elif path == "/readyz":
            problems = [text for text in self._ports.readiness.checks().values() if text]
            status = 503 if problems else 200
            body = b'{"status":"unavailable"}' if problems else b'{"status":"ok"}'
        elif path == "/metrics":
            status, body, kind = 200, generate_latest(self._registry), b"text/plain; version=0.0.4"
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
