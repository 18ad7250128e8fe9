"""Logins at an OpenID provider: the way that works, and the attack table.

The provider is a double, because an honest one does not send what is refused here; the adapter, the
application and the core of identity are the real ones. ``tests/contract/test_external_login.py``
goes the same way with a certified provider.
"""

import dataclasses
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from identity_system import ADMIN, IdentitySystem, identity_system, trader
from oidc_double import (
    CLIENT_ID,
    CLIENT_SECRET,
    ISSUER,
    PRIVATE,
    SUBJECT,
    OidcDouble,
    b64,
    public_jwk,
    raw_token,
)

from actors.auth_manager import AuthManager
from adapters.oidc.login_state import LIFE_S
from adapters.oidc.logins import OidcLogins
from adapters.oidc.opening import open_logins
from serve.asgi import build_app
from serve.edge_settings import EdgeSettings
from tradeplane.audit.entry import AuditEntry
from tradeplane.auth.principal import HOME_TENANT
from tradeplane.clock import NS_PER_S
from tradeplane.encryption.seal_key import NONCE_BYTES, SealKey
from tradeplane.settings import Settings

START, CALLBACK = "/auth/oidc/start", "/auth/oidc/callback"
PUBLIC_URL = "https://venue.test"
COOKIE = "__Host-tradeplane-login"


