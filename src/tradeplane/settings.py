"""The settings, typed and checked as a whole. ``actors/topology.py`` reads them, once."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from tradeplane.errors import Misconfigured
from tradeplane.secure_url import is_secure_url

PREFIX = "TRADEPLANE_"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every setting, with the default of an installation on one machine.

    The environment variable of a field is its name in capitals after ``TRADEPLANE_``.

    Attributes:
        home: folder of everything this installation writes.
        http_host: address that the API listens on.
        http_port: port of the API.
        stream_port: port of the WebSocket streams.
        serve_port: port of Ray Serve's own HTTP proxy; the same application.
        dashboard_port: port of the Ray dashboard and its job API.
        database_url: where the journal is; empty for SQLite in *home*.
        cache_url: second-level cache, empty for none.
        object_store_url: where objects are kept: empty for the folder ``objects`` in *home*, or
            ``s3://BUCKET/PREFIX``, with ``?lock_days=N`` for Object Lock. ``AWS_ENDPOINT_URL`` and
            credentials work as in every program of AWS.
        root_key_url: what wraps the keys that seal stored data: empty for the file ``root.key`` in
            *home*, or ``awskms:///KEY`` with the id, ARN or alias of a key of AWS KMS.
        rate_limit_per_minute: requests a minute for each API key; 0 is off.
        address_limit_per_minute: requests a minute for each client address that shows no good
            credentials; 0 is off.
        login_limit_per_minute: logins a minute for each client address; 0 is off.
        trusted_proxies: networks whose ``X-Forwarded-For`` is believed, as CIDRs separated by
            commas; empty for none.
        ledger_shards: how many ledger actors share the accounts.
        replicas_min: API replicas that are always there.
        replicas_max: API replicas under load; 0 for as many as the head node has processors, and no
            fewer than *replicas_min*.
        stream_replicas: replicas of the WebSocket streams.
        stream_connections_max: connections that one of them takes.
        starting_cash: US dollars in the first account.
        open_orders_max: open orders an account may have.
        participation: share of a print's volume that one account may take.
        replay_first_session: trading date on which the replay starts, ``YYYY-MM-DD``.
        replay_last_session: trading date after which it starts over.
        replay_rate: venue seconds a wall second while the exchange is open.
        replay_closed_ms: wall milliseconds that a closed period lasts.
        replay_seed: seed of everything that is derived about a session.
        lease_ms: how long a replica may answer reads of an account without hearing from its shard.
        snapshot_events: events between two snapshots of a component.
        batch_max: commands in one batch.
        queue_max: commands that may wait in a replica or in an actor.
        request_timeout_ms: longest time a request may take.
        in_flight_max: requests a replica works on at the same time.
        body_bytes_max: largest request body.
        drain_ms: how long a stopping replica may take to finish what runs.
        public_url: where clients reach the API, such as ``https://venue.example``; empty for the
            address that it listens on. Tokens name it as their issuer.
        access_token_s: life of an access token, seconds.
        session_idle_s: how long a login lives on without a refresh, seconds.
        session_s: how long a login lives in any case, seconds.
        oidc_issuer: an external OpenID provider that users may log in at, exactly as it calls
            itself; empty for none. Needs the next two and *public_url*.
        oidc_client_id: this installation's name there.
        oidc_client_secret_file: file that holds its secret there.
        log_level: ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``.
    """

    home: str = "./var"
    http_host: str = "127.0.0.1"
    http_port: int = 8000
    stream_port: int = 8002
    serve_port: int = 8001
    dashboard_port: int = 8265
    database_url: str = ""
    cache_url: str = ""
    object_store_url: str = ""
    root_key_url: str = ""
    rate_limit_per_minute: int = 200
    address_limit_per_minute: int = 6_000
    login_limit_per_minute: int = 30
    trusted_proxies: str = ""
    ledger_shards: int = 1
    replicas_min: int = 2
    replicas_max: int = 0
    stream_replicas: int = 1
    stream_connections_max: int = 2_000
    starting_cash: Decimal = Decimal(100_000)
    open_orders_max: int = 25_000
    participation: Decimal = Decimal("0.1")
    replay_first_session: str = "2012-05-18"
    replay_last_session: str = "2013-03-01"
    replay_rate: int = 60
    replay_closed_ms: int = 3_000
    replay_seed: int = 7
    lease_ms: int = 600
    snapshot_events: int = 20_000
    batch_max: int = 512
    queue_max: int = 4_096
    request_timeout_ms: int = 10_000
    in_flight_max: int = 1_024
    body_bytes_max: int = 65_536
    drain_ms: int = 15_000
    public_url: str = ""
    access_token_s: int = 300
    session_idle_s: int = 3_600
    session_s: int = 86_400
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret_file: str = ""
    log_level: str = "INFO"

    def __post_init__(self) -> None:
        """Check ranges and contradictions."""
        for name, (lowest, highest) in _RANGES.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise Misconfigured(
                    f"{variable(name)} is {value}; it must lie between {lowest} and {highest}"
                )
        if 0 < self.replicas_max < self.replicas_min:
            raise Misconfigured(
                f"{variable('replicas_max')} is {self.replicas_max}, "
                f"below {variable('replicas_min')}, which is {self.replicas_min}"
            )
        if self.log_level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise Misconfigured(
                f"{variable('log_level')} is {self.log_level!r}; "
                "it must be DEBUG, INFO, WARNING or ERROR"
            )
        if self.root_key_url and not self.root_key_url.removeprefix("awskms:///"):
            raise Misconfigured(f"{variable('root_key_url')} names no key after awskms:///")
        if self.root_key_url and not self.root_key_url.startswith("awskms:///"):
            raise Misconfigured(
                f"{variable('root_key_url')} must be empty or like awskms:///alias/tradeplane"
            )
        if self.public_url and not self.public_url.startswith(("https://", "http://")):
            raise Misconfigured(
                f"{variable('public_url')} must be empty or a URL such as https://venue.example"
            )
        self._check_ports()
        self._check_external_login()
        if self.cache_url:
            raise Misconfigured(
                f"{variable('cache_url')} is set, but this version has no such backend; unset it"
            )
        if self.object_store_url and not self.object_store_url.startswith("s3://"):
            raise Misconfigured(
                f"{variable('object_store_url')} must be empty or like s3://BUCKET/PREFIX"
            )

    def _check_external_login(self) -> None:
        own = ("oidc_issuer", "oidc_client_id", "oidc_client_secret_file")
        if not any(getattr(self, name) for name in own):
            return
        for name in (*own, "public_url"):
            if not getattr(self, name):
                raise Misconfigured(
                    f"{variable(name)} is empty; logins at an OpenID provider need it, and "
                    f"{', '.join(variable(other) for other in own)} are set together or not at all"
                )
        for name in ("oidc_issuer", "public_url"):
            url = getattr(self, name)
            if not is_secure_url(url) or "?" in url:
                raise Misconfigured(
                    f"{variable(name)} is {url!r}; logins at an OpenID provider need a URL of "
                    "https, or of http on the loopback, without a query"
                )

    def _check_ports(self) -> None:
        ports = {
            name: getattr(self, name)
            for name in ("http_port", "stream_port", "serve_port", "dashboard_port")
        }
        for name, port in ports.items():
            others = [other for other, taken in ports.items() if taken == port and other != name]
            if others:
                raise Misconfigured(
                    f"{variable(name)} and {variable(others[0])} are both {port}; "
                    "give each its own port"
                )


