"""The HTTP application: every request's way from the ASGI server to a handler and back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import perf_counter

import structlog
import uuid_utils
from prometheus_client import CollectorRegistry
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.system_clock import SystemClock
from policies.authorization.authorizer import packaged_authorizer
from policies.rate_limits import RequestCounts
from serve.budgets import budgets
from serve.client_address import ClientAddresses
from serve.edge_settings import EdgeSettings
from serve.error_table import error_reply, internal_error_reply
from serve.exchange import Exchange, Header, Reply
from serve.gate import Gate
from serve.oauth_error import as_oauth_error, speaks_oauth
from serve.operation import Operation
from serve.problem import as_problem, speaks_problems
from serve.request_ids import RequestIds
from serve.request_shape import check_repeated, requested_path
from serve.route_table import Resource, RouteTable
from serve.routes.catalog import operations
from serve.telemetry import UNMATCHED, RequestMetrics
from serve.vault_error import as_vault_error, speaks_vault
from tradeplane.clock import Clock
from tradeplane.errors import (
    ComponentUnavailable,
    MethodNotAllowed,
    NotFound,
    OutcomeUnknown,
    Overloaded,
    RateLimited,
    RequestTooSlow,
    TradeplaneError,
)
from tradeplane.ports import Ports

log = structlog.get_logger()

# A handler's own header of the same name takes the place of one of these.
_STATIC: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=()"),
)
_CLIENT_CLOSED = 499


def build_app(  # noqa: PLR0913  # all but the first two have defaults
    ports: Ports,
    settings: EdgeSettings,
    *,
    clock: Clock | None = None,
    new_id: Callable[[], str] | None = None,
    registry: CollectorRegistry | None = None,
    counts: RequestCounts | None = None,
) -> ASGIApp:
    """Return the HTTP application of one replica.

    Args:
        ports: what it serves.
        settings: its limits.
        clock: wall time for the rate limit; the machine's by default.
        new_id: makes the ids of orders and commands; UUIDs of version 7 by default.
        registry: where its metrics go; one of its own by default.
        counts: where requests are counted for the rate limits; by default in this process alone.
    """
    metrics = RequestMetrics(registry or CollectorRegistry())
    routes = RouteTable(operations(ports, new_id or _new_uuid, metrics, clock))
    gate = Gate(
        ports.keys,
        ports.authorizer or packaged_authorizer(),
        budgets(settings, counts),
        ClientAddresses(settings.trusted_proxies),
        clock or SystemClock(),
        identity=ports.identity,
        audit_sink=ports.audit_sink,
        pseudonym=ports.identity.pseudonym if ports.identity else lambda _: "",
    )
    return Application(routes, gate, settings, metrics=metrics)


def _new_uuid() -> str:
    # In the order of time, so that the database's indexes grow at their end.
    return str(uuid_utils.uuid7())


class Application:
    """The ASGI application. Every answer is JSON, errors included, but for metrics and HEAD.

    Args:
        routes: what can be asked.
        gate: who may ask, and what.
        settings: the limits.
        metrics: where requests are counted.
    """

    def __init__(
        self,
        routes: RouteTable,
        gate: Gate,
        settings: EdgeSettings,
        *,
        metrics: RequestMetrics,
    ) -> None:
        self._routes = routes
        self._gate = gate
        self._settings = settings
        self._metrics = metrics
        self._timeout_s = settings.request_timeout_ms / 1_000
        self._request_ids = RequestIds()
        self._in_flight = 0
        metrics.in_flight.set_function(lambda: self._in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or take part in the server's start and stop."""
        if scope["type"] != "http":
            await _decline(scope, receive, send)
            return
        started_s = perf_counter()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        exchange = Exchange(
            scope,
            receive,
            headers=headers,
            request_id=self._request_ids.of(headers.get(b"x-request-id")),
            body_bytes_max=self._settings.body_bytes_max,
        )
        path = requested_path(scope)
        found = None if path is None else self._routes.find(path)
        route = found[0].template if found else UNMATCHED
        try:
            reply = await self._answer(exchange, found)
        except ClientDisconnect:
            self._metrics.observe(
                route, exchange.method, _CLIENT_CLOSED, perf_counter() - started_s
            )
            return
        if reply.status >= 400 and speaks_problems(scope["path"]):
            reply = as_problem(reply)
        elif reply.status >= 400 and speaks_oauth(scope["path"]):
            reply = as_oauth_error(reply)
        elif reply.status >= 400 and speaks_vault(scope["path"]):
            reply = as_vault_error(reply)
        await _send(exchange, reply, send)
        self._metrics.observe(route, exchange.method, reply.status, perf_counter() - started_s)

    async def _answer(
        self, exchange: Exchange, found: tuple[Resource, dict[str, str]] | None
    ) -> Reply:
        try:
            return await self._dispatch(exchange, found)
        except RateLimited as error:
            assert exchange.rate is not None, "only the rate limiter raises it"
            return error_reply(error, exchange.rate.retry_after_s)
        except TradeplaneError as error:
            reply = error_reply(error)
            if reply.status >= 500:
                log.warning(
                    "request failed",
                    request_id=exchange.request_id.decode(),
                    error=type(error).__name__,
                    why=error.message,
                )
            return reply
        except ClientDisconnect:
            raise
        except Exception:
            log.exception("request crashed", request_id=exchange.request_id.decode())
            return internal_error_reply()

    async def _dispatch(
        self, exchange: Exchange, found: tuple[Resource, dict[str, str]] | None
    ) -> Reply:
        check_repeated(exchange.scope["headers"], exchange.headers)
        if found is None:
            self._gate.admit_unknown(exchange)
            raise NotFound("no such endpoint; GET /openapi.json lists them")
        resource, exchange.params = found
        operation = resource.operations.get(exchange.method)
        if operation is None:
            self._gate.admit_unknown(exchange)
            return _no_operation(exchange, resource)
        if operation.budget == "none":
            return await operation.handler(exchange)
        return await self._admitted(exchange, operation)

    async def _admitted(self, exchange: Exchange, operation: Operation) -> Reply:
        if self._in_flight >= self._settings.in_flight_max:
            raise Overloaded("too many requests are being worked on; nothing was done, try again")
        self._in_flight += 1
        try:
            if operation.public:
                self._gate.admit_unknown(exchange, operation.budget)
            else:
                self._gate.admit(exchange, operation)
            async with asyncio.timeout(self._timeout_s):
                return await operation.handler(exchange)
        except TimeoutError:
            raise self._too_late(exchange) from None
        finally:
            self._in_flight -= 1

    def _too_late(self, exchange: Exchange) -> TradeplaneError:
        limit = f"the request took longer than {self._settings.request_timeout_ms} ms"
        facts = exchange.submitted
        if exchange.reading:
            return RequestTooSlow(f"{limit} to arrive; nothing was done")
        if facts is None:
            return ComponentUnavailable(f"{limit}; nothing was done, try again")
        named = " and ".join(f"{name} {value}" for name, value in facts.items())
        return OutcomeUnknown(
            f"{limit} and may still take effect; ask for {named} before sending it again",
            dict(facts),
        )