class FixedSealer:
    """One data key, as every replica of an installation has it."""

    def __init__(self, secret: bytes = b"k" * 32) -> None:
        self._key = SealKey(1, secret)
        self._count = 0

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        self._count += 1
        return self._key.seal(self._count.to_bytes(NONCE_BYTES, "big"), plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        return self._key.open(sealed, context)


@dataclasses.dataclass
class Stage:
    """One installation, its provider, and browsers."""

    venue: Any
    system: IdentitySystem
    identity: AuthManager
    provider: OidcDouble
    settings: Settings
    user_id: str = ""
    recorded: list[AuditEntry] = dataclasses.field(default_factory=list)
    opened: list[OidcLogins] = dataclasses.field(default_factory=list)
    browsers: list[httpx.AsyncClient] = dataclasses.field(default_factory=list)

    def replica(self, sealer: FixedSealer | None = None, **edge: int) -> Any:
        """Return the application of a further replica."""
        logins = open_logins(
            self.settings,
            sealer or FixedSealer(),
            self.identity.claim_once,
            self.system.clock,
            self.provider.transport,
        )
        self.opened.append(logins)
        ports = msgspec.structs.replace(
            self.venue.ports,
            identity=self.identity,
            external_logins=logins,
            keys=self.identity,
            audit_sink=self,
        )
        limits = {"login_limit_per_minute": 0, "address_limit_per_minute": 0, **edge}
        return build_app(ports, EdgeSettings(**limits), clock=self.system.clock)

    def observe(self, entry: AuditEntry) -> None:
        self.recorded.append(entry)

    def set_client_secret(self, secret: str) -> None:
        Path(self.settings.oidc_client_secret_file).write_text(f"{secret}\n")

    def browser(self, app: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(app, raise_app_exceptions=True)
        made = httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL)
        self.browsers.append(made)
        return made


@pytest.fixture
async def stage(venue, tmp_path: Path) -> AsyncIterator[Stage]:
    settings = Settings(
        oidc_issuer=ISSUER,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret_file=str(tmp_path / "client-secret"),
        public_url=PUBLIC_URL,
    )
    async with identity_system() as (system, identity):
        made = Stage(venue, system, identity, OidcDouble(system.clock), settings)
        made.set_client_secret(CLIENT_SECRET)
        made.user_id = await trader(identity)
        await identity.link_external(HOME_TENANT, made.user_id, ISSUER, SUBJECT, ADMIN)
        yield made
        for browser in made.browsers:
            await browser.aclose()
        for logins in made.opened:
            await logins.close()


@pytest.fixture
def app(stage: Stage) -> Any:
    return stage.replica()


@pytest.fixture
def browser(stage: Stage, app: Any) -> httpx.AsyncClient:
    return stage.browser(app)


async def begin(stage: Stage, browser: httpx.AsyncClient) -> dict[str, str]:
    """Go to the provider and log in; return what the browser brings back."""
    started = await browser.get(START)
    assert started.status_code == 302, started.text
    return stage.provider.authorize(started.headers["location"])


async def finish(browser: httpx.AsyncClient, answer: dict[str, str]) -> httpx.Response:
    return await browser.get(CALLBACK, params=answer)


def sessions(stage: Stage) -> int:
    assert stage.system.shell is not None
    return len(stage.system.shell.component.state.sessions)


def assert_refused(answer: httpx.Response, status: int = 401) -> None:
    assert answer.status_code == status, answer.text
    assert "set-cookie" not in answer.headers
    assert "access_token" not in answer.text
    for secret in (CLIENT_SECRET, SUBJECT, "code-0"):
        assert secret not in answer.text
    if status == 401:
        # Basic would make the browser ask for a password, which then goes to the wrong place.
        assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("algorithm", sorted(PRIVATE))
async def test_a_login_at_the_provider_opens_a_session_of_the_linked_user(
    stage, browser, algorithm
):
    stage.provider.algorithm = algorithm

    answer = await finish(browser, await begin(stage, browser))

    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["token_type"] == "Bearer"
    assert body["refresh_token"].startswith("tpr_")
    principal = stage.identity.authenticate_token(body["access_token"])
    assert principal.user_id == stage.user_id
    assert COOKIE not in browser.cookies


async def test_any_replica_finishes_what_another_began(stage):
    first, second = stage.browser(stage.replica()), stage.browser(stage.replica())
    brought = await begin(stage, first)
    second.cookies = first.cookies

    assert (await finish(second, brought)).status_code == 200


async def test_the_cookie_is_bound_to_the_host_and_hidden_from_scripts(stage, browser):
    started = await browser.get(START)
    name, *attributes = started.headers["set-cookie"].split("; ")

    assert name.startswith(f"{COOKIE}=")
    assert set(attributes) == {
        "Path=/",
        f"Max-Age={LIFE_S}",
        "HttpOnly",
        "SameSite=Lax",
        "Secure",
    }
    assert started.headers["cache-control"] == "no-store"
    assert started.headers["location"].startswith(f"{ISSUER}/auth?")


async def test_neither_verifier_nor_cookie_can_be_read_from_the_address(stage, browser):
    await begin(stage, browser)
    sent = stage.provider.authorized

    assert sent["code_challenge_method"] == "S256"
    assert browser.cookies[COOKIE] not in json.dumps(sent)
    assert sent["redirect_uri"] == f"{PUBLIC_URL}{CALLBACK}"
    assert sent["code_challenge"] != sent["nonce"]


async def test_two_logins_share_no_secret(stage, browser):
    await begin(stage, browser)
    first, cookie = stage.provider.authorized, browser.cookies[COOKIE]
    await begin(stage, browser)
    second = stage.provider.authorized

    assert browser.cookies[COOKIE] != cookie
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name]


# What the browser brings. Each row: its name, and how it differs from an honest answer.
BROUGHT: dict[str, Callable[[dict[str, str]], Any]] = {
    "no state": lambda brought: {**brought, "state": ""},
    "a state of nobody": lambda brought: {**brought, "state": b64(b"s" * 200)},
    "a state with one bit flipped": lambda brought: {
        **brought,
        "state": brought["state"][:-9]
        + ("A" if brought["state"][-9] != "A" else "B")
        + brought["state"][-8:],
    },
    "a truncated state": lambda brought: {**brought, "state": brought["state"][:-4]},
    "a state that is no text of ours": lambda brought: {**brought, "state": "\u00e9" * 40},
    "an endless state": lambda brought: {**brought, "state": "A" * 5_000},
    "no code": lambda brought: {"state": brought["state"], "iss": ISSUER},
    "a code of nobody": lambda brought: {**brought, "code": "code-99"},
    "a code with a line break": lambda brought: {**brought, "code": "code\r\nX: y"},
    "an endless code": lambda brought: {**brought, "code": "c" * 5_000},
    "another issuer": lambda brought: {**brought, "iss": "https://evil.test"},
    "no issuer, although the provider names it": lambda brought: {
        name: value for name, value in brought.items() if name != "iss"
    },
    "a code twice": lambda brought: [*brought.items(), ("code", "code-1")],
    "a state twice": lambda brought: [*brought.items(), ("state", brought["state"])],
    "the user's refusal": lambda brought: {
        "error": "access_denied",
        "state": brought["state"],
        "iss": ISSUER,
    },
    "an error that is markup": lambda brought: {
        "error": "<script>",
        "error_description": "<script>",
        "state": brought["state"],
        "iss": ISSUER,
    },
}


