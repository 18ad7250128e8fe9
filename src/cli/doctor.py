"""``tradeplane doctor``: whether this installation is as closed as it should be."""

from __future__ import annotations

import contextlib
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import msgspec

from cli import processes
from cli.doctor_checks import CHECKS, Finding, Patient
from cli.running import Running, running_path
from cli.sockets import descendants, listening
from tradeplane.settings import Settings

_ASK_S = 10.0
_DAEMONS = ("gcs_server", "raylet")


def doctor(settings: Settings, *, as_json: bool = False) -> int:
    """Run every check, print what was found, and return 1 when one fails, else 0.

    Args:
        settings: those of the installation, resolved.
        as_json: print a JSON list instead of a table.
    """
    patient = _examine(settings)
    findings = {name: _run(check, patient) for name, check in CHECKS.items()}
    text = _json(findings) if as_json else _table(findings)
    sys.stdout.write(text)
    return int(any(finding.outcome == "fail" for finding in findings.values()))


def _run(check: object, patient: Patient) -> Finding:
    assert callable(check), "the table holds functions"
    try:
        finding: Finding = check(patient)
    except Exception as error:  # noqa: BLE001  # a check that breaks has not passed; the others go on
        return Finding("fail", f"the check broke: {type(error).__name__}: {error}", "report it")
    return finding


def _examine(settings: Settings) -> Patient:
    running = _running(settings)
    family: frozenset[int] = frozenset()
    if running is not None:
        family = descendants([running.process_id, *processes.marked(running.run_id)])
    if not family:
        running = None
    return Patient(
        settings=settings,
        running=running,
        ray_modes=_ray_modes(family),
        sockets=listening(family),
        ask=_ask,
        token=_token(running),
    )


def _running(settings: Settings) -> Running | None:
    path = running_path(settings)
    if not path.exists():
        return None
    running = msgspec.json.decode(path.read_bytes(), type=Running)
    return running if running.run_id else None


def _ray_modes(family: frozenset[int]) -> dict[str, str]:
    modes = {}
    for process_id in family:
        with contextlib.suppress(OSError):
            folder = Path(f"/proc/{process_id}")
            title = (folder / "comm").read_text().strip()
            if title in _DAEMONS:
                environment = (folder / "environ").read_bytes().split(b"\0")
                variables = dict(each.split(b"=", 1) for each in environment if b"=" in each)
                modes[f"{title} ({process_id})"] = variables.get(b"RAY_AUTH_MODE", b"").decode()
    return modes


def _token(running: Running | None) -> str:
    given = os.environ.get("RAY_AUTH_TOKEN")
    if given:
        return given
    path = os.environ.get("RAY_AUTH_TOKEN_PATH") or (running.token_path if running else "")
    with contextlib.suppress(OSError):
        return Path(path).read_text().strip() if path else ""
    return ""


def _ask(method: str, url: str, headers: Mapping[str, str], body: bytes) -> int:
    if not url.startswith(("http://", "https://")):
        return 0
    data = body if method == "POST" else None
    sent = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(url, data, sent, method=method)  # noqa: S310  # the scheme is checked
    # Straight to the address: a proxy of the environment would answer in its place.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_ASK_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


def _table(findings: Mapping[str, Finding]) -> str:
    lines = []
    for name, finding in findings.items():
        mark = "ok  " if finding.outcome == "pass" else "FAIL"
        lines.append(f"{mark}  {name:<14} {finding.found}")
        if finding.remedy:
            lines.append(f"{'':<21}-> {finding.remedy}")
    failed = sum(finding.outcome == "fail" for finding in findings.values())
    lines.append(f"{len(findings) - failed} of {len(findings)} checks passed")
    return "\n".join(lines) + "\n"


def _json(findings: Mapping[str, Finding]) -> str:
    rows = [{"check": name, **msgspec.to_builtins(each)} for name, each in findings.items()]
    return msgspec.json.format(msgspec.json.encode(rows), indent=2).decode() + "\n"