_PORT = (1, 65_535)
_RANGES: dict[str, tuple[int | Decimal, int | Decimal]] = {
    "http_port": _PORT,
    "stream_port": _PORT,
    "serve_port": _PORT,
    "dashboard_port": _PORT,
    "rate_limit_per_minute": (0, 1_000_000_000),
    "address_limit_per_minute": (0, 1_000_000_000),
    "login_limit_per_minute": (0, 1_000_000_000),
    "ledger_shards": (1, 64),
    "replicas_min": (1, 1_000),
    "replicas_max": (0, 1_000),
    "stream_replicas": (1, 1_000),
    "stream_connections_max": (1, 100_000),
    "starting_cash": (Decimal(0), Decimal(10) ** 12),
    "open_orders_max": (1, 1_000_000),
    "participation": (Decimal("0.0001"), Decimal(1)),
    "replay_rate": (1, 100_000),
    "replay_closed_ms": (10, 9_000),
    "lease_ms": (100, 10_000),
    "snapshot_events": (100, 10_000_000),
    "batch_max": (1, 10_000),
    "queue_max": (1, 1_000_000),
    "request_timeout_ms": (100, 110_000),
    "in_flight_max": (1, 100_000),
    "body_bytes_max": (1_024, 1_048_576),
    "drain_ms": (0, 110_000),
    "access_token_s": (30, 3_600),
    "session_idle_s": (60, 2_592_000),
    "session_s": (60, 2_592_000),
}


def variable(name: str) -> str:
    """Return the environment variable of the field *name*."""
    return PREFIX + name.upper()


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Return the settings that *environment* describes.

    Raises:
        Misconfigured: a ``TRADEPLANE_`` variable is unknown, malformed or out of range.
    """
    given = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }
    known = set(Settings.__struct_fields__)
    for name in sorted(given):
        if name not in known:
            raise Misconfigured(
                f"{variable(name)} is no setting of this version; "
                f"known are {', '.join(variable(field) for field in sorted(known))}"
            )
    defaults = Settings()
    values: dict[str, Any] = {}
    for name, value in given.items():
        kind = type(getattr(defaults, name))
        try:
            values[name] = msgspec.convert(value, kind, strict=False)
        except msgspec.ValidationError as error:
            raise Misconfigured(
                f"{variable(name)} is {value!r}; it must be of type {kind.__name__}"
            ) from error
    return Settings(**values)


def issuer(settings: Settings) -> str:
    """Return the URL that access tokens name as their issuer, without a slash at its end."""
    own = f"http://{settings.http_host}:{settings.http_port}"
    return (settings.public_url or own).rstrip("/")


def resolved(settings: Settings) -> Settings:
    """Return *settings* with an absolute home, and with the database that an empty URL means."""
    home = Path(settings.home).resolve()
    database_url = settings.database_url or f"sqlite:///{home / 'tradeplane.db'}"
    return msgspec.structs.replace(settings, home=str(home), database_url=database_url)
