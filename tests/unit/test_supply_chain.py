"""The bill of materials is complete; the audit of dependencies takes no silence for an answer."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import tomllib
from pathlib import Path

import pytest
from project_copy import ROOT, ProjectCopy

SCRIPTS = ("scripts/sbom", "scripts/audit-dependencies", "scripts/scan-secrets")
BILL = "build/tradeplane.cdx.json"
ACCEPTED = "requirements/advisories-accepted.txt"
CONTROL = {
    "name": "urllib3",
    "version": "1.24.1",
    "vulns": [{"id": "PYSEC-2019-133", "aliases": ["CVE-2019-11324"], "fix_versions": ["1.24.2"]}],
}
VULNERABLE = {
    "name": "ray",
    "version": "2.60.0",
    "vulns": [{"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["2.60.1"]}],
}
CLEAN = {"name": "numpy", "version": "2.4.0", "vulns": []}
UNKNOWN = {"name": "pandas", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture
def project(tmp_path: Path) -> ProjectCopy:
    return ProjectCopy(tmp_path, "requirements", "pyproject.toml", "README.md")


def answer(project: ProjectCopy, control: list[dict], audit: list[dict]) -> None:
    """Make pip-audit answer so, once for the control and once for the lists."""
    program = f"""
import json, sys
control = "/dev/stdin" in sys.argv
assert control or "--require-hashes" in sys.argv
found = {control!r} if control else {audit!r}
print(json.dumps({{"dependencies": found, "fixes": []}}))
print("No known vulnerabilities found", file=sys.stderr)
sys.exit(any(package.get("vulns") for package in found))
"""
    project.replace_tool("pip-audit", program)


def test_the_scripts_can_be_executed_and_make_check_runs_each_of_them() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipe = re.search(r"^check:\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    assert recipe is not None
    commands = recipe[1].replace("\t", "").splitlines()

    for script in SCRIPTS:
        assert os.access(ROOT / script, os.X_OK), f"{script} cannot be executed"
        assert script in commands, f"make check does not run {script}"


def test_the_bill_names_every_pinned_package_with_version_and_hash(project: ProjectCopy) -> None:
    assert project.run("scripts/sbom").returncode == 0

    bill = json.loads((project.folder / BILL).read_text())
    listed = re.findall(
        r"^([\w.-]+)(?:\[.*?\])?==(\S+)",
        (ROOT / "requirements/run.txt").read_text(),
        re.MULTILINE,
    )
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert [(part["name"], part["version"]) for part in bill["components"]] == listed
    for part in bill["components"]:
        assert part["purl"].startswith(f"pkg:pypi/{part['name']}@{part['version']}".lower())
        assert part["externalReferences"][0]["hashes"]
    root = bill["metadata"]["component"]
    required = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    edges = {edge["ref"]: edge.get("dependsOn", []) for edge in bill["dependencies"]}
    assert root["name"] == "tradeplane"
    assert len(edges[root["bom-ref"]]) == len(required)


@pytest.fixture
def small(project: ProjectCopy) -> ProjectCopy:
    """A project that needs one package, which needs another."""
    hashed = f"    --hash=sha256:{'0' * 64}"
    project.write(
        "pyproject.toml",
        '[project]\nname = "tradeplane"\nversion = "1"\ndependencies = ["Alembic >=1.17"]\n',
    )
    pinned = (f"alembic==1.17.0 \\\n{hashed}\n", f"mako==1.3.10 \\\n{hashed}\n")
    project.write("requirements/run.txt", "".join(pinned))
    return project


def test_the_same_lists_make_the_same_bill(small: ProjectCopy) -> None:
    bills = []
    for epoch in ("0", "1700000000"):
        assert small.run("scripts/sbom", SOURCE_DATE_EPOCH=epoch).returncode == 0
        bills.append((small.folder / BILL).read_bytes())

    assert bills[0] == bills[1]
    assert b"timestamp" not in bills[0]
    assert b"serialNumber" not in bills[0]
    assert str(ROOT).encode() not in bills[0]
    assert str(small.folder).encode() not in bills[0]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("alembic>=1.17 --hash=sha256:" + "0" * 64, "alembic has no exact version"),
        ("alembic==1.17.0", "alembic has no hash"),
        ("", "pyproject.toml requires alembic"),
    ],
)
def test_a_package_without_version_or_hash_or_line_fails_the_bill(
    small: ProjectCopy, line: str, fault: str
) -> None:
    path = small.folder / "requirements/run.txt"
    pinned = r"^alembic==(?:.*\\\n)*.*\n"
    changed, count = re.subn(pinned, f"{line}\n", path.read_text(), flags=re.MULTILINE)
    path.write_text(changed)

    finished = small.run("scripts/sbom")

    assert count == 1
    assert finished.returncode == 1
    assert fault in finished.stderr
    assert not (small.folder / BILL).exists()


def test_an_audit_without_findings_passes(project: ProjectCopy) -> None:
    answer(project, [CONTROL], [CLEAN])

    for strict in ("", "1"):
        audit = project.run("scripts/audit-dependencies", STRICT=strict)
        assert (audit.returncode, audit.stderr) == (0, "")
        assert "no advisory stands against" in audit.stdout


def test_a_known_vulnerability_fails_the_audit_and_is_named(project: ProjectCopy) -> None:
    answer(project, [CONTROL], [CLEAN, VULNERABLE])

    audit = project.run("scripts/audit-dependencies")

    assert audit.returncode == 1
    assert "ray 2.60.0 is vulnerable: PYSEC-2026-1, CVE-2026-1; fixed in 2.60.1" in audit.stderr


@pytest.mark.parametrize("accepted", ["PYSEC-2026-1", "CVE-2026-1"])
def test_an_accepted_advisory_passes_by_its_id_or_an_alias(
    project: ProjectCopy, accepted: str
) -> None:
    answer(project, [CONTROL], [VULNERABLE])
    today = dt.datetime.now(dt.UTC).date()
    until = today + dt.timedelta(days=1)
    project.write(ACCEPTED, f"# why\n\n{accepted} until {until}: the call is not reachable here\n")

    assert project.run("scripts/audit-dependencies", STRICT="1").returncode == 0


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("CVE-2026-1 until 2026-01-01: unreachable", "was accepted until 2026-01-01"),
        ("CVE-2026-1 until 2026-13-01: unreachable", "wanted '<id> until"),
        ("CVE-2026-1 until 2999-01-01:", "wanted '<id> until"),
        ("CVE-2026-1", "wanted '<id> until"),
    ],
)
@pytest.mark.parametrize("control", [[CONTROL], [UNKNOWN]])
def test_an_expired_or_malformed_acceptance_fails_even_when_no_service_answers(
    project: ProjectCopy, line: str, fault: str, control: list[dict]
) -> None:
    answer(project, control, [CLEAN])
    project.write(ACCEPTED, f"{line}\n")

    audit = project.run("scripts/audit-dependencies")

    assert audit.returncode == 1
    assert f"{ACCEPTED}:1: " in audit.stderr
    assert fault in audit.stderr


@pytest.mark.parametrize(
    "control",
    [
        [{"name": "urllib3", "skip_reason": "Dependency not found on PyPI"}],
        [{**CONTROL, "vulns": []}],
        [],
    ],
)
def test_a_service_that_does_not_know_a_famous_advisory_is_not_believed(
    project: ProjectCopy, control: list[dict]
) -> None:
    answer(project, control, [CLEAN])

    local = project.run("scripts/audit-dependencies")
    release = project.run("scripts/audit-dependencies", STRICT="1")

    assert (local.returncode, release.returncode) == (0, 1)
    for audit in (local, release):
        assert "NOT AUDITED" in audit.stderr
        assert audit.stdout == ""


def test_a_package_that_the_service_does_not_know_is_not_called_clean(
    project: ProjectCopy,
) -> None:
    answer(project, [CONTROL], [CLEAN, UNKNOWN])

    local = project.run("scripts/audit-dependencies")
    release = project.run("scripts/audit-dependencies", STRICT="1")

    assert (local.returncode, release.returncode) == (0, 1)
    assert "NOT AUDITED. the service does not know 1 packages: pandas" in local.stderr
    assert local.stdout == ""


@pytest.mark.parametrize("text", ["", "<html>503</html>"])
def test_a_tool_that_breaks_is_reported_and_fails_a_release(
    project: ProjectCopy, text: str
) -> None:
    program = f"import sys\nprint({text!r})\nsys.exit('ConnectionError: no route')\n"
    project.replace_tool("pip-audit", program)

    local = project.run("scripts/audit-dependencies")
    release = project.run("scripts/audit-dependencies", STRICT="1")

    assert (local.returncode, release.returncode) == (0, 1)
    assert "NOT AUDITED. pip-audit could not finish: ConnectionError: no route" in local.stderr
