"""Access tokens in requests: they open what keys open, and tricks with them open nothing."""

import asyncio
import base64
import json

import jwt
import pytest
import uvicorn
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from identity_system import ADMIN

from tradeplane.auth.queries import FindSigningSecret
from tradeplane.auth.tokens import Claims, make_token
from tradeplane.auth.wanted import KeyWanted
from tradeplane.clock import NS_PER_S

REFUSED = {"code": 40110000, "message": "unauthorized."}


def part(value: object) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


async def status(edge, token: str, path: str = "/v2/account", **headers: str) -> int:
    async with edge.client(token, **headers) as http:
        answer = await http.get(path)
    if answer.status_code == 401:
        assert answer.json() == REFUSED
    return answer.status_code


async def test_a_token_opens_the_users_first_account_as_a_key_does(edge):
    tess = await edge.person("tess")
    key = await edge.manager.create_key("default", KeyWanted(tess.account_id), ADMIN)
    keyed = {"APCA-API-KEY-ID": key.key.key_id, "APCA-API-SECRET-KEY": key.secret_key}
    tokens = await edge.log_in("tess")

    async with edge.client(tokens["access_token"]) as http:
        by_token = await http.get("/v2/account")
    async with edge.client() as http:
        by_key = await http.get("/v2/account", headers=keyed)

    assert by_token.status_code == 200
    assert by_token.json() == by_key.json()
    assert by_token.json()["id"] == tess.account_id


async def test_a_header_picks_one_of_the_accounts_within_reach(edge):
    tess = await edge.person("tess")
    second = await edge.account(tess.user_id)
    other = await edge.person("otto")
    rival = await edge.person("rita", tenant_id=await edge.tenant("rival"))
    await edge.person("olga", "operator", account=False)
    tess_token = (await edge.log_in("tess"))["access_token"]
    olga_token = (await edge.log_in("olga"))["access_token"]

    async def shown(token: str, account_id: str) -> str | int:
        async with edge.client(token, X_Tradeplane_Account=account_id) as http:
            answer = await http.get("/v2/account")
        return answer.json()["id"] if answer.status_code == 200 else answer.status_code

    assert await shown(tess_token, second) == second
    assert await shown(tess_token, second.upper()) == second
    assert await shown(olga_token, tess.account_id) == tess.account_id
    assert await shown(tess_token, other.account_id) == 404
    assert await shown(tess_token, rival.account_id) == 404
    assert await shown(olga_token, rival.account_id) == 404
    assert await shown(tess_token, "../" + second) == 422
    assert await shown(tess_token, "") == 422


async def test_a_key_opens_its_own_account_whatever_the_header_says(edge):
    tess = await edge.person("tess")
    second = await edge.account(tess.user_id)
    key = await edge.manager.create_key("default", KeyWanted(tess.account_id), ADMIN)
    keyed = {"APCA-API-KEY-ID": key.key.key_id, "APCA-API-SECRET-KEY": key.secret_key}
    async with edge.client() as http:
        own = await http.get(
            "/v2/account", headers={**keyed, "X-Tradeplane-Account": key.key.account_id}
        )
        other = await http.get("/v2/account", headers={**keyed, "X-Tradeplane-Account": second})

    assert (own.status_code, other.status_code) == (200, 404)


async def test_two_kinds_of_credentials_are_refused_whatever_they_are_worth(edge):
    tess = await edge.person("tess")
    key = await edge.manager.create_key("default", KeyWanted(tess.account_id), ADMIN)
    token = (await edge.log_in("tess"))["access_token"]
    basic = base64.b64encode(f"{key.key.key_id}:{key.secret_key}".encode()).decode()
    keyed = {"APCA-API-KEY-ID": key.key.key_id, "APCA-API-SECRET-KEY": key.secret_key}
    bearer, vault = {"Authorization": f"Bearer {token}"}, {"X-Vault-Token": token}
    alone = [keyed, bearer, {"Authorization": f"Basic {basic}"}]
    both = [
        {**keyed, **bearer},
        {**keyed, "Authorization": f"Basic {basic}"},
        {**keyed, **vault},
        {**bearer, **vault},
        {**bearer, "APCA-API-KEY-ID": key.key.key_id},
    ]
    async with edge.client() as http:
        assert [(await http.get("/v2/clock", headers=each)).status_code for each in alone] == [
            200
        ] * 3
        assert [(await http.get("/v2/clock", headers=each)).status_code for each in both] == [
            401
        ] * 5


