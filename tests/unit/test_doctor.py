"""Each check of the doctor on a good and on a bad installation."""

import json
import os
import socket
from pathlib import Path

import pytest

from cli import doctor as module
from cli import doctor_checks
from cli.doctor import doctor
from cli.doctor_checks import CHECKS, Patient
from cli.running import Running
from cli.sockets import Listening, descendants, is_loopback_host, listening, parsed
from tradeplane.errors import InvalidPolicy, JournalUnavailable
from tradeplane.settings import Settings

RUNNING = Running("127.0.0.1:1", "http://d", "http://a", "", 1, "run")


def answering(**statuses: int):
    """Answer by door and credential: dashboard_none, dashboard_wrong, dashboard_known, api."""
    known = {"dashboard_none": 401, "dashboard_wrong": 403, "dashboard_known": 200, "api": 401}
    table = {**known, **statuses}

    def ask(method, url, headers, body):
        if url.startswith("http://a/"):
            return table["api"]
        kind = {None: "none", "Bearer wrong": "wrong"}.get(headers.get("Authorization"), "known")
        return table[f"dashboard_{kind}"]

    return ask


def local(address: str = "127.0.0.1", port: int = 8265) -> Listening:
    return Listening(1, "raylet", address, port)


@pytest.fixture
def healthy(tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    for name in ("credentials.json", "root.key"):
        (home / name).touch(mode=0o600)
    token = tmp_path / "token"
    token.touch(mode=0o600)

    def make(**changes) -> Patient:
        settings = changes.pop("settings", {})
        fields = {
            "settings": Settings(
                **{"home": str(home), "database_url": f"sqlite:///{home / 't.db'}", **settings}
            ),
            "running": Running("x", "http://d", "http://a", str(token), 1, "run"),
            "ray_modes": {"raylet (1)": "token", "gcs_server (2)": "token"},
            "sockets": (local(), local("::1", 8000)),
            "ask": answering(),
            "token": "right",
            **changes,
        }
        return Patient(**fields)

    return make


def test_a_good_installation_passes_every_check(healthy):
    patient = healthy()

    assert {name: check(patient).outcome for name, check in CHECKS.items()} == dict.fromkeys(
        CHECKS, "pass"
    )


@pytest.mark.parametrize(
    ("check", "changes", "says"),
    [
        ("ray-token", {"ray_modes": {"raylet (1)": "", "gcs_server (2)": "token"}}, "raylet (1)"),
        ("ray-token", {"ray_modes": {"raylet (1)": "disabled"}}, "raylet (1)"),
        ("ray-token", {"ray_modes": {}}, "no Ray daemon"),
        ("ray-jobs", {"ask": answering(dashboard_none=200)}, "was answered 200"),
        ("ray-jobs", {"ask": answering(dashboard_none=400)}, "was answered 400"),
        ("ray-jobs", {"ask": answering(dashboard_none=0)}, "does not answer"),
        ("ray-dashboard", {"ask": answering(dashboard_wrong=200)}, "with a wrong one 200"),
        ("ray-dashboard", {"ask": answering(dashboard_known=403)}, "proves nothing"),
        ("ports", {"sockets": ()}, "no listening socket"),
        ("ports", {"sockets": (local("0.0.0.0"),)}, "0.0.0.0:8265 (raylet)"),
        ("ports", {"sockets": (local(), local("::", 8000))}, "1 of 2 sockets"),
        ("ports", {"sockets": (local("10.1.1.1", 8000),)}, "10.1.1.1:8000"),
        (
            "ports",
            {"sockets": (local("0.0.0.0"),), "settings": {"trusted_proxies": "10.0.0.0/8"}},
            "0.0.0.0:8265",
        ),
        ("api", {"ask": answering(api=200)}, "200, 200, 200"),
        ("api", {"ask": answering(api=0)}, "0, 0, 0"),
        ("database", {"settings": {"database_url": "sqlite:///:memory:"}}, "in memory"),
        ("rate-limits", {"settings": {"rate_limit_per_minute": 0}}, "RATE_LIMIT_PER_MINUTE"),
        ("rate-limits", {"settings": {"address_limit_per_minute": 0}}, "ADDRESS_LIMIT"),
        ("rate-limits", {"settings": {"login_limit_per_minute": 0}}, "LOGIN_LIMIT"),
        *((name, {"running": None}, "nothing runs") for name in list(CHECKS)[:5]),
    ],
)
def test_what_is_open_fails_its_check_by_name(healthy, check, changes, says):
    finding = CHECKS[check](healthy(**changes))

    assert finding.outcome == "fail"
    assert says in finding.found
    assert finding.remedy


def test_the_api_may_listen_widely_behind_named_proxies(healthy):
    patient = healthy(
        sockets=(local(), local("0.0.0.0", 8000)), settings={"trusted_proxies": "10.0.0.0/8"}
    )

    assert CHECKS["ports"](patient).outcome == "pass"


@pytest.mark.parametrize(
    ("name", "mode"), [("credentials.json", 0o640), ("root.key", 0o604), (".", 0o770)]
)
def test_a_mode_that_lets_others_in_is_named(healthy, name, mode):
    patient = healthy()
    path = Path(patient.settings.home) / name
    path.chmod(mode)

    finding = CHECKS["files"](patient)

    assert finding.outcome == "fail"
    assert f"has mode {mode:04o}" in finding.found


def test_a_link_in_place_of_a_secret_is_named(healthy, tmp_path):
    patient = healthy()
    path = Path(patient.settings.home) / "credentials.json"
    path.unlink()
    path.symlink_to(tmp_path / "token")

    assert "is a link" in CHECKS["files"](patient).found


def test_a_file_of_somebody_else_is_named(healthy, monkeypatch):
    patient = healthy()
    monkeypatch.setattr(doctor_checks.os, "geteuid", lambda: os.getuid() + 1)

    assert f"belongs to user {os.getuid()}" in CHECKS["files"](patient).found


@pytest.mark.parametrize(
    ("url", "outcome"),
    [
        ("postgresql://u:p@127.0.0.1/d", "pass"),
        ("postgresql://u:p@/d?host=/run/postgresql", "pass"),
        ("postgresql://u:p@192.0.2.1/d?sslmode=verify-full", "pass"),
        ("postgresql://u:p@192.0.2.1/d?sslmode=require", "fail"),
        ("postgresql://u:p@192.0.2.1/d", "fail"),
    ],
)
def test_postgresql_off_this_machine_needs_tls_that_checks_the_server(
    healthy, monkeypatch, url, outcome
):
    class Engine:
        def dispose(self) -> None: ...

    monkeypatch.setattr(doctor_checks, "open_database", lambda _: Engine())
    finding = CHECKS["database"](healthy(settings={"database_url": url}))

    assert finding.outcome == outcome
    assert "u:p" not in finding.found


def test_a_database_that_is_away_fails(healthy, monkeypatch):
    def away(url: str):
        raise JournalUnavailable("the database cannot be reached")

    monkeypatch.setattr(doctor_checks, "open_database", away)

    assert CHECKS["database"](healthy()).found == "the database cannot be reached"


def test_policies_that_do_not_compile_fail(healthy, monkeypatch):
    def broken():
        raise InvalidPolicy("admin.cedar:3: unexpected token")

    monkeypatch.setattr(doctor_checks, "packaged_authorizer", broken)

    assert CHECKS["policies"](healthy()).found == "admin.cedar:3: unexpected token"


def test_a_check_that_breaks_has_not_passed_and_the_others_go_on(healthy, monkeypatch, capsys):
    def broken(patient):
        raise RuntimeError("boom")

    patient = healthy()
    monkeypatch.setattr(module, "_examine", lambda _: patient)
    monkeypatch.setattr(module, "CHECKS", {"first": broken, **CHECKS})

    assert doctor(patient.settings) == 1
    table = capsys.readouterr().out
    assert "RuntimeError: boom" in table
    assert table.endswith(f"{len(CHECKS)} of {len(CHECKS) + 1} checks passed\n")


def test_where_nothing_runs_the_doctor_fails_and_says_so(healthy, capsys):
    settings = healthy().settings

    assert doctor(settings, as_json=True) == 1
    rows = {row["check"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["ray-jobs"]["found"] == "nothing runs in this home"
    assert rows["policies"]["outcome"] == "pass"


@pytest.mark.parametrize(
    ("address", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:0.0.0.0", False),
        ("192.0.2.1", False),
    ],
)
def test_loopback_is_told_from_the_rest(address, is_loopback):
    assert local(address).is_loopback is is_loopback


def test_the_kernels_spelling_of_addresses_is_understood():
    assert parsed("0100007F:1F40") == ("127.0.0.1", 8000)
    assert parsed("00000000:0050") == ("0.0.0.0", 80)
    assert parsed("00000000000000000000000001000000:1F40") == ("::1", 8000)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_sockets_of_a_process_are_found(family):
    host = "127.0.0.1" if family == socket.AF_INET else "::1"
    with socket.socket(family) as listener:
        listener.bind((host, 0))
        listener.listen()
        found = listening(descendants([os.getpid()]))

        assert (host, listener.getsockname()[1]) in {(each.address, each.port) for each in found}


@pytest.mark.parametrize(
    ("host", "expected"),
    [("", True), ("/run/pg", True), ("localhost", True), ("127.0.0.1", True), ("192.0.2.1", False)],
)
def test_hosts_of_this_machine_are_told_from_others(host, expected):
    assert is_loopback_host(host) is expected
