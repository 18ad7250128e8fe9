"""What every actor shares: how its class becomes an actor, and how its shell comes to life."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any

import ray
import structlog

from actors.ray_call import NAMESPACE
from actors.shell import Shell, ShellSettings
from adapters.database.engine import open_database
from adapters.database.sealed_journal import sealed_journal
from adapters.database.sql_journal import SqlJournal
from adapters.keys.data_keys import DataKeys
from adapters.keys.root_key_choice import open_root_key
from adapters.logs import configure_logs
from adapters.system_clock import SystemClock
from tradeplane.clock import NS_PER_MS
from tradeplane.component import Component
from tradeplane.errors import JournalUnavailable
from tradeplane.journal import Journal, Stream
from tradeplane.settings import Settings

log = structlog.get_logger()
_RETRY_S = 0.25
_CALLS_MAX = 4_000


def as_actor(hosted: type) -> Any:
    """Return *hosted* as an actor class: detached, restarted for ever, its health never starved.

    The group ``control`` has a thread of its own, so a ping is answered while the loop works.
    """
    return ray.remote(
        num_cpus=0,
        max_restarts=-1,
        max_task_retries=0,
        max_concurrency=_CALLS_MAX,
        concurrency_groups={"control": 4},
        enable_task_events=False,
    )(hosted)


def actor_options(name: str) -> dict[str, Any]:
    """Return the options under which the actor *name* is started, once in the cluster."""
    return {
        "name": name,
        "namespace": NAMESPACE,
        "lifetime": "detached",
        "get_if_exists": True,
    }


async def start_shell(
    factory: Callable[[], Component],
    stream: Stream,
    settings: Settings,
    component_now: Callable[[], int] | None = None,
    *,
    sealed: bool = False,
) -> Shell:
    """Return a running shell around a new component; waits for as long as the database is away.

    Args:
        factory: makes the empty component.
        stream: the journal stream that is its truth.
        settings: the installation's settings.
        component_now: the time that commands are applied at, where it is not the wall time.
        sealed: True when events, idempotency keys and snapshots are stored sealed.

    Raises:
        CorruptJournal: the journal contradicts itself; the actor must not start.
        Misconfigured: the database cannot be used as it is set up.
    """
    configure_logs(settings.log_level)
    clock = SystemClock()
    while True:
        try:
            journal = await asyncio.to_thread(_open_journal, settings, sealed=sealed)
            shell = Shell(
                factory,
                stream,
                journal,
                clock,
                ShellSettings(
                    batch_max=settings.batch_max,
                    queue_max=settings.queue_max,
                    snapshot_events=settings.snapshot_events,
                    lease_ns=settings.lease_ms * NS_PER_MS,
                    verify_ns=settings.lease_ms * NS_PER_MS // 3,
                ),
                component_now=component_now,
                on_failure=_end_process,
            )
            await shell.start()
        except JournalUnavailable as error:
            log.warning("waiting for the database", stream=stream, why=str(error))
            await asyncio.sleep(_RETRY_S)
        else:
            return shell


def _open_journal(settings: Settings, *, sealed: bool) -> Journal:
    engine = open_database(settings.database_url)
    journal = SqlJournal(engine)
    if not sealed:
        return journal
    try:
        root = open_root_key(settings.root_key_url, settings.home)
        return sealed_journal(journal, DataKeys(engine, root))
    except BaseException:
        engine.dispose()
        raise


def _end_process() -> None:
    # Not sys.exit: the actor's loop would go on. Ray starts a new process from the journal.
    os._exit(1)
