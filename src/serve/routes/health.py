"""``/livez``, ``/readyz``, ``/metrics``, ``/openapi.json``: no key, answered under any load."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from serve.error_table import error_reply
from serve.exchange import Exchange, Reply
from serve.operation import Answer, Operation, flag_parameter
from serve.telemetry import RequestMetrics
from serve.wire.decimals import encode
from tradeplane.errors import ComponentUnavailable, Details
from tradeplane.ports import Readiness

_TAG = "health"


class HealthBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """A passing check.

    Attributes:
        checks: each check's name and ``ok``, when ``?verbose`` asks for them.
    """

    status: str
    checks: Details = {}


class HealthRoutes:
    """The operations for operators.

    Args:
        readiness: what must be heard before requests are taken.
        metrics: the metrics of this replica.
        document: returns the OpenAPI document as JSON.
    """

    def __init__(
        self, readiness: Readiness, metrics: RequestMetrics, document: Callable[[], bytes]
    ) -> None:
        self._readiness = readiness
        self._metrics = metrics
        self._document = document

    async def live(self, exchange: Exchange) -> Reply:
        """Say that the process answers."""
        verbose = "verbose" in exchange.query
        return Reply(200, encode(HealthBody("ok", {"event_loop": "ok"} if verbose else {})))

    async def ready(self, exchange: Exchange) -> Reply:
        """Say whether requests can be served, and what is missing."""
        checks = self._readiness.checks()
        shown: Details = {name: problem or "ok" for name, problem in checks.items()}
        verbose = "verbose" in exchange.query
        failed = [f"{name}: {problem}" for name, problem in checks.items() if problem]
        if failed:
            return error_reply(
                ComponentUnavailable(f"not ready: {'; '.join(failed)}", shown if verbose else None)
            )
        return Reply(200, encode(HealthBody("ok", shown if verbose else {})))

    async def metrics(self, exchange: Exchange) -> Reply:
        """Return this replica's metrics for Prometheus."""
        accept = exchange.headers.get(b"accept", b"").decode("latin-1")
        media_type, text = self._metrics.exposition(accept)
        return Reply(200, text, media_type=media_type)

    async def openapi(self, exchange: Exchange) -> Reply:
        """Return the OpenAPI document of this very route table."""
        del exchange
        return Reply(200, self._document())

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        verbose = (flag_parameter("verbose", "Show each check; no value is needed."),)
        passing = (Answer(200, "It passes.", HealthBody),)
        return (
            Operation(
                "GET",
                "/livez",
                self.live,
                "getLiveness",
                "Whether the process answers",
                _TAG,
                passing,
                parameters=verbose,
                public=True,
                budget="none",
            ),
            Operation(
                "GET",
                "/readyz",
                self.ready,
                "getReadiness",
                "Whether requests can be served",
                _TAG,
                passing,
                errors=(503,),
                parameters=verbose,
                public=True,
                budget="none",
            ),
            Operation(
                "GET",
                "/metrics",
                self.metrics,
                "getMetrics",
                "Metrics of this replica",
                _TAG,
                (Answer(200, "Prometheus exposition.", str, "text/plain"),),
                public=True,
                budget="none",
            ),
            Operation(
                "GET",
                "/openapi.json",
                self.openapi,
                "getOpenApi",
                "This document",
                _TAG,
                (Answer(200, "OpenAPI 3.1.", dict),),
                public=True,
                budget="none",
            ),
        )