@pytest.mark.parametrize("attack", BROUGHT)
async def test_what_a_browser_must_not_bring_opens_no_session(stage, browser, attack):
    brought = BROUGHT[attack](await begin(stage, browser))

    answer = await browser.get(CALLBACK, params=brought)

    assert_refused(answer)
    assert "<script>" not in answer.text
    [entry] = stage.recorded
    assert (entry.action, entry.outcome, entry.target_id) == (
        "auth.failed",
        "failure",
        "finishExternalLogin",
    )
    assert entry.by.request_id == answer.headers["x-request-id"]
    assert sessions(stage) == 0


async def test_a_finished_login_cannot_be_finished_again(stage, browser):
    brought = await begin(stage, browser)
    cookies = dict(browser.cookies)
    assert (await finish(browser, brought)).status_code == 200
    asked = len(stage.provider.requests)

    replay = stage.browser(stage.replica())
    replay.cookies.update(cookies)
    assert_refused(await finish(replay, brought))
    # Neither with a fresh code, nor with another spelling of the same state.
    assert_refused(await finish(replay, {**brought, "code": "code-7"}))
    assert_refused(await finish(replay, {**brought, "state": brought["state"] + "="}))
    assert "/token" not in stage.provider.requests[asked:]
    assert sessions(stage) == 1


async def test_a_link_to_the_callback_logs_no_other_browser_in(stage, app, browser):
    # Login CSRF: the attacker lets the victim finish the attacker's own login.
    brought = await begin(stage, browser)
    victim, midway = stage.browser(app), stage.browser(app)
    await begin(stage, midway)

    assert_refused(await finish(victim, brought))
    assert_refused(await finish(midway, brought))
    right, wrong = f"{COOKIE}={browser.cookies[COOKIE]}", f"{COOKIE}=x"
    for twice in (f"{right}; {wrong}", f"{wrong}; {right}"):
        refused = await victim.get(CALLBACK, params=brought, headers={"cookie": twice})
        assert_refused(refused)
    # None of it has used up what the right browser can still finish.
    assert (await finish(browser, brought)).status_code == 200


async def test_a_code_of_another_login_is_not_taken(stage, app, browser):
    # Code injection: the verifier belongs to the login, so another's code is worth nothing.
    stolen = await begin(stage, stage.browser(app))
    own = await begin(stage, browser)

    assert_refused(await finish(browser, {**own, "code": stolen["code"]}))


async def test_a_login_ends_after_ten_minutes(stage, browser):
    brought = await begin(stage, browser)
    stage.system.clock.offset_ns += LIFE_S * NS_PER_S

    assert_refused(await finish(browser, brought))


@pytest.mark.parametrize("change", ["client", "key"])
async def test_a_login_of_another_installation_is_none(stage, browser, change):
    brought = await begin(stage, browser)
    if change == "client":
        stage.settings = msgspec.structs.replace(stage.settings, oidc_client_id="another")
    other = stage.browser(stage.replica(FixedSealer(b"o" * 32) if change == "key" else None))
    other.cookies = browser.cookies

    assert_refused(await finish(other, brought))


def hs256(key: bytes) -> Callable[[dict[str, Any], dict[str, Any]], str]:
    def make(header: dict[str, Any], claims: dict[str, Any]) -> str:
        unsigned = raw_token({**header, "alg": "HS256"}, claims).rsplit(".", 1)[0]
        return f"{unsigned}.{b64(hmac.digest(key, unsigned.encode(), hashlib.sha256))}"

    return make


