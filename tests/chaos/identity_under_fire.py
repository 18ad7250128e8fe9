"""Sessions, revocation and keys while the processes behind them are killed.

    .venv/bin/python tests/chaos/identity_under_fire.py [--rounds 5] [--clients 100]

1. In each round *clients* refresh one token at the same time while the process that keeps sessions
   is killed with SIGKILL. Every answer must be the same successor, and one session must be left.
2. A session is ended while connections on every replica use its token: how long until the last
   one is refused.
3. A key is rotated again and again while clients encrypt and decrypt under it: no request may fail.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from running_system import RunningSystem

ATTEMPTS = 200
PAUSE_S = 0.1
REASON = {"X-Tradeplane-Reason": "chaos test"}


def admin_login(system: RunningSystem) -> dict[str, str]:
    """Return the login of the installation's administrator."""
    credentials = system.credentials
    return {"username": credentials["admin_user"], "password": credentials["admin_password"]}


def bearer(tokens: dict[str, str]) -> dict[str, str]:
    """Return the headers that carry an access token."""
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def until_answered(http: httpx.AsyncClient, path: str, body: object) -> httpx.Response:
    """Post *body* until the answer is no 503 and the connection holds."""
    for _ in range(ATTEMPTS):
        try:
            answer = await http.post(path, json=body)
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code != 503:
            return answer
        await asyncio.sleep(PAUSE_S)
    raise AssertionError(f"{path} was not answered")


async def refresh_storm(system: RunningSystem, rounds: int, clients: int) -> list[str]:
    """Return what went wrong while *clients* refreshed together and the keeper was killed."""
    wrong = []
    limits = httpx.Limits(max_connections=clients)
    async with httpx.AsyncClient(base_url=system.url, timeout=15, limits=limits) as http:
        tokens = (await until_answered(http, "/auth/login", admin_login(system))).json()
        before = await session_count(http, tokens)
        for number in range(rounds):
            body = {"refresh_token": tokens["refresh_token"]}
            storm = [
                asyncio.create_task(until_answered(http, "/auth/refresh", body))
                for _ in range(clients)
            ]
            await asyncio.sleep(0.01 * number)
            await asyncio.to_thread(system.kill, "ray::Auth")
            answers = await asyncio.gather(*storm)
            statuses = sorted({answer.status_code for answer in answers})
            successors = {
                answer.json().get("refresh_token")
                for answer in answers
                if answer.status_code == 200
            }
            print(f"  round {number + 1}: statuses {statuses}, {len(successors)} successor(s)")
            if statuses != [200] or len(successors) != 1:
                wrong.append(f"round {number + 1}: {statuses}, {len(successors)} successors")
                return wrong
            tokens = answers[0].json()
        after = await session_count(http, tokens)
        if after != before:
            wrong.append(f"{before} sessions became {after}")
    return wrong


async def session_count(http: httpx.AsyncClient, tokens: dict[str, str]) -> int:
    """Return how many sessions the user has."""
    for _ in range(ATTEMPTS):
        answer = await http.get("/auth/sessions", headers=bearer(tokens))
        if answer.status_code == 200:
            found = answer.json()
            return len(found["sessions"] if isinstance(found, dict) else found)
        await asyncio.sleep(PAUSE_S)
    raise AssertionError(f"sessions: {answer.status_code} {answer.text}")


async def revocation(system: RunningSystem, connections: int = 16) -> float:
    """Return the seconds from the answer of the logout to the last use that was still accepted."""
    last_accepted = 0.0
    stop = asyncio.Event()

    async with httpx.AsyncClient(base_url=system.url, timeout=15) as http:
        tokens = (await until_answered(http, "/auth/login", admin_login(system))).json()

        async def use() -> None:
            nonlocal last_accepted
            # A client of its own is a connection of its own, and connections spread over replicas.
            async with httpx.AsyncClient(base_url=system.url, timeout=15) as mine:
                while not stop.is_set():
                    sent = time.monotonic()
                    answer = await mine.get("/v2/clock", headers=bearer(tokens))
                    if answer.status_code == 200:
                        last_accepted = max(last_accepted, sent)
                    await asyncio.sleep(0.005)

        users = [asyncio.create_task(use()) for _ in range(connections)]
        await asyncio.sleep(1)
        assert last_accepted, "the token was never accepted"
        answer = await http.post("/auth/logout", headers=bearer(tokens))
        assert answer.status_code in {200, 204}, answer.text
        revoked = time.monotonic()
        await asyncio.sleep(2)
        stop.set()
        await asyncio.gather(*users)
    return max(0.0, last_accepted - revoked)


async def rotation_under_load(system: RunningSystem, clients: int = 16) -> tuple[int, list[str]]:
    """Return how many round trips a rotating key made, and the failures among them."""
    failures: list[str] = []
    done = 0
    stop = asyncio.Event()
    limits = httpx.Limits(max_connections=clients + 1)
    async with httpx.AsyncClient(base_url=system.url, timeout=15, limits=limits) as http:
        tokens = (await until_answered(http, "/auth/login", admin_login(system))).json()
        headers = {"X-Vault-Token": tokens["access_token"], **REASON}
        made = await http.post("/v1/transit/keys/fire", headers=headers, json={})
        assert made.status_code in {200, 204}, made.text

        async def use(number: int) -> None:
            nonlocal done
            plaintext = base64.b64encode(f"client {number}".encode()).decode()
            while not stop.is_set():
                sealed = await http.post(
                    "/v1/transit/encrypt/fire", headers=headers, json={"plaintext": plaintext}
                )
                if sealed.status_code != 200:
                    failures.append(f"encrypt {sealed.status_code} {sealed.text[:120]}")
                    continue
                ciphertext = sealed.json()["data"]["ciphertext"]
                opened = await http.post(
                    "/v1/transit/decrypt/fire", headers=headers, json={"ciphertext": ciphertext}
                )
                if opened.status_code != 200 or opened.json()["data"]["plaintext"] != plaintext:
                    failures.append(f"decrypt {opened.status_code} {opened.text[:120]}")
                done += 1

        users = [asyncio.create_task(use(number)) for number in range(clients)]
        for _ in range(10):
            await asyncio.sleep(0.3)
            rotated = await http.post("/v1/transit/keys/fire/rotate", headers=headers, json={})
            if rotated.status_code not in {200, 204}:
                failures.append(f"rotate {rotated.status_code} {rotated.text[:120]}")
        stop.set()
        await asyncio.gather(*users)
    return done, failures


def main() -> int:
    """Run all three and print what happened; 0 when nothing went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tradeplane-fire-") as folder:
        system = RunningSystem(Path(folder) / "home", TRADEPLANE_LOGIN_LIMIT_PER_MINUTE="0").start()
        try:
            wrong = asyncio.run(refresh_storm(system, given.rounds, given.clients))
            delay_s = asyncio.run(revocation(system))
            print(f"revocation to the last acceptance: {delay_s * 1_000:.0f} ms")
            if delay_s > 1:
                wrong.append(f"a revoked token was accepted for {delay_s:.1f} s")
            done, failures = asyncio.run(rotation_under_load(system))
            print(f"{done} encryptions and decryptions during 10 rotations: {len(failures)} failed")
            wrong += failures[:5]
        finally:
            status = system.stop()
    print(f"exit status of the system: {status}")
    print("\n".join(wrong) or "no session lost or doubled, no request failed")
    return 1 if wrong or status else 0


if __name__ == "__main__":
    sys.exit(main())
