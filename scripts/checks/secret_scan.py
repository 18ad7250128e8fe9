"""Finds secrets that are committed, or about to be, and are not in the baseline."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

_BASELINE = Path(".secrets.baseline")
_OWN_DETECTOR = "file://scripts/checks/tradeplane_secrets.py"
_FILES_MAX = 20_000
_DETECTORS = (
    {"name": "AWSKeyDetector"},
    {"name": "AzureStorageKeyDetector"},
    {"name": "Base64HighEntropyString", "limit": 4.5},
    {"name": "BasicAuthDetector"},
    {"name": "GitHubTokenDetector"},
    {"name": "GitLabTokenDetector"},
    {"name": "HexHighEntropyString", "limit": 3.0},
    {"name": "JwtTokenDetector"},
    {"name": "KeywordDetector", "keyword_exclude": ""},
    {"name": "NpmDetector"},
    {"name": "OpenAIDetector"},
    {"name": "PrivateKeyDetector"},
    {"name": "PypiTokenDetector"},
    {"name": "SendGridDetector"},
    {"name": "SlackDetector"},
    {"name": "StripeDetector"},
    {"name": "TradeplaneDetector", "path": _OWN_DETECTOR},
    {"name": "TwilioKeyDetector"},
)
_FILTERS = (
    "detect_secrets.filters.allowlist.is_line_allowlisted",
    "detect_secrets.filters.heuristic.is_indirect_reference",
    "detect_secrets.filters.heuristic.is_likely_id_string",
    "detect_secrets.filters.heuristic.is_lock_file",
    "detect_secrets.filters.heuristic.is_not_alphanumeric_string",
    "detect_secrets.filters.heuristic.is_potential_uuid",
    "detect_secrets.filters.heuristic.is_prefixed_with_dollar_sign",
    "detect_secrets.filters.heuristic.is_sequential_string",
    "detect_secrets.filters.heuristic.is_templated_secret",
)
_SETTINGS = {
    "plugins_used": list(_DETECTORS),
    "filters_used": [{"path": path} for path in _FILTERS],
}


def main() -> int:
    """Scan; return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/scan-secrets")
    parser.add_argument(
        "--accept", action="store_true", help="write what is found into the baseline"
    )
    accept = parser.parse_args().accept
    files = _files()
    with transient_settings(_SETTINGS):
        found = SecretsCollection()
        found.scan_files(*files)
    if accept:
        _write(found)
        return 0
    known = SecretsCollection.load_from_baseline(json.loads(_BASELINE.read_text()))
    fresh = sorted(
        ((path, secret.line_number, secret.type) for path, secret in found - known),
        key=lambda place: (place[0], place[1]),
    )
    for path, line, kind in fresh:
        # The value itself stays out of every log.
        print(f"scan-secrets: {path}:{line}: {kind}", file=sys.stderr)
    if fresh:
        print(
            "scan-secrets: remove each from the file, and revoke it if it was ever pushed. If it "
            "is none, end the line with a comment 'pragma: allowlist secret', or run "
            "scripts/scan-secrets --accept",
            file=sys.stderr,
        )
        return 1
    print(f"scan-secrets: {len(files)} files, nothing that {_BASELINE} does not know")
    return 0


def _files() -> list[str]:
    """Return every file that git has, or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"],  # noqa: S607  # whichever git the developer has
        capture_output=True,
        text=True,
        check=True,
    )
    files = [path for path in listed.stdout.split("\0") if path and Path(path).is_file()]
    if not files or len(files) > _FILES_MAX:
        raise SystemExit(
            f"scan-secrets: git lists {len(files)} files, wanted 1 to {_FILES_MAX}; is "
            "something missing from .gitignore?"
        )
    return sorted(path for path in files if path != str(_BASELINE))


def _write(found: SecretsCollection) -> None:
    """Write the baseline, which holds digests alone: no time, no line, no machine's paths."""
    results: dict[str, list[dict[str, Any]]] = {}
    for path, secret in sorted(
        found, key=lambda each: (each[0], each[1].type, each[1].secret_hash)
    ):
        entry = {"type": secret.type, "hashed_secret": secret.secret_hash}
        results.setdefault(path, []).append(entry)
    _BASELINE.write_text(
        json.dumps({"version": "1.5.0", **_SETTINGS, "results": results}, indent=2) + "\n"
    )
    print(f"scan-secrets: {sum(map(len, results.values()))} places written to {_BASELINE}")


if __name__ == "__main__":
    sys.exit(main())
