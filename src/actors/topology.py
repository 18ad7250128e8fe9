"""The composition root: reads the settings, starts every actor in order, makes the clients.

Nothing else in the program reads the environment or knows which concrete classes there are.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray

from actors.audit import AuditActor
from actors.auth import AuthActor
from actors.encryption import EncryptionActor
from actors.hosting import actor_options
from actors.ledger import LedgerShardActor
from actors.market import MarketActor
from actors.names import AUDIT, AUTH, ENCRYPTION, MARKET, RATES, ledger_name
from actors.rate_relay import RateRelayActor
from adapters.database.engine import open_database
from adapters.database.migration import migrate
from adapters.keys.first_start import prepare_keys
from adapters.marketdata.parquet_store import ParquetMarketData
from tradeplane.errors import ComponentUnavailable, Misconfigured
from tradeplane.settings import Settings, from_environment, resolved

_START_S = 60.0
_POLL_S = 0.02


def load_settings() -> Settings:
    """Return the settings of this process's environment, with paths made absolute.

    Raises:
        Misconfigured: a variable is unknown, malformed or out of range.
    """
    return resolved(from_environment(os.environ))


def prepare(settings: Settings, progress: Callable[[str], None] = lambda _: None) -> None:
    """Make the home, the database's tables and the market data; each only if it is missing.

    Raises:
        Misconfigured: something cannot be made as the settings say.
    """
    home = Path(settings.home)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    progress("preparing the database")
    engine = open_database(settings.database_url)
    try:
        migrate(engine)
        prepare_keys(engine, settings)
    finally:
        engine.dispose()
    progress("preparing market data")
    ParquetMarketData(home)


def start(settings: Settings, progress: Callable[[str], None] = lambda _: None) -> None:
    """Start every actor that does not run yet, and wait until each takes commands. Idempotent.

    Raises:
        Misconfigured: the settings do not fit the cluster.
        ComponentUnavailable: an actor did not come up in time.
    """
    refuse_unshared_database(settings)
    refuse_unshared_root_key(settings)
    prepare(settings, progress)
    progress("starting actors")
    _ready(AuthActor.options(**actor_options(AUTH)).remote(settings), AUTH)
    _ready(EncryptionActor.options(**actor_options(ENCRYPTION)).remote(settings), ENCRYPTION)
    _ready(MarketActor.options(**actor_options(MARKET)).remote(settings), MARKET)
    _ready(RateRelayActor.options(**actor_options(RATES)).remote(), RATES)
    shards = [
        (
            LedgerShardActor.options(**actor_options(ledger_name(shard))).remote(settings, shard),
            shard,
        )
        for shard in range(settings.ledger_shards)
    ]
    for actor, shard in shards:
        _ready(actor, ledger_name(shard))
    _ready(AuditActor.options(**actor_options(AUDIT)).remote(settings), AUDIT)


def refuse_unshared_database(settings: Settings) -> None:
    """Refuse SQLite on a cluster of several nodes: each would have a file of its own.

    Raises:
        Misconfigured: the cluster has more than one node and the database is SQLite.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if settings.database_url.startswith("sqlite") and len(nodes) > 1:
        raise Misconfigured(
            f"this cluster has {len(nodes)} nodes, and SQLite serves one only; set "
            "TRADEPLANE_DATABASE_URL to a PostgreSQL database that every node reaches"
        )


def refuse_unshared_root_key(settings: Settings) -> None:
    """Refuse a root key in a file on a cluster of several nodes: only one of them would have it.

    Raises:
        Misconfigured: the cluster has more than one node and the root key is a file.
    """
    nodes = [node for node in ray.nodes() if node["Alive"]]
    if not settings.root_key_url and len(nodes) > 1:
        raise Misconfigured(
            f"this cluster has {len(nodes)} nodes, and the file of the root key is on one of them; "
            "set TRADEPLANE_ROOT_KEY_URL to a key that every node may use, such as "
            "awskms:///alias/tradeplane"
        )


def stop(settings: Settings) -> None:
    """End every actor; their state is in the database. Idempotent."""
    ledgers = [ledger_name(shard) for shard in range(settings.ledger_shards)]
    for name in (AUDIT, AUTH, ENCRYPTION, MARKET, RATES, *ledgers):
        try:
            ray.kill(ray.get_actor(name, namespace="tradeplane"), no_restart=True)
        except ValueError:
            continue


def _ready(actor: Any, name: str) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            problem = ray.get(actor.ping.remote(), timeout=_START_S)
        except ray.exceptions.GetTimeoutError as error:
            raise ComponentUnavailable(f"{name} did not start within {_START_S:.0f} s") from error
        except ray.exceptions.ActorUnavailableError:
            problem = f"{name} is restarting"
        except ray.exceptions.RayActorError as error:
            raise ComponentUnavailable(f"{name} cannot start: {error}") from error
        if problem is None:
            return
        if time.monotonic() > deadline:
            raise ComponentUnavailable(f"{name} cannot start: {problem}")
        time.sleep(_POLL_S)


def subscriber_name(role: str) -> str:
    """Return a name for this process in lease tables and feeds; never used twice."""
    return f"{role}-{uuid.uuid4().hex[:12]}"


async def start_in_thread(settings: Settings) -> None:
    """Run :func:`start` without blocking the event loop that calls it."""
    await asyncio.to_thread(start, settings)
