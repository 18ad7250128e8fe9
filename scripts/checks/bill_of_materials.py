"""Writes the bill of materials from the hash-pinned list, and refuses an incomplete one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

_LIST = Path("requirements/run.txt")
_OUTPUT = Path("build/tradeplane.cdx.json")
_TOOL_S_MAX = 60


def main() -> int:
    """Write the bill; return the exit code."""
    document = _described()
    faults = [*_direct_dependencies(document), *_incomplete(document)]
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    invalid = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if invalid is not None:
        faults.append(f"the document does not follow the CycloneDX 1.6 schema: {invalid}")
    if faults:
        for fault in faults:
            print(f"sbom: {fault}", file=sys.stderr)
        return 1
    _OUTPUT.parent.mkdir(exist_ok=True)
    _OUTPUT.write_text(text)
    print(f"sbom: {len(document['components'])} components in {_OUTPUT}")
    return 0


def _described() -> dict[str, Any]:
    """Return the document that cyclonedx-py makes, without times and serial numbers."""
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    command = [
        ".venv/bin/cyclonedx-py",
        "requirements",
        *("--pyproject", "pyproject.toml", "--spec-version", "1.6", "--of", "JSON"),
        *("--output-reproducible", "--no-validate", str(_LIST)),
    ]
    finished = subprocess.run(
        command,
        # The tool warns that the root has no dependencies; they are added below.
        env=environment | {"PYTHONWARNINGS": "ignore::UserWarning"},
        capture_output=True,
        text=True,
        timeout=_TOOL_S_MAX,
        check=False,
    )
    if finished.returncode:
        raise SystemExit(f"sbom: cyclonedx-py failed: {finished.stderr.strip()}")
    document: dict[str, Any] = json.loads(finished.stdout)
    for component in document["components"]:
        component.pop("description", None)  # the line of the list once more, hashes and all
    return document


def _direct_dependencies(document: dict[str, Any]) -> list[str]:
    """Make the root depend on what pyproject.toml names; return what the list lacks."""
    references = {_normal(part["name"]): part["bom-ref"] for part in document["components"]}
    required = tomllib.loads(Path("pyproject.toml").read_text())["project"]["dependencies"]
    names = sorted({_normal(re.split(r"[^A-Za-z0-9._-]", line)[0]) for line in required})
    root = document["metadata"]["component"]["bom-ref"]
    edges = [edge for edge in document.get("dependencies", []) if edge["ref"] != root]
    found = [references[name] for name in names if name in references]
    document["dependencies"] = [{"ref": root, "dependsOn": found}, *edges]
    missing = [name for name in names if name not in references]
    return [
        f"pyproject.toml requires {name}, which {_LIST} lacks; run make lock" for name in missing
    ]


def _incomplete(document: dict[str, Any]) -> list[str]:
    faults = []
    for component in document["components"]:
        hashes = [
            found
            for reference in component.get("externalReferences", [])
            for found in reference.get("hashes", [])
        ]
        if not component.get("version"):
            faults.append(f"{component['name']} has no exact version in {_LIST}; run make lock")
        if not hashes:
            faults.append(f"{component['name']} has no hash in {_LIST}; run make lock")
    return faults or ([] if document["components"] else [f"{_LIST} names no package"])


def _normal(name: str) -> str:
    """Return *name* as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    sys.exit(main())
