"""Plants secrets and personal data, breaks things, and looks for what was planted everywhere.

    .venv/bin/python tests/chaos/hunt_secrets.py [--database-url postgresql+psycopg://...]

A person with a name, an address, a password, a second factor and recovery codes, API keys, tokens,
an OAuth client and texts that are encrypted are made; requests that carry them fail in every way;
replicas and actors are killed in the middle. Then the database (and a dump of it, where it is
PostgreSQL), the object store, the logs of Ray, the output and the metrics are searched for each of
them as it is, in base64, in hex and as a URL has it. What is allowed is named: ``credentials.json``
and the root key are what this installation's owner is given.
"""

from __future__ import annotations

import argparse
import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from running_system import RunningSystem

WHY = ("--reason", "a hunt for secrets")
NAME = "planted.person"
EMAIL = "planted.person@firm.test"
SUBJECT = "planted-external-subject"
PLAINTEXT = "planted plaintext of a customer, 4111-1111-1111-1111"
PASSWORD = "quartz marmalade 93 lanterns"
GIVEN = {"credentials.json", "root.key", "run.json"}
LOG_ROOT = Path(tempfile.gettempdir()) / "ray"
ATTEMPTS = 100


class Hunt:
    """What was planted, and a system to plant it in."""

    def __init__(self, system: RunningSystem) -> None:
        self.system = system
        self.planted: dict[str, str] = {
            "name": NAME, "e-mail address": EMAIL, "external subject": SUBJECT,
            "plaintext": PLAINTEXT, "password": PASSWORD,
        }  # fmt: skip

    def plant(self) -> None:
        """Make everything that must not be found, by the command and over HTTP."""
        system = self.system
        made = json.loads(system.cli("users", "create", NAME, "--email", EMAIL, *WHY))
        self.planted["temporary password"] = made["password"]
        system.cli("users", "link", NAME, "https://idp.test", SUBJECT, *WHY)
        credentials = system.credentials
        self.planted["administrator's password"] = credentials["admin_password"]
        self.planted["first key's secret"] = credentials["secret_key"]
        (account,) = json.loads(
            system.cli("accounts", "create", "--user", NAME, "--cash", "1000", *WHY)
        )
        self.planted["second key's secret"] = account["secret_key"]
        with httpx.Client(base_url=system.url, timeout=15) as http:
            tokens = self._login(http, made["password"])
            changed = http.post(
                "/auth/password",
                headers=_bearer(tokens),
                json={"old_password": made["password"], "new_password": PASSWORD},
            )
            changed.raise_for_status()
            tokens = self._login(http, PASSWORD)
            self._second_factor(http, tokens)
            self._encrypt(http)
            self._fail(http, tokens)

    def _login(self, http: httpx.Client, password: str) -> dict[str, Any]:
        for _ in range(ATTEMPTS):
            answer = http.post("/auth/login", json={"username": NAME, "password": password})
            if answer.status_code == 200:
                break
            time.sleep(0.2)
        answer.raise_for_status()
        tokens: dict[str, Any] = answer.json()
        count = sum("token" in name for name in self.planted)
        self.planted[f"access token {count}"] = tokens["access_token"].rpartition(".")[2]
        self.planted[f"refresh token {count}"] = tokens["refresh_token"].rpartition(".")[2]
        return tokens

    def _second_factor(self, http: httpx.Client, tokens: dict[str, Any]) -> None:
        enrolled = http.post("/auth/mfa", headers=_bearer(tokens), json={"password": PASSWORD})
        secret = enrolled.raise_for_status().json()["secret"]
        self.planted["second factor"] = secret
        code = TOTP(base64.b32decode(secret + "=" * (-len(secret) % 8)), 6, SHA1(), 30)
        confirmed = http.post(
            "/auth/mfa/confirm",
            headers=_bearer(tokens),
            json={"code": code.generate(time.time()).decode()},
        )
        codes = confirmed.raise_for_status().json()["recovery_codes"]
        self.planted["first recovery code"], self.planted["last recovery code"] = (
            codes[0],
            codes[-1],
        )

    def _encrypt(self, http: httpx.Client) -> None:
        credentials = self.system.credentials
        login = {
            "username": credentials["admin_user"],
            "password": credentials["admin_password"],
        }
        token = http.post("/auth/login", json=login).json()["access_token"]
        headers = {"X-Vault-Token": token, "X-Tradeplane-Reason": "a hunt"}
        http.post("/v1/transit/keys/hunt", headers=headers, json={})
        text = base64.b64encode(PLAINTEXT.encode()).decode()
        sealed = http.post("/v1/transit/encrypt/hunt", headers=headers, json={"plaintext": text})
        made = http.post("/v1/transit/datakey/plaintext/hunt", headers=headers, json={})
        sealed.raise_for_status()
        self.planted["data key"] = made.raise_for_status().json()["data"]["plaintext"]

    def _fail(self, http: httpx.Client, tokens: dict[str, Any]) -> None:
        """Send what was planted in every wrong way, while what answers is killed."""
        key = {"APCA-API-KEY-ID": NAME, "APCA-API-SECRET-KEY": PASSWORD}
        refresh = tokens["refresh_token"]
        wrong: list[tuple[str, dict[str, Any]]] = [
            ("/auth/login", {"content": f'{{"username":"{NAME}","password":"{PASSWORD}'}),
            ("/auth/login", {"json": {"username": [EMAIL], "password": {"a": PASSWORD}}}),
            ("/auth/login", {"json": {"username": NAME, "password": PASSWORD + "x"}}),
            ("/auth/login", {"json": {EMAIL: PASSWORD}}),
            ("/auth/refresh", {"json": {"refresh_token": refresh + "x"}}),
            ("/oauth/token", {"data": {"grant_type": "password", "password": PASSWORD}}),
            (f"/auth/{PASSWORD}", {}),
            (f"/v2/orders?secret={urllib.parse.quote(PASSWORD)}", {"headers": key}),
            ("/v2/orders", {"headers": key, "content": PASSWORD * 20}),
            ("/v2/orders", {"headers": {"Authorization": f"Bearer {refresh}"}}),
            ("/v1/transit/decrypt/hunt", {"json": {"ciphertext": PLAINTEXT}}),
        ]
        victims = ("ray::Auth", "ray::Encryption", "ray::ServeReplica:tradeplane", "ray::Audit")
        for number in range(4):
            for path, request in wrong:
                try:
                    http.post(path, **request)
                except httpx.TransportError:
                    continue
            self.system.kill(victims[number])
            time.sleep(1)
        self._settle(http)

    def _settle(self, http: httpx.Client) -> None:
        for _ in range(ATTEMPTS):
            try:
                if http.get("/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        (self.system.home / "metrics.txt").write_text(http.get("/metrics").text)

    def find(self, folders: list[Path]) -> list[str]:
        """Return where something planted was found."""
        needles = {
            (name, form): needle
            for name, value in self.planted.items()
            for form, needle in _forms(value).items()
        }
        found: list[str] = []
        files = size = 0
        for folder in folders:
            for path in folder.rglob("*"):
                if not path.is_file() or path.is_symlink() or path.name in GIVEN:
                    continue
                content = path.read_bytes()
                files, size = files + 1, size + len(content)
                found += [
                    f"{name} ({form}) in {path}"
                    for (name, form), needle in needles.items()
                    if needle in content
                ]
        print(
            f"  {len(self.planted)} secrets in {len(needles)} forms looked for in {files} files,"
            f" {size / 1e6:.1f} MB"
        )
        return found


def _bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def _forms(value: str) -> dict[str, bytes]:
    raw = value.encode()
    forms = {
        "as it is": raw,
        "base64": base64.b64encode(raw).rstrip(b"=")[:-1],
        "hex": raw.hex().encode(),
        "URL": urllib.parse.quote(value).encode(),
    }
    return {form: needle for form, needle in forms.items() if len(needle) > 7}


def _dump(url: str, into: Path) -> None:
    """Write a dump of a PostgreSQL database."""
    plain = url.replace("postgresql+psycopg://", "postgresql://")
    done = subprocess.run(["pg_dump", plain], capture_output=True, check=True)
    into.write_bytes(done.stdout)


def main() -> int:
    """Plant, break, look; 0 when nothing was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database-url", default="")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="tradeplane-hunt-"))
    sessions = set(LOG_ROOT.glob("session_2*"))
    settings = {"TRADEPLANE_SNAPSHOT_EVENTS": "100", "TRADEPLANE_LOG_LEVEL": "DEBUG"}
    if given.database_url:
        settings["TRADEPLANE_DATABASE_URL"] = given.database_url
    system = RunningSystem(folder / "home", **settings).start()
    try:
        hunt = Hunt(system)
        hunt.plant()
    finally:
        status = system.stop()
    (folder / "output.txt").write_text("".join(system.output))
    if given.database_url:
        _dump(given.database_url, folder / "dump.sql")
    logs = [path for path in LOG_ROOT.glob("session_2*") if path not in sessions]
    found = hunt.find([folder, *logs])
    print("\n".join(found) or "nothing found")
    if not found:
        shutil.rmtree(folder)
    return 1 if found or status else 0


if __name__ == "__main__":
    sys.exit(main())