async def test_a_vault_token_opens_nothing_but_transit(edge):
    await edge.person("tess")
    token = (await edge.log_in("tess"))["access_token"]
    async with edge.client(X_Vault_Token=token) as http:
        for path in ("/v2/account", "/auth/me", "/admin/users"):
            assert (await http.get(path)).status_code == 401


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer",
        b"Bearer ",
        b"Bearer  {token}",
        b"Bearer {token} {token}",
        b"Bearer {token}\xff",
        b"Bearer {token},{token}",
        b"Bearer" + b" " * 4_200 + b"{token}",
        b"Bearer " + b"a" * 10_000,
        b"Token {token}",
        b"Basic {token}",
        b"{token}",
        b"\xe2\x82\xac",
    ],
)
async def test_a_malformed_authorization_is_refused(edge, value):
    await edge.person("tess")
    token = (await edge.log_in("tess"))["access_token"].encode()
    async with edge.client() as http:
        header = value.replace(b"{token}", token)
        answer = await http.get("/v2/account", headers=[(b"Authorization", header)])

    assert (answer.status_code, answer.json()) == (401, REFUSED)


@pytest.mark.parametrize("name", ["Authorization", "X-Tradeplane-Account", "APCA-API-KEY-ID"])
async def test_a_header_that_decides_must_not_be_there_twice(edge, name):
    tess = await edge.person("tess")
    token = (await edge.log_in("tess"))["access_token"]
    value = {"Authorization": f"Bearer {token}", "X-Tradeplane-Account": tess.account_id}
    twice = [(name, value.get(name, "x"))] * 2
    async with edge.client() as http:
        request = http.build_request("GET", "/v2/account", headers=twice)
        answer = await http.send(request)

    assert answer.status_code == 422
    assert "must be there once" in answer.json()["message"]


async def test_the_scheme_is_written_in_any_case(edge):
    await edge.person("tess")
    token = (await edge.log_in("tess"))["access_token"]
    async with edge.client() as http:
        answer = await http.get("/v2/account", headers={"Authorization": f"bEaReR {token}"})

    assert answer.status_code == 200


class Forge:
    """What an attacker makes of a good token, and of the key that signs, if it got out."""

    def __init__(self, token: str, kid: str, seed: bytes) -> None:
        self.token, self.kid, self.seed = token, kid, seed
        head, body, _ = token.split(".")
        self.header = json.loads(base64.urlsafe_b64decode(head + "=="))
        self.claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        private = Ed25519PrivateKey.from_private_bytes(seed)
        self.public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.mine = Ed25519PrivateKey.generate()

    def signed(self, **claims: object) -> str:
        """Return a token of the true key that says something else."""
        return make_token(self.kid, self.seed, Claims(**{**self.claims, **claims}))

    def with_header(self, **header: object) -> str:
        """Return the claims under another header, signed with a key of the attacker's."""
        signed = f"{part({**self.header, **header})}.{part(self.claims)}"
        return f"{signed}.{part(self.mine.sign(signed.encode()))}"

    def true_header(self, **header: object) -> str:
        """Return the claims under another header, signed with the true key."""
        signed = f"{part({**self.header, **header})}.{part(self.claims)}"
        true = Ed25519PrivateKey.from_private_bytes(self.seed)
        return f"{signed}.{part(true.sign(signed.encode()))}"


def unsigned(forge: Forge) -> str:
    return f"{part({**forge.header, 'alg': 'none'})}.{part(forge.claims)}."


def confused(forge: Forge) -> str:
    return jwt.encode(forge.claims, forge.public, "HS256", {"kid": forge.kid, "typ": "at+jwt"})


def tampered(forge: Forge) -> str:
    head, _, signature = forge.token.split(".")
    return f"{head}.{part({**forge.claims, 'sub': 'another'})}.{signature}"


