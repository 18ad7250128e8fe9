"""What ``tradeplane doctor`` looks at: one function a check, in one table."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import msgspec
from sqlalchemy import make_url

from adapters.database.engine import open_database
from cli.running import Running
from cli.sockets import Listening, is_loopback_host
from policies.authorization.authorizer import packaged_authorizer
from tradeplane.errors import TradeplaneError
from tradeplane.settings import Settings, variable

_REFUSED = (401, 403)
_OTHERS = 0o077
_WRITABLE_BY_OTHERS = 0o022
_LEDGER_OF_SECRETS = ("credentials.json", "root.key", "run.json", "tradeplane.db")
_SUFFIXES = ("", "-wal", "-shm")
_TLS_MODES = ("verify-ca", "verify-full")

Ask = Callable[[str, str, Mapping[str, str], bytes], int]
"""Method, URL, headers, body; returns the HTTP status, 0 when nobody answers."""


class Patient(msgspec.Struct, frozen=True):
    """The installation under examination, as far as it was found.

    Attributes:
        settings: those of this process's environment.
        running: the system that runs in the home; None when none does.
        ray_modes: RAY_AUTH_MODE in the environment of each of its Ray daemons, by their titles.
        sockets: the sockets that its processes listen on.
        ask: sends an HTTP request.
        token: Ray's token.
    """

    settings: Settings
    running: Running | None
    ray_modes: Mapping[str, str]
    sockets: tuple[Listening, ...]
    ask: Ask
    token: str


class Finding(msgspec.Struct, frozen=True):
    """The outcome of one check: what was found and, if it fails, what to do about it."""

    outcome: Literal["pass", "fail"]
    found: str
    remedy: str = ""


Check = Callable[[Patient], Finding]
_NOTHING_RUNS = Finding("fail", "nothing runs in this home", "start it, and ask again")


def _passed(found: str) -> Finding:
    return Finding("pass", found)


def _failed(found: str, remedy: str) -> Finding:
    return Finding("fail", found, remedy)


def ray_demands_its_token(patient: Patient) -> Finding:
    """Every Ray daemon of the system was started with RAY_AUTH_MODE=token."""
    if patient.running is None:
        return _NOTHING_RUNS
    if not patient.ray_modes:
        return _failed("no Ray daemon was found", "run this as the user who runs the system")
    open_ones = sorted({title for title, mode in patient.ray_modes.items() if mode != "token"})
    if open_ones:
        return _failed(
            f"without RAY_AUTH_MODE=token: {', '.join(open_ones)}",
            "whoever reaches a port of Ray can run code: start Ray with RAY_AUTH_MODE=token",
        )
    return _passed(f"token mode in {len(patient.ray_modes)} daemons")


def ray_refuses_jobs(patient: Patient) -> Finding:
    """A job that comes without a token is refused. What is sent could not run in any case."""
    return _door(patient, "POST", "/api/jobs/", "a job without a token")


def ray_refuses_the_dashboard(patient: Patient) -> Finding:
    """The dashboard's state is closed without the token, and open with it."""
    return _door(patient, "GET", "/api/jobs/", "a dashboard call without a token")


def _door(patient: Patient, method: str, path: str, what: str) -> Finding:
    if patient.running is None:
        return _NOTHING_RUNS
    url = patient.running.dashboard + path
    status = patient.ask(method, url, {}, b"{}" if method == "POST" else b"")
    wrong = patient.ask(method, url, {"Authorization": "Bearer wrong"}, b"{}")
    known = patient.ask("GET", url, {"Authorization": f"Bearer {patient.token}"}, b"")
    if status == 0:
        return _failed(f"{url} does not answer", "see the log of Ray's dashboard")
    if status not in _REFUSED or wrong not in _REFUSED:
        return _failed(
            f"{what} was answered {status}, with a wrong one {wrong}",
            "stop the system now; start Ray with RAY_AUTH_MODE=token",
        )
    if known in (0, *_REFUSED):
        return _failed(
            f"the token of this installation was answered {known}, so a refusal proves nothing",
            "name the token's file in RAY_AUTH_TOKEN_PATH",
        )
    return _passed(f"{what}: {status}; with a wrong one: {wrong}; with the token: {known}")


def ports_are_local(patient: Patient) -> Finding:
    """Ray's ports are bound to loopback; the API's too, unless proxies in front are named."""
    if patient.running is None:
        return _NOTHING_RUNS
    if not patient.sockets:
        return _failed("no listening socket was found", "run this as the user who runs the system")
    settings = patient.settings
    behind_proxies = bool(settings.trusted_proxies)
    ours = {settings.http_port, settings.stream_port} if behind_proxies else set()
    wide = [each for each in patient.sockets if not each.is_loopback and each.port not in ours]
    if wide:
        named = ", ".join(f"{each.address}:{each.port} ({each.title})" for each in wide[:5])
        return _failed(
            f"{len(wide)} of {len(patient.sockets)} sockets are reachable from elsewhere: {named}",
            f"bind them to 127.0.0.1; for the API behind TLS, name the proxies in "
            f"{variable('trusted_proxies')}",
        )
    return _passed(f"{len(patient.sockets)} sockets, all where they belong")