def _no_operation(exchange: Exchange, resource: Resource) -> Reply:
    allow = ((b"allow", resource.allow),)
    if exchange.method == "OPTIONS":
        return Reply(204, headers=allow)
    reply = error_reply(
        MethodNotAllowed(f"this endpoint answers {resource.allow.decode()} only"),
    )
    reply.headers += allow
    return reply


async def _send(exchange: Exchange, reply: Reply, send: Send) -> None:
    headers: list[Header] = [
        (b"content-type", reply.media_type),
        (b"content-length", b"%d" % len(reply.body)),
        (b"x-request-id", exchange.request_id),
        *(_without(reply.headers) if reply.headers else _STATIC),
        *reply.headers,
    ]
    if reply.status == 204:
        del headers[:2]
    rate = exchange.rate
    if rate is not None:
        headers += (
            (b"x-ratelimit-limit", b"%d" % rate.limit),
            (b"x-ratelimit-remaining", b"%d" % rate.remaining),
            (b"x-ratelimit-reset", b"%d" % rate.reset_s),
        )
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    body = b"" if exchange.method == "HEAD" else reply.body
    await send({"type": "http.response.body", "body": body})


def _without(own: tuple[Header, ...]) -> list[Header]:
    names = {name for name, _ in own}
    return [header for header in _STATIC if header[0] not in names]


async def _decline(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer what is not HTTP: nothing to start or stop, and no WebSockets on this port."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008, "reason": "no streams on this port"})
        return
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
