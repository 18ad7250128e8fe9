"""A planted secret is found, in a copy of the project, and never printed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from project_copy import ROOT, ProjectCopy

from tradeplane.auth.api_key import RANDOM_BYTES, api_key_from

RANDOM = hashlib.sha512(b"planted").digest()
TEXT = base64.urlsafe_b64encode(RANDOM[:32]).rstrip(b"=").decode()
KEY = api_key_from(RANDOM[:RANDOM_BYTES]).secret_key
SESSION = "01933c5e-8f5a-7d61-9a53-1f6a0c2e4b7d"

PLANTED = {
    "an API key's secret": KEY,
    "a refresh token": f"tpr_{SESSION}.{TEXT}",
    "a client's secret": f"tpx_{TEXT}",
    "a root key file": f"file:{RANDOM[:8].hex()} {base64.b64encode(RANDOM[:32]).decode()}",
    "an AWS key": "AKIA" + base64.b32encode(RANDOM[:10]).decode(),
    "a private key": "-----BEGIN " + "EC PRIVATE KEY-----",
    "a database's URL": "postgresql://app:" + RANDOM[:6].hex() + "@db.internal/tradeplane",
}


@pytest.fixture
def project(tmp_path: Path) -> ProjectCopy:
    copy = ProjectCopy(tmp_path, ".gitignore", ".secrets.baseline")
    assert copy.run("git", "init", "--quiet").returncode == 0
    return copy


def test_the_copy_itself_is_clean(project: ProjectCopy) -> None:
    scan = project.run("scripts/scan-secrets")

    assert scan.returncode == 0, scan.stderr
    assert "nothing that .secrets.baseline does not know" in scan.stdout


def test_every_kind_of_planted_secret_fails_the_scan_without_being_printed(
    project: ProjectCopy,
) -> None:
    names = {kind: f"src/planted_{number}.txt" for number, kind in enumerate(PLANTED)}
    for kind, secret in PLANTED.items():
        project.write(names[kind], f"first line\n{secret}\n")

    scan = project.run("scripts/scan-secrets")

    assert scan.returncode == 1
    missed = [kind for kind, name in names.items() if f"{name}:2: " not in scan.stderr]
    assert missed == []
    printed = scan.stdout + scan.stderr
    assert [kind for kind, secret in PLANTED.items() if secret in printed] == []


def test_a_key_is_found_in_a_test_in_documentation_and_in_a_file_that_the_baseline_knows(
    project: ProjectCopy,
) -> None:
    known = next(iter(json.loads((ROOT / ".secrets.baseline").read_text())["results"]))
    places = ["tests/unit/test_new.py", "docs/guides/new.md", known]
    for place in places:
        project.write(place, f'APCA = "{KEY}"\n')

    scan = project.run("scripts/scan-secrets")

    assert scan.returncode == 1
    assert [place for place in places if f"{place}:1: Tradeplane Secret" not in scan.stderr] == []


def test_a_key_with_a_wrong_checksum_is_no_secret(project: ProjectCopy) -> None:
    wrong = KEY[:-1] + ("0" if KEY[-1] != "0" else "1")
    project.write("docs/example.md", f"{wrong}\n")

    assert project.run("scripts/scan-secrets").returncode == 0


def test_a_line_with_the_pragma_and_an_accepted_secret_pass(project: ProjectCopy) -> None:
    project.write("tests/one.py", f'KEY = "{KEY}"  # pragma: allowlist secret\n')
    assert project.run("scripts/scan-secrets").returncode == 0

    project.write("tests/two.py", f'KEY = "{KEY}"\n')
    assert project.run("scripts/scan-secrets").returncode == 1
    assert project.run("scripts/scan-secrets", "--accept").returncode == 0
    assert project.run("scripts/scan-secrets").returncode == 0


def test_what_git_ignores_is_not_scanned(project: ProjectCopy) -> None:
    project.write("var/home/root.key", f"{PLANTED['a root key file']}\n")

    assert project.run("scripts/scan-secrets").returncode == 0


def test_the_baseline_holds_digests_and_nothing_of_the_machine_that_wrote_it() -> None:
    text = (ROOT / ".secrets.baseline").read_text()
    baseline = json.loads(text)

    assert set(baseline) == {"version", "plugins_used", "filters_used", "results"}
    paths = [detector["path"] for detector in baseline["plugins_used"] if "path" in detector]
    assert paths == ["file://scripts/checks/tradeplane_secrets.py"]
    assert str(ROOT) not in text
    for name, entries in baseline["results"].items():
        assert not Path(name).is_absolute()
        for entry in entries:
            assert set(entry) == {"type", "hashed_secret"}
            assert re.fullmatch(r"[0-9a-f]{40}", entry["hashed_secret"])


def test_no_secret_of_our_own_form_is_excused_by_the_baseline() -> None:
    results = json.loads((ROOT / ".secrets.baseline").read_text())["results"]

    kinds = {entry["type"] for entries in results.values() for entry in entries}
    assert "Tradeplane Secret" not in kinds
