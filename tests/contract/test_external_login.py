"""Logins at a certified OpenID provider, with its own forms: every step of the way is real.

The attacks are in ``tests/edge/test_external_login.py``: an honest provider does not make them.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from identity_system import ADMIN, IdentitySystem, identity_system, trader
from oidc_server import go_through_the_forms, oidc_server
from tests.edge.conftest import FakeVenue

from actors.auth_manager import AuthManager
from adapters.database.engine import open_database
from adapters.database.migration import migrate
from adapters.keys.data_keys import DataKeys
from adapters.keys.file_root_key import FileRootKey
from adapters.oidc.opening import CALLBACK_PATH, SEAL_PURPOSE, open_logins
from serve.asgi import build_app
from serve.edge_settings import EdgeSettings
from tradeplane.auth.principal import HOME_TENANT
from tradeplane.settings import Settings

PUBLIC_URL = "http://127.0.0.1:8000"
REDIRECT_URI = PUBLIC_URL + CALLBACK_PATH
SUBJECT = "tess at the provider"
ALGORITHMS = ("RS256", "ES256", "EdDSA")
SECRETS = {algorithm: f"a secret of {algorithm}: +&%" for algorithm in ALGORITHMS}


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    clients = {
        f"venue {algorithm}": {"secret": secret, "algorithm": algorithm}
        for algorithm, secret in SECRETS.items()
    }
    with oidc_server(REDIRECT_URI, clients) as found:
        yield found


@pytest.fixture
async def core() -> AsyncIterator[tuple[IdentitySystem, AuthManager]]:
    async with identity_system() as made:
        yield made


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[DataKeys]:
    """The data keys of an installation of its own."""
    engine = open_database(f"sqlite:///{tmp_path / 'tradeplane.db'}")
    migrate(engine)
    yield DataKeys(engine, FileRootKey.create(tmp_path / "root.key"))
    engine.dispose()


Replica = Callable[..., Any]


@pytest.fixture
def replica(issuer, core, keys, tmp_path: Path) -> Replica:
    """Opens a browser at a replica of its own, with the real adapter and real data keys."""
    system, identity = core

    @asynccontextmanager
    async def open_replica(
        algorithm: str = "RS256", secret: str | None = None
    ) -> AsyncIterator[httpx.AsyncClient]:
        path = tmp_path / "client-secret"
        path.write_text(SECRETS[algorithm] if secret is None else secret)
        settings = Settings(
            oidc_issuer=issuer,
            oidc_client_id=f"venue {algorithm}",
            oidc_client_secret_file=str(path),
            public_url=PUBLIC_URL,
        )
        logins = open_logins(settings, keys.sealer(SEAL_PURPOSE), identity.claim_once, system.clock)
        ports = msgspec.structs.replace(
            FakeVenue().ports, keys=identity, identity=identity, external_logins=logins
        )
        transport = httpx.ASGITransport(build_app(ports, EdgeSettings()))
        try:
            async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as browser:
                yield browser
        finally:
            await logins.close()

    return open_replica


async def at_the_provider(browser: httpx.AsyncClient, **choice: Any) -> dict[str, str]:
    started = await browser.get("/auth/oidc/start")
    assert started.status_code == 302, started.text
    return await go_through_the_forms(started.headers["location"], REDIRECT_URI, SUBJECT, **choice)


async def linked(core, issuer: str) -> str:
    _, identity = core
    user_id = await trader(identity)
    await identity.link_external(HOME_TENANT, user_id, issuer, SUBJECT, ADMIN)
    return user_id


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_who_logs_in_at_the_provider_can_use_the_api(issuer, core, replica, algorithm):
    user_id = await linked(core, issuer)

    async with replica(algorithm) as browser:
        brought = await at_the_provider(browser)
        answer = await browser.get(CALLBACK_PATH, params=brought)
        assert answer.status_code == 200, answer.text
        token = answer.json()["access_token"]
        clock = await browser.get("/v2/clock", headers={"authorization": f"Bearer {token}"})

    assert clock.status_code == 200, clock.text
    principal = core[1].authenticate_token(token)
    assert (principal.user_id, principal.kind) == (user_id, "user")
    [session] = await core[1].sessions(principal)
    assert session.method == "external"


async def test_one_replica_begins_and_another_finishes(issuer, core, replica):
    await linked(core, issuer)

    async with replica() as first, replica() as second:
        brought = await at_the_provider(first)
        second.cookies = first.cookies
        assert (await second.get(CALLBACK_PATH, params=brought)).status_code == 200
        # The state is used up everywhere.
        assert (await first.get(CALLBACK_PATH, params=brought)).status_code == 401


async def test_the_provider_takes_no_code_of_another_login(issuer, core, replica):
    await linked(core, issuer)

    async with replica() as browser, replica() as thief:
        stolen = await at_the_provider(browser)
        own = await at_the_provider(thief)
        answer = await thief.get(CALLBACK_PATH, params={**own, "code": stolen["code"]})

    assert answer.status_code == 401


async def test_the_provider_takes_no_code_of_another_client(issuer, core, replica):
    await linked(core, issuer)

    async with replica("RS256") as one, replica("ES256") as another:
        stolen = await at_the_provider(one)
        own = await at_the_provider(another)
        answer = await another.get(CALLBACK_PATH, params={**own, "code": stolen["code"]})

    assert answer.status_code == 401


async def test_who_gives_up_at_the_provider_is_told_so(issuer, core, replica):
    await linked(core, issuer)

    async with replica() as browser:
        brought = await at_the_provider(browser, abort=True)
        answer = await browser.get(CALLBACK_PATH, params=brought)

    assert brought["error"] == "access_denied"
    assert answer.status_code == 401
    assert "access_denied" in answer.json()["message"]


async def test_who_is_linked_to_nobody_is_not_let_in(core, replica):
    async with replica() as browser:
        answer = await browser.get(CALLBACK_PATH, params=await at_the_provider(browser))

    assert answer.status_code == 401


async def test_a_wrong_client_secret_is_the_operators_business(issuer, core, replica):
    await linked(core, issuer)

    async with replica(secret="wrong") as browser:  # pragma: allowlist secret
        answer = await browser.get(CALLBACK_PATH, params=await at_the_provider(browser))

    assert answer.status_code == 500
    assert "secret" not in answer.text


async def test_a_provider_that_has_gone_is_answered_503(core, keys, tmp_path):
    system, identity = core
    with oidc_server(REDIRECT_URI, {"venue": {"secret": "s", "algorithm": "RS256"}}) as gone:
        pass
    secret = tmp_path / "client-secret"
    secret.write_text("s")
    settings = Settings(
        oidc_issuer=gone,
        oidc_client_id="venue",
        oidc_client_secret_file=str(secret),
        public_url=PUBLIC_URL,
    )
    logins = open_logins(settings, keys.sealer(SEAL_PURPOSE), identity.claim_once, system.clock)
    ports = msgspec.structs.replace(FakeVenue().ports, identity=identity, external_logins=logins)
    transport = httpx.ASGITransport(build_app(ports, EdgeSettings()))
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as browser:
        answer = await browser.get("/auth/oidc/start")
    await logins.close()

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert "set-cookie" not in answer.headers