def foreign(header: dict[str, Any], claims: dict[str, Any]) -> str:
    key = rsa.generate_private_key(65_537, 2_048)
    return jwt.encode(claims, key, "RS256", headers=header)


def with_its_own_key(header: dict[str, Any], claims: dict[str, Any]) -> str:
    key = rsa.generate_private_key(65_537, 2_048)
    row = jwt.get_algorithm_by_name("RS256").to_jwk(key.public_key(), as_dict=True)
    return jwt.encode(claims, key, "RS256", headers={**header, "jwk": row})


# How an identity token is made that must prove nothing.
FORGED: dict[str, Callable[[dict[str, Any], dict[str, Any]], str]] = {
    "alg none": lambda header, claims: raw_token({**header, "alg": "none"}, claims),
    "alg None, without kid": lambda _header, claims: raw_token({"alg": "None"}, claims),
    "HS256 with the client secret": hs256(CLIENT_SECRET.encode()),
    "HS256 with the public key": hs256(json.dumps(public_jwk("RS256")).encode()),
    "another's key": foreign,
    "a key that it brings itself": with_its_own_key,
    "a signature of another algorithm": lambda header, claims: jwt.encode(
        claims, PRIVATE["ES256"], "ES256", headers={**header, "alg": "ES256", "kid": "RS256"}
    ),
    "a cut signature": lambda header, claims: jwt.encode(
        claims, PRIVATE["RS256"], "RS256", headers=header
    )[:-4],
    "no token": lambda _header, _claims: "token",
    "a list for claims": lambda header, _claims: raw_token(header, [], b"s"),  # type: ignore[arg-type]
    "an endless token": lambda _header, _claims: "e" * 20_000,
}


@pytest.mark.parametrize("attack", FORGED)
async def test_a_forged_identity_token_opens_no_session(stage, browser, attack):
    stage.provider.make_token = FORGED[attack]

    assert_refused(await finish(browser, await begin(stage, browser)))
    assert sessions(stage) == 0


HOUR = 3_600
# Claims and header of a token that is signed by the right key.
CLAIMS: dict[str, Callable[[int], dict[str, Any]]] = {
    "wrong issuer": lambda _: {"iss": "https://evil.test"},
    "issuer with a slash more": lambda _: {"iss": f"{ISSUER}/"},
    "wrong audience": lambda _: {"aud": "another"},
    "no audience": lambda _: {"aud": None},
    "an empty audience": lambda _: {"aud": []},
    "two audiences, nobody authorized": lambda _: {"aud": [CLIENT_ID, "another"]},
    "two audiences, another authorized": lambda _: {
        "aud": [CLIENT_ID, "another"],
        "azp": "another",
    },
    "another authorized party": lambda _: {"azp": "another"},
    "wrong nonce": lambda _: {"nonce": "another"},
    "no nonce": lambda _: {"nonce": None},
    "expired": lambda now: {"exp": now - 31},
    "no expiry": lambda _: {"exp": None},
    "an expiry in words": lambda _: {"exp": "never"},
    "made long ago": lambda now: {"iat": now - HOUR, "exp": now + HOUR},
    "made in the future": lambda now: {"iat": now + HOUR},
    "no time of making": lambda _: {"iat": None},
    "not valid yet": lambda now: {"nbf": now + HOUR},
    "no subject": lambda _: {"sub": None},
    "an empty subject": lambda _: {"sub": ""},
    "a subject that is a number": lambda _: {"sub": 248_289_761_001},
    "an endless subject": lambda _: {"sub": "s" * 256},
    "another's subject": lambda _: {"sub": "another"},
}


@pytest.mark.parametrize("attack", CLAIMS)
async def test_a_token_that_says_something_else_opens_no_session(stage, browser, attack):
    now_s = stage.system.clock.wall_ns() // NS_PER_S
    stage.provider.claims = CLAIMS[attack](now_s)

    answer = await finish(browser, await begin(stage, browser))

    assert answer.status_code == 401, answer.text
    assert sessions(stage) == 0


