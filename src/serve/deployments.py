"""The Serve deployment ``Api``: replicas that own their listener, placed and scaled by Serve."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import ray
from ray import serve
from ray.serve.config import AutoscalingConfig, AutoscalingPolicy

from actors.names import RATES
from actors.rate_relay import RateReporter
from actors.ray_call import ActorPort
from actors.replica_ports import ReplicaPorts
from actors.topology import start_in_thread, subscriber_name
from adapters.logs import configure_logs
from adapters.system_clock import SystemClock
from policies.autoscaling import IN_FLIGHT, InFlightPolicy
from serve.asgi import build_app
from serve.edge_settings import EdgeSettings
from serve.inner_door import keep_inner_door_local
from serve.listener import Listener
from serve.shared_counts import SharedCounts
from serve.shared_port import rendezvous
from tradeplane.settings import Settings

_READY_S = 60.0
_REPORT_S = 1.0
_SAMPLE_S = 0.1
_DOOR_ONGOING_MAX = 256
_DOOR_QUEUED_MAX = 1_024


class Api:
    """One replica of the HTTP edge.

    It accepts from the node's API port itself, past Serve's request path, and answers the same
    application behind Serve's own proxy.

    Args:
        settings: the installation's settings.
    """

    async def __init__(self, settings: Settings) -> None:  # type: ignore[misc]  # Serve awaits it
        configure_logs(settings.log_level)
        keep_inner_door_local()
        self._settings = settings
        await start_in_thread(settings)
        self._ports = await asyncio.to_thread(ReplicaPorts, settings)
        self._ports.start()
        await self._ports.until_ready(_READY_S)
        edge = EdgeSettings(
            rate_limit_per_minute=settings.rate_limit_per_minute,
            address_limit_per_minute=settings.address_limit_per_minute,
            login_limit_per_minute=settings.login_limit_per_minute,
            trusted_proxies=settings.trusted_proxies,
            body_bytes_max=settings.body_bytes_max,
            request_timeout_ms=settings.request_timeout_ms,
            in_flight_max=settings.in_flight_max,
        )
        self._counts = SharedCounts(rendezvous(settings.http_host, settings.http_port))
        self._app = build_app(
            self._ports.ports, edge, registry=self._ports.registry(), counts=self._counts
        )
        self._reporter = asyncio.create_task(
            RateReporter(
                self._counts,
                ActorPort(RATES, _REPORT_S),
                ray.get_runtime_context().get_node_id(),
                subscriber_name("rates"),
                SystemClock(),
            ).run(),
            name="report request counts",
        )
        self._listener = Listener(self._app, settings.http_host, settings.http_port, SystemClock())
        self._listener.start()
        self._in_flight = 0.0
        self._sampler = asyncio.create_task(self._sample(), name="in flight")

    def __serve_build_asgi_app__(self) -> Any:
        """Return the application, for Serve's own proxy; called after the constructor."""
        return self._app

    async def check_health(self) -> None:
        """Raise when this replica should be replaced: its listener no longer accepts."""
        problem = self._listener.check()
        if problem is not None:
            raise RuntimeError(problem)

    def record_autoscaling_stats(self) -> dict[str, float]:
        """Return what :mod:`policies.autoscaling` decides by."""
        return {IN_FLIGHT: self._in_flight}

    async def __del__(self) -> None:
        """Drain: Serve awaits this before it ends a replica on scale-down and on update."""
        self._sampler.cancel()
        await self._listener.drain(self._settings.drain_ms / 1_000)
        await self._ports.stop()
        self._reporter.cancel()
        await asyncio.gather(self._reporter, return_exceptions=True)
        self._counts.close()

    async def _sample(self) -> None:
        """Average the requests in flight over about a second; one look would see only itself."""
        while True:
            self._in_flight += (self._listener.in_flight - self._in_flight) * 0.1
            await asyncio.sleep(_SAMPLE_S)


def api_application(settings: Settings) -> Any:
    """Return the Serve application of the edge, bound to *settings*.

    Every limit that Serve leaves open by default is set.
    """
    deployment = serve.deployment(
        serve.ingress()(Api),
        name="Api",
        autoscaling_config=AutoscalingConfig(
            min_replicas=settings.replicas_min,
            initial_replicas=settings.replicas_min,
            max_replicas=settings.replicas_max or max(settings.replicas_min, os.cpu_count() or 1),
            upscale_delay_s=2,
            downscale_delay_s=30,
            look_back_period_s=5,
            metrics_interval_s=1,
            policy=AutoscalingPolicy(policy_function=InFlightPolicy),
        ),
        ray_actor_options={"num_cpus": 0},
        max_ongoing_requests=_DOOR_ONGOING_MAX,
        max_queued_requests=_DOOR_QUEUED_MAX,
        graceful_shutdown_wait_loop_s=0.1,
        graceful_shutdown_timeout_s=settings.drain_ms / 1_000 + 5,
        health_check_period_s=1,
        health_check_timeout_s=5,
        max_constructor_retry_count=10,
    )
    return deployment.bind(settings)