def api_refuses_strangers(patient: Patient) -> Finding:
    """The API answers nobody without good credentials."""
    if patient.running is None:
        return _NOTHING_RUNS
    url = f"{patient.running.api}/v2/account"
    wrong = {"APCA-API-KEY-ID": "PKDOCTOR", "APCA-API-SECRET-KEY": "wrong"}
    answers = (
        patient.ask("GET", url, {}, b""),
        patient.ask("GET", url, wrong, b""),
        patient.ask("GET", url, {"Authorization": "Bearer wrong"}, b""),
    )
    if answers != (401, 401, 401):
        return _failed(
            f"none, a wrong key, a wrong token were answered {', '.join(map(str, answers))}",
            "each must be 401: take the system off the network and report it",
        )
    return _passed("no credentials, a wrong key, a wrong token: 401")


def secrets_are_private(patient: Patient) -> Finding:
    """Nobody but the owner reads what is secret, nor writes into the home."""
    home = Path(patient.settings.home)
    problems = list(_mode_problems(home, _WRITABLE_BY_OTHERS))
    private = [home / f"{name}{suffix}" for name in _LEDGER_OF_SECRETS for suffix in _SUFFIXES]
    private.append(home / "objects")
    if patient.running is not None and patient.running.token_path:
        private.append(Path(patient.running.token_path))
    present = [path for path in private if path.exists()]
    for path in present:
        problems += _mode_problems(path, _OTHERS)
    if problems:
        return _failed("; ".join(problems), "chmod go-rwx them, chown them to who runs the system")
    return _passed(f"the home and {len(present)} files in it or beside it")


def _mode_problems(path: Path, forbidden: int) -> list[str]:
    try:
        status = path.stat(follow_symlinks=False)
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    problems = []
    if status.st_uid != os.geteuid():
        problems.append(f"{path} belongs to user {status.st_uid}")
    mode = stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        problems.append(f"{path} is a link")
    elif mode & forbidden:
        problems.append(f"{path} has mode {mode:04o}")
    return problems


def database_is_durable_and_private(patient: Patient) -> Finding:
    """Commits reach the disk (SQLite in WAL with FULL); what leaves the machine is in TLS."""
    url = make_url(patient.settings.database_url)
    try:
        engine = open_database(patient.settings.database_url)
    except TradeplaneError as error:
        return _failed(error.message, f"see {variable('database_url')}")
    engine.dispose()
    if url.drivername.startswith("sqlite"):
        return _passed("SQLite, write-ahead log, synchronous FULL")
    mode = str(url.query.get("sslmode", "prefer"))
    host = str(url.host or url.query.get("host", ""))
    if is_loopback_host(host):
        return _passed("PostgreSQL on this machine, durable")
    if mode not in _TLS_MODES:
        return _failed(
            f"PostgreSQL on {host} with sslmode={mode}",
            "anybody between could read and answer: sslmode=verify-full in the database URL",
        )
    return _passed(f"PostgreSQL on {host}, durable, sslmode={mode}")


def rate_limits_are_on(patient: Patient) -> Finding:
    """Keys, addresses and logins all have a limit."""
    names = ("rate_limit_per_minute", "address_limit_per_minute", "login_limit_per_minute")
    limits = {name: getattr(patient.settings, name) for name in names}
    off = [variable(name) for name, limit in limits.items() if limit == 0]
    if off:
        return _failed(f"off: {', '.join(off)}", "set them to what a caller may need a minute")
    return _passed(
        "a minute: " + ", ".join(f"{limits[name]} {name.split('_')[0]}" for name in names)
    )


def policies_compile(patient: Patient) -> Finding:
    """The installation's policies can be put in force."""
    del patient
    try:
        packaged_authorizer()
    except TradeplaneError as error:
        return _failed(error.message, "install the package again")
    return _passed("the installation's policies fit the schema")


CHECKS: Mapping[str, Check] = {
    "ray-token": ray_demands_its_token,
    "ray-jobs": ray_refuses_jobs,
    "ray-dashboard": ray_refuses_the_dashboard,
    "ports": ports_are_local,
    "api": api_refuses_strangers,
    "files": secrets_are_private,
    "database": database_is_durable_and_private,
    "rate-limits": rate_limits_are_on,
    "policies": policies_compile,
}
"""Every check by its name, in the order in which they are shown."""
