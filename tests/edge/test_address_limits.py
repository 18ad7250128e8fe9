"""Budgets of addresses: for who shows no good credentials, and for logins."""

import httpx
import pytest
from starlette.types import Scope

from serve.asgi import build_app
from serve.client_address import ClientAddresses, budget_name
from serve.edge_settings import EdgeSettings
from serve.shared_counts import SharedCounts
from tradeplane.errors import Misconfigured

WRONG = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "wrong"}


def client_from(app, address: str, headers: dict[str, str]) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://venue", headers=headers)


def app_of(venue, **settings):
    edge = EdgeSettings(**{"rate_limit_per_minute": 0, "address_limit_per_minute": 3, **settings})
    return build_app(venue.ports, edge, clock=venue.clock)


@pytest.mark.parametrize(
    ("path", "status"), [("/v2/account", 401), ("/nowhere", 404), ("/v2/clock", 401)]
)
async def test_bad_credentials_and_unknown_paths_use_up_the_addresss_budget(venue, path, status):
    app = app_of(venue)
    async with client_from(app, "192.0.2.1", WRONG) as client:
        answers = [await client.get(path) for _ in range(5)]

    assert [answer.status_code for answer in answers] == [status] * 3 + [429] * 2
    said = answers[-1].json()
    assert (said["code"], said["message"]) == (42910000, "rate limit of this address exceeded")
    assert answers[-1].headers["retry-after"] == "20"
    assert answers[-1].headers["x-ratelimit-limit"] == "3"
    assert answers[-1].headers["x-ratelimit-remaining"] == "0"


async def test_good_credentials_pass_from_an_address_that_is_used_up(venue):
    app = app_of(venue)
    async with client_from(app, "192.0.2.1", WRONG) as client:
        for _ in range(5):
            last = await client.get("/v2/account")
        assert last.status_code == 429
        good = [await client.get("/v2/account", headers=venue.KEY) for _ in range(50)]
    async with client_from(app, "192.0.2.2", WRONG) as neighbour:
        other = await neighbour.get("/v2/account")

    assert {answer.status_code for answer in good} == {200}
    assert other.status_code == 401


async def test_health_is_answered_to_an_address_that_is_used_up(venue):
    async with client_from(app_of(venue), "192.0.2.1", {}) as client:
        for _ in range(20):
            assert (await client.get("/livez")).status_code == 200
        assert (await client.get("/nowhere")).status_code == 404


async def test_the_budget_is_back_in_the_next_minute(venue):
    async with client_from(app_of(venue), "192.0.2.1", {}) as client:
        for _ in range(4):
            last = await client.get("/nowhere")
        assert last.status_code == 429
        venue.clock.advance(60 * 10**9)
        assert (await client.get("/nowhere")).status_code == 404


async def test_replicas_share_the_budgets_of_keys_and_of_addresses(venue, tmp_path):
    pages = [SharedCounts(tmp_path) for _ in range(2)]
    edge = EdgeSettings(rate_limit_per_minute=4, address_limit_per_minute=4)
    apps = [build_app(venue.ports, edge, clock=venue.clock, counts=page) for page in pages]
    good, bad = [], []
    for turn in range(8):
        async with client_from(apps[turn % 2], "192.0.2.1", venue.KEY) as client:
            good.append((await client.get("/v2/account")).status_code)
            bad.append((await client.get("/v2/account", headers=WRONG)).status_code)
    for page in pages:
        page.close()

    assert good == [200] * 4 + [429] * 4
    assert bad == [401] * 4 + [429] * 4


async def test_limits_of_zero_are_off(venue):
    app = app_of(venue, address_limit_per_minute=0)
    async with client_from(app, "192.0.2.1", WRONG) as client:
        assert {(await client.get("/v2/account")).status_code for _ in range(50)} == {401}


def scope_of(peer: str | None, *forwarded: str) -> Scope:
    headers = [(b"x-forwarded-for", value.encode("latin-1")) for value in forwarded]
    return {"type": "http", "client": peer and (peer, 1), "headers": headers}


@pytest.mark.parametrize(
    ("trusted", "peer", "forwarded", "client"),
    [
        ("", "192.0.2.1", ("203.0.113.9",), "192.0.2.1"),
        ("10.0.0.0/8", "192.0.2.1", ("203.0.113.9",), "192.0.2.1"),
        ("10.0.0.0/8", "10.1.1.1", ("203.0.113.9",), "203.0.113.9"),
        ("10.0.0.0/8", "10.1.1.1", ("1.2.3.4, 203.0.113.9",), "203.0.113.9"),
        ("10.0.0.0/8", "10.1.1.1", ("203.0.113.9, 10.2.2.2",), "203.0.113.9"),
        ("10.0.0.0/8", "10.1.1.1", ("1.2.3.4", "203.0.113.9"), "203.0.113.9"),
        ("10.0.0.0/8", "10.1.1.1", (), "10.1.1.1"),
        ("10.0.0.0/8", "10.1.1.1", ("nonsense",), "10.1.1.1"),
        ("10.0.0.0/8", "10.1.1.1", ("203.0.113.9, \xe9",), "10.1.1.1"),
        ("10.0.0.0/8", "10.1.1.1", ("10.9.9.9, 10.2.2.2",), "10.9.9.9"),
        ("10.0.0.0/8, fd00::/8", "fd00::1", ("2001:db8::1",), "2001:db8::1"),
        ("10.0.0.0/8", None, ("203.0.113.9",), ""),
        ("10.0.0.0/8", "10.1.1.1", (", ".join(["10.0.0.1"] * 5_000),), "10.0.0.1"),
    ],
)
def test_only_trusted_proxies_say_who_the_client_is(trusted, peer, forwarded, client):
    assert ClientAddresses(trusted).of(scope_of(peer, *forwarded)) == client


@pytest.mark.parametrize("trusted", ["nonsense", "10.0.0.0/33", "10.0.0.1/8"])
def test_a_proxy_network_that_is_none_is_refused(trusted):
    with pytest.raises(Misconfigured, match="TRADEPLANE_TRUSTED_PROXIES"):
        ClientAddresses(trusted)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_an_ipv6_customer_has_one_budget(address, counted):
    assert budget_name(address) == counted
