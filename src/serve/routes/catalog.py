"""Every operation of the edge, built from the ports."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from adapters.system_clock import SystemClock
from serve.asset_directory import AssetDirectory
from serve.history import History
from serve.openapi import openapi_document
from serve.operation import Operation
from serve.position_bodies import PositionBodies
from serve.routes.account import AccountRoutes
from serve.routes.admin_catalog import admin_operations
from serve.routes.assets import AssetRoutes
from serve.routes.audit import AuditRoutes
from serve.routes.bars import BarRoutes
from serve.routes.calendar import CalendarRoutes
from serve.routes.health import HealthRoutes
from serve.routes.identity_catalog import identity_operations
from serve.routes.latest_prices import LatestPriceRoutes
from serve.routes.oidc import OidcRoutes
from serve.routes.orders import OrderRoutes
from serve.routes.positions import PositionRoutes
from serve.routes.transit_keys import TransitKeyRoutes
from serve.routes.transit_work import TransitWorkRoutes
from serve.submissions import Submissions
from serve.telemetry import RequestMetrics
from serve.valuation import Valuation
from serve.wire.decimals import encode
from tradeplane.clock import Clock
from tradeplane.ports import Ports


def operations(
    ports: Ports,
    new_id: Callable[[], str],
    metrics: RequestMetrics,
    clock: Clock | None = None,
) -> tuple[Operation, ...]:
    """Return every operation.

    Args:
        ports: what they serve.
        new_id: makes the ids of orders and commands, as UUIDs.
        metrics: what ``/metrics`` shows.
        clock: wall time; the machine's by default.
    """
    market, trading = ports.market, ports.trading
    assets, history = AssetDirectory(market.data.assets()), History(market.data)
    valuation, submissions = Valuation(market, history), Submissions()
    bodies = PositionBodies(market, valuation, assets)
    rows: list[Operation] = []
    document: list[bytes] = []

    def encoded_document() -> bytes:
        if not document:
            document.append(encode(openapi_document(rows, _version())))
        return document[0]

    for routes in (
        OrderRoutes(trading, assets, submissions, new_id),
        PositionRoutes(trading, assets, bodies, submissions, new_id),
        AccountRoutes(trading, valuation),
        CalendarRoutes(market, history),
        AssetRoutes(assets),
        LatestPriceRoutes(market, history),
        BarRoutes(market, history),
        HealthRoutes(ports.readiness, metrics, encoded_document),
    ):
        rows += routes.operations()
    if ports.identity is not None:
        rows += identity_operations(ports.identity, ports.form_sealer, submissions, clock)
        rows += admin_operations(ports.identity, trading, submissions)
    if ports.audit is not None:
        rows += AuditRoutes(ports.audit).operations()
    if ports.external_logins is not None and ports.identity is not None:
        rows += OidcRoutes(
            ports.external_logins, ports.identity, SystemClock(), ports.audit_sink
        ).operations()
    if ports.encryption is not None:
        pseudonym = ports.identity.pseudonym if ports.identity else _no_pseudonym
        rows += TransitKeyRoutes(ports.encryption, pseudonym).operations()
        rows += TransitWorkRoutes(
            ports.encryption, pseudonym, SystemClock(), ports.audit_sink
        ).operations()
    return tuple(rows)


def _no_pseudonym(address: str) -> str:
    del address
    return ""


def _version() -> str:
    try:
        return version("tradeplane")
    except PackageNotFoundError:
        return "0"