@pytest.mark.parametrize(
    "header",
    [
        {"kid": "unknown"},
        {"kid": None},
        {"kid": "ES256"},
        {"jku": "https://evil.test/jwks"},
        {"x5u": "https://evil.test/certificate"},
        {"crit": ["exp"]},
        {"zip": "DEF"},
    ],
    ids=json.dumps,
)
async def test_a_header_that_chooses_key_or_rules_opens_no_session(stage, browser, header):
    def make(honest: dict[str, Any], claims: dict[str, Any]) -> str:
        changed = {name: value for name, value in {**honest, **header}.items() if value is not None}
        unsigned = raw_token(changed, claims).rsplit(".", 1)[0]
        kind = jwt.get_algorithm_by_name("RS256")
        return f"{unsigned}.{b64(kind.sign(unsigned.encode(), PRIVATE['RS256']))}"

    stage.provider.make_token = make

    assert_refused(await finish(browser, await begin(stage, browser)))
    assert "evil" not in json.dumps(stage.provider.requests)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda row: {**row, "use": "enc"},
        lambda row: {**row, "alg": "PS256"},
        lambda row: {**row, "kty": "oct", "k": b64(b"k" * 32)},
        lambda row: {**row, "n": b64(b"\xff" * 128)},
        lambda row: {**row, "n": "%"},
        lambda row: {name: value for name, value in row.items() if name != "kid"},
    ],
    ids=["for encryption", "of another algorithm", "shared", "short", "malformed", "without id"],
)
async def test_a_key_that_is_not_for_this_checks_nothing(stage, browser, spoil):
    stage.provider.keys = [spoil(public_jwk("RS256")), public_jwk("ES256")]

    assert_refused(await finish(browser, await begin(stage, browser)))


@pytest.mark.parametrize("step", [1, -1])
async def test_an_id_that_two_keys_have_names_neither(stage, browser, step):
    stage.provider.keys = [public_jwk("RS256"), public_jwk("ES256", kid="RS256")][::step]

    assert_refused(await finish(browser, await begin(stage, browser)))


async def test_a_new_key_is_fetched_but_unknown_ids_cannot_make_it_ask_without_end(stage, browser):
    stage.provider.keys = [public_jwk("ES256")]
    assert_refused(await finish(browser, await begin(stage, browser)))
    stage.provider.keys.append(public_jwk("RS256"))

    for _ in range(3):
        assert_refused(await finish(browser, await begin(stage, browser)))
    assert stage.provider.requests.count("/jwks") == 1

    stage.system.clock.offset_ns += 10 * NS_PER_S
    assert (await finish(browser, await begin(stage, browser))).status_code == 200
    assert stage.provider.requests.count("/jwks") == 2


async def test_a_key_that_the_provider_withdraws_is_forgotten_within_an_hour(stage, browser):
    assert (await finish(browser, await begin(stage, browser))).status_code == 200
    stage.provider.keys = [public_jwk("ES256")]
    stage.system.clock.offset_ns += (HOUR + 1) * NS_PER_S

    assert_refused(await finish(browser, await begin(stage, browser)))


async def test_who_is_linked_to_nobody_or_disabled_gets_in_no_more(stage, browser):
    await stage.identity.disable_user(HOME_TENANT, stage.user_id, ADMIN)
    assert_refused(await finish(browser, await begin(stage, browser)))
    await stage.identity.enable_user(HOME_TENANT, stage.user_id, ADMIN)
    assert (await finish(browser, await begin(stage, browser))).status_code == 200
    await stage.identity.unlink_external(HOME_TENANT, stage.user_id, ISSUER, ADMIN)
    assert_refused(await finish(browser, await begin(stage, browser)))


