"""Audits the hash-pinned lists for known vulnerabilities, and never takes silence for a clean bill.

pip-audit calls a package that its service does not know "skipped" and exits 0, so that a registry
without advisories looks like a product without vulnerabilities. Hence a control comes first: one
old version with a famous advisory. Only a service that finds it is asked about ours.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LISTS = (Path("requirements/run.txt"), Path("requirements/dev.txt"))
_ACCEPTED = Path("requirements/advisories-accepted.txt")
_CONTROL = "urllib3==1.24.1\n"  # CVE-2019-11324: any advisory service knows it
_CONTROL_ID = "CVE-2019-11324"
_ACCEPTED_LINE = re.compile(r"(?P<id>\S+) until (?P<until>\d{4}-\d{2}-\d{2}): (?P<reason>\S.*)")
_REQUEST_S_MAX = 10
_AUDIT_S_MAX = 60


class NotAnsweredError(Exception):
    """The service gave no answer that can be relied on; the text says why."""


@dataclass(frozen=True)
class Finding:
    """A package with a known vulnerability.

    Attributes:
        package: name and version.
        ids: the advisory's id and its aliases.
        fixed_in: versions without it.
    """

    package: str
    ids: tuple[str, ...]
    fixed_in: tuple[str, ...]


def main() -> int:
    """Audit; return the exit code."""
    strict = os.environ.get("STRICT", "") not in ("", "0")
    accepted, faults = _accepted(dt.datetime.now(dt.UTC).date())
    for fault in faults:
        _say(fault)
    try:
        _control()
        findings, unknown = _audit()
    except NotAnsweredError as reason:
        return max(_unaudited(str(reason), strict=strict), int(bool(faults)))
    refused = [found for found in findings if not accepted.intersection(found.ids)]
    for found in refused:
        fix = f"fixed in {', '.join(found.fixed_in)}" if found.fixed_in else "no fix is published"
        _say(f"{found.package} is vulnerable: {', '.join(found.ids)}; {fix}")
    for name in sorted(accepted.difference(*(found.ids for found in findings))):
        _say(f"{name} is in {_ACCEPTED}, but nothing has it any more: remove the line")
    status = int(bool(faults or refused))
    if unknown:
        missing = f"the service does not know {len(unknown)} packages: {', '.join(unknown)}"
        return max(status, _unaudited(missing, strict=strict))
    if not status:
        print(f"audit-dependencies: no advisory stands against {' and '.join(map(str, _LISTS))}")
    return status


def _accepted(today: dt.date) -> tuple[set[str], list[str]]:
    """Return the ids that are accepted on *today*, and what is wrong with the list."""
    ids: set[str] = set()
    faults: list[str] = []
    for number, line in enumerate(_ACCEPTED.read_text().splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{_ACCEPTED}:{number}"
        parts = _ACCEPTED_LINE.fullmatch(line.strip())
        try:
            until = dt.date.fromisoformat(parts["until"]) if parts else None
        except ValueError:
            until = None
        if parts is None or until is None:
            faults.append(f"{where}: wanted '<id> until <YYYY-MM-DD>: <reason>', found '{line}'")
        elif until < today:
            faults.append(
                f"{where}: {parts['id']} was accepted until {until}; fix it or decide anew"
            )
        else:
            ids.add(parts["id"])
    return ids, faults


def _control() -> None:
    """Raise NotAnsweredError unless the service finds the control's advisory."""
    report = _pip_audit(["--no-deps", "--requirement", "/dev/stdin"], _CONTROL)
    findings, _ = _read(report)
    if not any(_CONTROL_ID in found.ids for found in findings):
        raise NotAnsweredError(
            f"the service does not know {_CONTROL_ID} of {_CONTROL.strip()}, so it knows nothing"
        )


def _audit() -> tuple[list[Finding], list[str]]:
    lists = [part for path in _LISTS for part in ("--requirement", str(path))]
    return _read(_pip_audit(["--require-hashes", *lists], ""))


def _pip_audit(arguments: list[str], stdin: str) -> dict[str, Any]:
    command = [
        *(".venv/bin/pip-audit", "--disable-pip", "--format", "json", "--aliases", "on"),
        *("--progress-spinner", "off", "--timeout", str(_REQUEST_S_MAX), *arguments),
    ]
    try:
        finished = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=_AUDIT_S_MAX, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotAnsweredError(f"the service did not answer in {_AUDIT_S_MAX} s") from None
    try:
        report: dict[str, Any] = json.loads(finished.stdout)
    except ValueError:
        lines = finished.stderr.strip().splitlines() or [f"pip-audit exits {finished.returncode}"]
        raise NotAnsweredError(f"pip-audit could not finish: {lines[-1]}") from None
    return report


def _read(report: dict[str, Any]) -> tuple[list[Finding], list[str]]:
    """Return the findings of a report of pip-audit, and the packages nothing is known about."""
    findings = []
    unknown = []
    for package in report["dependencies"]:
        if "skip_reason" in package:
            unknown.append(package["name"])
            continue
        findings += [
            Finding(
                f"{package['name']} {package['version']}",
                (found["id"], *found.get("aliases", ())),
                tuple(found.get("fix_versions", ())),
            )
            for found in package["vulns"]
        ]
    return findings, sorted(set(unknown))


def _unaudited(reason: str, *, strict: bool) -> int:
    _say("NOT AUDITED. " + reason)
    _say(
        "a release must not go out like this (STRICT=1)"
        if strict
        else "nothing is known about vulnerabilities of the dependencies; a release fails here"
    )
    return int(strict)


def _say(text: str) -> None:
    print(f"audit-dependencies: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