ATTACKS = {
    "alg none": unsigned,
    "alg None": lambda f: f.true_header(alg="None"),
    "HS256 with the public key": confused,
    "another key": lambda f: f.with_header(),
    "jku": lambda f: f.with_header(jku="https://evil.example/jwks.json"),
    "x5u": lambda f: f.with_header(x5u="https://evil.example/cert.pem"),
    "jwk": lambda f: f.with_header(
        jwk={"kty": "OKP", "crv": "Ed25519", "x": part(f.mine.public_key().public_bytes_raw())}
    ),
    "jku under the true key": lambda f: f.true_header(jku="https://evil.example/jwks.json"),
    "crit": lambda f: f.true_header(crit=["exp"]),
    "kid as a path": lambda f: f.with_header(kid="../../../../dev/null"),
    "kid as a query": lambda f: f.with_header(kid="' UNION SELECT 'secret"),
    "kid as a list": lambda f: f.with_header(kid=[f.kid]),
    "kid missing": lambda f: f.with_header(kid=None),
    "wrong audience": lambda f: f.signed(aud="another"),
    "wrong issuer": lambda f: f.signed(iss="http://venue.test.evil.example"),
    "wrong type": lambda f: f.true_header(typ="JWT"),
    "expired": lambda f: f.signed(exp=f.claims["iat"] - 1),
    "not yet valid": lambda f: f.signed(nbf=f.claims["iat"] + 60),
    "from the future": lambda f: f.signed(iat=f.claims["iat"] + 60),
    "tampered": tampered,
    "truncated": lambda f: f.token[:-4],
    "without a signature": lambda f: f.token.rpartition(".")[0] + ".",
    "two parts": lambda f: f.token.rpartition(".")[0],
    "padded": lambda f: f.token + "==",
    "five parts": lambda f: f"{f.token}.{f.token}",
    "a user of another firm's id": lambda f: f.signed(sub="0" * 8),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_forged_token_opens_nothing(edge, attack):
    await edge.person("tess")
    token = (await edge.log_in("tess"))["access_token"]
    secret = await edge.system.shell.look(FindSigningSecret())
    forge = Forge(token, secret.kid, bytes.fromhex(secret.seed))
    if attack == "a user of another firm's id":
        await edge.later(10)

    assert await status(edge, token) == 200
    assert await status(edge, ATTACKS[attack](forge)) == 401


async def test_the_forge_makes_good_tokens_when_it_changes_nothing(edge):
    await edge.person("tess")
    token = (await edge.log_in("tess"))["access_token"]
    secret = await edge.system.shell.look(FindSigningSecret())
    forge = Forge(token, secret.kid, bytes.fromhex(secret.seed))

    assert await status(edge, forge.signed()) == 200
    assert await status(edge, forge.true_header()) == 200


async def test_a_token_that_was_good_is_refused_after_its_end(edge):
    await edge.person("tess")
    token = (await edge.log_in("tess"))["access_token"]
    assert await status(edge, token) == 200
    await edge.later(301)

    assert await status(edge, token) == 401


async def test_a_refresh_token_is_no_access_token(edge):
    await edge.person("tess")
    tokens = await edge.log_in("tess")

    assert await status(edge, tokens["refresh_token"]) == 401


async def test_a_disabled_users_token_and_key_are_refused_at_once(edge):
    tess = await edge.person("tess")
    key = await edge.manager.create_key("default", KeyWanted(tess.account_id), ADMIN)
    token = (await edge.log_in("tess"))["access_token"]
    await edge.manager.disable_user("default", tess.user_id, ADMIN)

    assert await status(edge, token) == 401
    async with edge.client(
        APCA_API_KEY_ID=key.key.key_id, APCA_API_SECRET_KEY=key.secret_key
    ) as http:
        assert (await http.get("/v2/account")).status_code == 401


async def test_a_role_that_was_taken_away_is_gone_for_tokens_that_are_out(edge):
    tess = await edge.person("tess")
    token = (await edge.log_in("tess"))["access_token"]
    await edge.manager.set_role("default", tess.user_id, "researcher", ADMIN)

    assert await status(edge, token) == 403
    assert await status(edge, token, "/v2/clock") == 200


async def test_a_replica_that_is_cut_off_is_closed_not_open(edge):
    await edge.person("tess")
    token = (await edge.log_in("tess"))["access_token"]
    edge.manager.port.cut = True
    edge.system.clock.offset_ns += 6 * NS_PER_S

    assert await status(edge, token) == 503


async def test_alpaca_py_works_with_an_oauth_token(edge):
    tess = await edge.person("tess")
    token = (await edge.log_in("tess"))["access_token"]
    server = uvicorn.Server(uvicorn.Config(edge.app, port=0, log_config=None, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    [listener] = server.servers
    address = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"

    def trade() -> str:
        good = TradingClient(oauth_token=token, url_override=address)
        bad = TradingClient(oauth_token=token[:-1], url_override=address)
        try:
            with pytest.raises(APIError):
                bad.get_account()
            return str(good.get_account().id)
        finally:
            good._session.close()
            bad._session.close()

    try:
        assert await asyncio.to_thread(trade) == tess.account_id
    finally:
        server.should_exit = True
        await serving