def unreachable(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def hanging(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("silence", request=request)


# What a provider in trouble answers.
TROUBLE: dict[str, Callable[[httpx.Request], httpx.Response]] = {
    "unreachable": unreachable,
    "hanging": hanging,
    "failing": lambda _: httpx.Response(500),
    "over its limit": lambda _: httpx.Response(429),
    "redirecting": lambda _: httpx.Response(302, headers={"location": "https://evil.test"}),
    "gone": lambda _: httpx.Response(404),
    "in words": lambda _: httpx.Response(200, text="<html>"),
    "of another type": lambda _: httpx.Response(200, json=[1]),
    "deep": lambda _: httpx.Response(200, text="[" * 100_000),
    "endless": lambda _: httpx.Response(200, content=b" " * 140_000 + b"{}"),
    "compressed": lambda _: httpx.Response(
        200, content=b"x" * 10, headers={"content-encoding": "compress"}
    ),
}
PLACES = {"start": "/.well-known/openid-configuration", "token": "/token", "keys": "/jwks"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("trouble", TROUBLE)
async def test_a_provider_in_trouble_is_answered_503_and_the_login_begins_anew(
    stage, browser, trouble, place
):
    def answer(request: httpx.Request) -> httpx.Response:
        return TROUBLE[trouble](request)

    stage.provider.answers[PLACES[place]] = answer
    if place == "start":
        answered = await browser.get(START)
    else:
        answered = await finish(browser, await begin(stage, browser))

    assert_refused(answered, 503)
    assert answered.headers["retry-after"] == "1"
    assert "evil.test" not in json.dumps(stage.provider.requests)

    stage.provider.answers.clear()
    stage.system.clock.offset_ns += 10 * NS_PER_S
    assert (await finish(browser, await begin(stage, browser))).status_code == 200


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable"])
async def test_a_provider_that_says_it_is_in_trouble_is_answered_503(stage, browser, error):
    brought = await begin(stage, browser)
    answer = {"error": error, "state": brought["state"], "iss": ISSUER}

    assert_refused(await finish(browser, answer), 503)


async def test_a_provider_that_is_down_is_asked_once_a_second(stage, browser):
    stage.provider.answers[PLACES["start"]] = unreachable
    for _ in range(5):
        assert_refused(await browser.get(START), 503)
    assert len(stage.provider.requests) == 1

    stage.system.clock.offset_ns += NS_PER_S
    assert_refused(await browser.get(START), 503)
    assert len(stage.provider.requests) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"issuer": "https://evil.test"},
        {"issuer": f"{ISSUER}/"},
        {"authorization_endpoint": "http://provider.test/auth"},
        {"token_endpoint": "http://169.254.169.254/latest"},
        {"jwks_uri": "file:///etc/passwd"},
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
        {"code_challenge_methods_supported": ["plain"]},
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    ],
    ids=json.dumps,
)
async def test_a_provider_that_does_not_fit_is_not_used(stage, browser, change):
    stage.provider.configuration.update(change)

    assert_refused(await browser.get(START), 500)
    assert set(stage.provider.requests) == {PLACES["start"]}


async def test_a_client_that_the_provider_does_not_know_is_the_operators_business(stage, browser):
    stage.set_client_secret("wrong")
    other = stage.browser(stage.replica())

    answer = await finish(other, await begin(stage, other))

    assert_refused(answer, 500)
    assert "CLIENT" not in answer.text


async def test_a_login_counts_to_the_address(stage):
    browser = stage.browser(stage.replica(login_limit_per_minute=2))
    await browser.get(START)
    await browser.get(CALLBACK)

    assert (await browser.get(START)).status_code == 429


async def test_without_a_provider_there_are_no_such_routes(stage):
    ports = msgspec.structs.replace(stage.venue.ports, identity=stage.identity)
    browser = stage.browser(build_app(ports, EdgeSettings(), clock=stage.system.clock))

    assert (await browser.get(START)).status_code == 404
    assert START not in (await browser.get("/openapi.json")).json()["paths"]


async def test_the_routes_are_documented_as_they_answer(stage, browser):
    paths = (await browser.get("/openapi.json")).json()["paths"]

    assert {"302", "429", "500", "503"} <= set(paths[START]["get"]["responses"])
    assert {"200", "401", "429", "500", "503"} <= set(paths[CALLBACK]["get"]["responses"])
    assert paths[START]["get"]["security"] == []
