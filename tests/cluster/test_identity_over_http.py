"""Logins and OAuth on a running system: any replica finishes what another began."""

import json
import re
from html import unescape
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from alpaca.trading.client import TradingClient
from identity_edge import REDIRECT, VERIFIER, authorization
from running_system import RunningSystem

pytestmark = pytest.mark.cluster
CONNECTIONS = 24
WHY = {"X-Tradeplane-Reason": "a test"}


def fresh(system: RunningSystem, method: str, path: str, **more: object) -> httpx.Response:
    """Ask on a connection of its own, so that any replica may answer."""
    return httpx.request(method, system.url + path, timeout=20, **more)  # type: ignore[arg-type]


def log_in(system: RunningSystem) -> dict[str, str]:
    made = {
        "username": system.credentials["admin_user"],
        "password": system.credentials["admin_password"],
    }
    answer = fresh(system, "POST", "/auth/login", json=made)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def bearer(tokens: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def test_a_token_opens_every_replica_until_the_logout_and_then_none(system: RunningSystem) -> None:
    tokens = log_in(system)
    named = {**bearer(tokens), "X-Tradeplane-Account": system.credentials["account_id"]}

    def statuses() -> set[int]:
        return {
            fresh(system, "GET", "/v2/account", headers=named).status_code
            for _ in range(CONNECTIONS)
        }

    assert statuses() == {200}
    assert fresh(system, "POST", "/auth/logout", headers=bearer(tokens)).status_code == 204
    assert statuses() == {401}
    body = {"refresh_token": tokens["refresh_token"]}
    assert fresh(system, "POST", "/auth/refresh", json=body).status_code == 401


def test_alpaca_py_trades_with_an_oauth_token(system: RunningSystem) -> None:
    headers = bearer(log_in(system))
    account_id = system.credentials["account_id"]
    wanted = {
        "name": "robot",
        "scopes": ["account:read", "market:read"],
        "grant_types": ["client_credentials"],
        "confidential": True,
        "role": "trader",
        "account_id": account_id,
    }
    made = fresh(system, "POST", "/admin/clients", json=wanted, headers={**headers, **WHY})
    assert made.status_code == 201, made.text
    pair = (made.json()["client"]["client_id"], made.json()["client_secret"])
    granted = fresh(
        system, "POST", "/oauth/token", data={"grant_type": "client_credentials"}, auth=pair
    )
    assert granted.status_code == 200, granted.text
    client = TradingClient(oauth_token=granted.json()["access_token"], url_override=system.url)
    try:
        assert str(client.get_account().id) == account_id
    finally:
        client._session.close()


def test_the_login_page_is_shown_by_one_replica_and_finished_by_another(
    system: RunningSystem,
) -> None:
    headers = {**bearer(log_in(system)), **WHY}
    wanted = {"name": "charts", "redirect_uris": [REDIRECT], "scopes": ["market:read"]}
    made = fresh(system, "POST", "/admin/clients", json=wanted, headers=headers).json()
    client_id = made["client"]["client_id"]
    redeemed = 0
    for _ in range(4):
        page = fresh(system, "GET", "/oauth/authorize", params=authorization(client_id))
        [request] = re.findall(r'name="request" value="([^"]+)"', page.text)
        form = {
            "request": unescape(request),
            "decision": "allow",
            "username": system.credentials["admin_user"],
            "password": system.credentials["admin_password"],
        }
        answer = fresh(system, "POST", "/oauth/authorize", data=form, cookies=dict(page.cookies))
        assert answer.status_code == 303, answer.text
        [code] = parse_qs(urlsplit(answer.headers["location"]).query)["code"]
        redemption = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        }
        tokens = fresh(system, "POST", "/oauth/token", data=redemption)
        assert tokens.status_code == 200, tokens.text
        clock = fresh(system, "GET", "/v2/clock", headers=bearer(tokens.json()))
        redeemed += clock.status_code == 200
    assert redeemed == 4


def test_the_metadata_names_this_system(system: RunningSystem) -> None:
    metadata = json.loads(fresh(system, "GET", "/.well-known/oauth-authorization-server").text)

    assert metadata["issuer"] == system.url
    keys = fresh(system, "GET", metadata["jwks_uri"].removeprefix(system.url)).json()
    assert keys["keys"]
