"""The Serve deployment ``Stream``: WebSockets on a port of their own.

Long connections say nothing about the load of requests, so they neither share the API's replicas
nor its scaling.
"""

from __future__ import annotations

import asyncio
from typing import Any

from ray import serve

from actors.stream_replica import StreamReplica
from actors.topology import start_in_thread
from adapters.logs import configure_logs
from adapters.system_clock import SystemClock
from serve.inner_door import keep_inner_door_local
from serve.listener import Listener
from serve.streams.connection import StreamSettings
from serve.streams.stream_app import StreamApp
from tradeplane.settings import Settings

_READY_S = 60.0
_DOOR_ONGOING_MAX = 16
_DOOR_QUEUED_MAX = 64


class Stream:
    """One replica of the streams; it accepts from the node's stream port itself.

    Args:
        settings: the installation's settings.
    """

    async def __init__(self, settings: Settings) -> None:  # type: ignore[misc]  # Serve awaits it
        configure_logs(settings.log_level)
        keep_inner_door_local()
        self._settings = settings
        await start_in_thread(settings)
        self._replica = await asyncio.to_thread(StreamReplica, settings)
        limits = StreamSettings(connections_max=settings.stream_connections_max)
        self._app = StreamApp(self._replica.ports, limits)
        self._replica.listen(self._app.accounts.take, self._app.market.take)
        self._replica.start()
        await self._replica.until_ready(_READY_S)
        self._listener = Listener(
            self._app,
            settings.http_host,
            settings.stream_port,
            SystemClock(),
            ws="websockets-sansio",
        )
        self._listener.start()

    def __serve_build_asgi_app__(self) -> Any:
        """Return the application, for Serve's own proxy; called after the constructor."""
        return self._app

    async def check_health(self) -> None:
        """Raise when this replica should be replaced: its listener no longer accepts."""
        problem = self._listener.check()
        if problem is not None:
            raise RuntimeError(problem)

    async def __del__(self) -> None:
        """Close every connection as one that may come again at once; its client goes on there."""
        await self._listener.drain(self._settings.drain_ms / 1_000)
        await self._replica.stop()


def stream_application(settings: Settings) -> Any:
    """Return the Serve application of the streams, bound to *settings*."""
    deployment = serve.deployment(
        serve.ingress()(Stream),
        name="Stream",
        num_replicas=settings.stream_replicas,
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
