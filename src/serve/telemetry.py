"""The metrics of one replica's edge, in OpenTelemetry's names and buckets."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"}
)
UNMATCHED = "unmatched"
"""The route label of requests that no route takes; paths are never labels."""


class RequestMetrics:
    """Counts and times requests by route template, method and status.

    The label sets are bounded: templates come from the route table, methods from HTTP.

    Args:
        registry: where the metrics are registered.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._duration = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP requests, from the first look at them to the last byte handed over.",
            ("http_route", "http_request_method", "http_response_status_code"),
            buckets=_BUCKETS_S,
            registry=registry,
        )
        self.in_flight = Gauge(
            "http_server_active_requests",
            "Requests that are being worked on.",
            registry=registry,
        )
        self._children: dict[tuple[str, str, int], Histogram] = {}

    def observe(self, route: str, method: str, status: int, duration_s: float) -> None:
        """Note one request."""
        key = (route, method, status)
        child = self._children.get(key)
        if child is None:
            known = method if method in _METHODS else "_OTHER"
            child = self._duration.labels(route, known, str(status))
            if known == method:
                self._children[key] = child
        child.observe(duration_s)

    def exposition(self, accept: str) -> tuple[bytes, bytes]:
        """Return the media type and the text of all metrics, in the format that *accept* asks."""
        encoder, media_type = choose_encoder(accept)
        return media_type.encode(), encoder(self._registry)
