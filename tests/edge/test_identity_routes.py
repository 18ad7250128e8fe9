"""Logins, sessions, second factors and own keys over HTTP, and what attackers try with them."""

import asyncio
import json
from urllib.parse import parse_qs, urlsplit

import pytest
from identity_edge import IdentityEdge
from identity_system import ADMIN, PASSWORD

from serve.wire.identity_request import LoginRequest, PasswordRequest
from tradeplane.auth.mfa import step_of, totp_code
from tradeplane.auth.principal import HOME_TENANT
from tradeplane.auth.wanted import KeyWanted, UserWanted

ANOTHER_PASSWORD = "nine herons over a frozen canal"
NOBODY = "99999999-9999-4999-8999-999999999999"
WRONG = {
    "type": "about:blank",
    "title": "Unauthorized",
    "status": 401,
    "detail": "unauthorized.",
    "code": 40110000,
    "message": "unauthorized.",
}


def code_of(edge: IdentityEdge, secret: str, step: int = 0) -> str:
    return totp_code(secret, step_of(edge.system.clock.wall_ns()) + step)


async def enrolled(edge: IdentityEdge, username: str) -> tuple[str, list[str]]:
    """Give a user a second factor; return its secret and the recovery codes."""
    async with await edge.logged_in(username) as http:
        begun = (await http.post("/auth/mfa", json={"password": PASSWORD})).json()
        code = code_of(edge, begun["secret"], -1)
        confirmed = await http.post("/auth/mfa/confirm", json={"code": code})
    assert confirmed.status_code == 200, confirmed.text
    return begun["secret"], confirmed.json()["recovery_codes"]


async def test_a_login_gives_the_tokens_of_rfc_6749(edge):
    await edge.person("tess")
    tokens = await edge.log_in("tess")

    assert set(tokens) == {"access_token", "refresh_token", "token_type", "expires_in"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 300)
    async with edge.client() as http:
        answer = await http.post("/auth/login", json={"username": "tess", "password": PASSWORD})
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


async def test_a_wrong_password_and_an_unknown_user_look_alike(edge):
    await edge.person("tess")
    async with edge.client() as http:
        answers = [
            await http.post("/auth/login", json={"username": name, "password": PASSWORD + "!"})
            for name in ("tess", "nobody")
        ]

    assert [(answer.status_code, answer.json()) for answer in answers] == [(401, WRONG)] * 2


async def test_guessing_is_stopped_with_a_wait_for_users_that_exist_and_that_do_not(edge):
    await edge.person("tess")
    for name in ("tess", "nobody"):
        async with edge.client() as http:
            wrong = {"username": name, "password": "wrong"}
            answers = [await http.post("/auth/login", json=wrong) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [401] * 5 + [429]
        assert int(answers[-1].headers["retry-after"]) > 0
    async with edge.client() as http:
        right = await http.post("/auth/login", json={"username": "tess", "password": PASSWORD})
    assert right.status_code == 429


async def test_an_address_has_a_budget_of_logins(edge):
    await edge.person("tess")
    app = edge.new_app(login_limit_per_minute=3)
    async with edge.client(app=app) as http:
        body = {"username": "tess", "password": PASSWORD}
        answers = [(await http.post("/auth/login", json=body)).status_code for _ in range(5)]

    assert answers == [200] * 3 + [429] * 2


BODIES = {
    ("POST", "/auth/login"): {"username": "tess", "password": PASSWORD},
    ("POST", "/auth/refresh"): {"refresh_token": "tpr_x.y"},
    ("POST", "/auth/password"): {"old_password": PASSWORD, "new_password": ANOTHER_PASSWORD},
    ("POST", "/auth/mfa"): {"password": PASSWORD},
    ("POST", "/auth/mfa/confirm"): {"code": "123456"},
    ("DELETE", "/auth/mfa"): {"password": PASSWORD, "code": "123456"},
    ("POST", "/auth/keys"): {"account_id": NOBODY},
}


@pytest.mark.parametrize(("method", "path"), BODIES)
async def test_a_field_that_is_not_known_is_refused(edge, method, path):
    await edge.person("tess")
    body = BODIES[method, path]
    public = path in {"/auth/login", "/auth/refresh"}
    async with edge.client() if public else await edge.logged_in("tess") as http:
        for extra in ({"is_admin": True}, {"tenant_id": "rival"}, {"user_id": NOBODY}):
            answer = await http.request(method, path, json={**body, **extra})
            assert answer.status_code == 422
            assert "unknown field" in answer.json()["message"]
        for name in body:
            less = {key: value for key, value in body.items() if key != name}
            assert (await http.request(method, path, json=less)).status_code == 422
            for wrong in (1, None, [], {"$ne": ""}, True):
                answer = await http.request(method, path, json={**body, name: wrong})
                assert answer.status_code == 422
                assert PASSWORD not in answer.text


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 400),
        (b"not json", 400),
        (b'{"username": "tess"', 400),
        (b"[" * 60_000, 422),
        (b'{"username":' * 5_000, 422),
        (b"[]", 422),
        (b"null", 422),
        (b'{"username": "\xff", "password": "x"}', 400),
        (b'{"username": "tess", "password": "' + b"x" * 70_000 + b'"}', 413),
        (b'{"username": "tess", "password": "' + b"x" * 2_000 + b'"}', 422),
    ],
)
async def test_a_body_that_is_malformed_deep_or_oversized_is_refused(edge, content, status):
    async with edge.client() as http:
        answer = await http.post("/auth/login", content=content)

    assert answer.status_code == status, answer.text


async def test_a_refresh_is_repeated_honestly_and_a_reuse_ends_the_session(edge):
    await edge.person("tess")
    first = await edge.log_in("tess")
    async with edge.client() as http:

        async def refresh(token: str):
            return await http.post("/auth/refresh", json={"refresh_token": token})

        second = (await refresh(first["refresh_token"])).json()
        again = (await refresh(first["refresh_token"])).json()
        assert again["refresh_token"] == second["refresh_token"]
        third = (await refresh(second["refresh_token"])).json()
        stolen = await refresh(first["refresh_token"])
        after = await refresh(third["refresh_token"])
        me = await http.get(
            "/auth/me", headers={"Authorization": f"Bearer {third['access_token']}"}
        )

    assert stolen.status_code == after.status_code == 401
    assert stolen.json() == after.json() == WRONG
    assert me.status_code == 401


async def test_a_refresh_token_with_a_wrong_secret_burns_nothing(edge):
    await edge.person("tess")
    token = (await edge.log_in("tess"))["refresh_token"]
    session, _, _ = token.partition(".")
    async with edge.client() as http:
        for wrong in (f"{session}.{'x' * 43}", session, "", "tpr_.", token + "x", "é" * 10):
            answer = await http.post("/auth/refresh", json={"refresh_token": wrong})
            assert answer.status_code in {401, 422}
        assert (await http.post("/auth/refresh", json={"refresh_token": token})).status_code == 200


async def test_a_logout_ends_the_token_at_once(edge):
    await edge.person("tess")
    tokens = await edge.log_in("tess")
    async with edge.client(tokens["access_token"]) as http:
        assert (await http.post("/auth/logout")).status_code == 204
        assert (await http.get("/auth/me")).status_code == 401
        body = {"refresh_token": tokens["refresh_token"]}
        assert (await http.post("/auth/refresh", json=body)).status_code == 401


async def test_one_sees_oneself(edge):
    tess = await edge.person("tess")
    async with await edge.logged_in("tess") as http:
        found = (await http.get("/auth/me")).json()

    assert (found["user_id"], found["username"]) == (tess.user_id, "tess")
    assert found["accounts"] == [tess.account_id]
    assert (found["role"], found["mfa_enabled"]) == ("trader", False)


async def test_own_sessions_are_listed_and_ended_and_nobody_elses(edge):
    await edge.person("tess")
    await edge.person("adam", "admin")
    async with await edge.logged_in("tess") as one, await edge.logged_in("tess") as two:
        listed = (await one.get("/auth/sessions")).json()
        assert [row["current"] for row in listed].count(True) == 1
        [other] = [row["session_id"] for row in listed if not row["current"]]
        [own] = [row["session_id"] for row in listed if row["current"]]
        async with await edge.logged_in("adam") as admin:
            assert (await admin.delete(f"/auth/sessions/{own}")).status_code == 404
        assert (await one.delete(f"/auth/sessions/{other}")).status_code == 204
        assert (await two.get("/auth/me")).status_code == 401
        assert (await one.delete(f"/auth/sessions/{other}")).status_code == 404
        assert (await one.delete("/auth/sessions/1")).status_code == 422
        assert (await one.delete("/auth/sessions")).json() == {"ended": 1}
        assert (await one.get("/auth/me")).status_code == 401


async def test_a_new_password_ends_the_other_sessions(edge):
    await edge.person("tess")
    async with await edge.logged_in("tess") as one, await edge.logged_in("tess") as two:

        async def change(old: str, new: str):
            body = {"old_password": old, "new_password": new}
            return await one.post("/auth/password", json=body)

        assert (await change("wrong", ANOTHER_PASSWORD)).status_code == 401
        short = await change(PASSWORD, "too short")
        assert (short.status_code, "15" in short.json()["message"]) == (422, True)
        assert (await change(PASSWORD, ANOTHER_PASSWORD)).status_code == 204
        assert (await two.get("/auth/me")).status_code == 401
        assert (await one.get("/auth/me")).status_code == 200
    await edge.log_in("tess", ANOTHER_PASSWORD)


async def test_a_temporary_password_opens_nothing_but_its_own_change(edge):
    made = await edge.manager.create_user(HOME_TENANT, UserWanted("newt"), ADMIN)
    await edge.account(made.user.user_id)
    tokens = await edge.log_in("newt", made.password)
    assert tokens["scope"] == "self:manage"
    async with edge.client(tokens["access_token"]) as http:
        assert (await http.get("/v2/account")).status_code == 403
        body = {"account_id": NOBODY}
        assert (await http.post("/auth/keys", json=body)).status_code == 403
        body = {"old_password": made.password, "new_password": ANOTHER_PASSWORD}
        assert (await http.post("/auth/password", json=body)).status_code == 204
    async with await edge.logged_in("newt", ANOTHER_PASSWORD) as http:
        assert (await http.get("/v2/account")).status_code == 200


async def test_a_second_factor_is_enrolled_asked_for_and_taken_away(edge):
    await edge.person("tess")
    async with await edge.logged_in("tess") as http:
        wrong = await http.post("/auth/mfa", json={"password": "wrong"})
        begun = (await http.post("/auth/mfa", json={"password": PASSWORD})).json()
        facts = parse_qs(urlsplit(begun["otpauth_uri"]).query)
        assert (wrong.status_code, facts["secret"]) == (401, [begun["secret"]])
        code = code_of(edge, begun["secret"])
        assert (await http.post("/auth/mfa/confirm", json={"code": "000000"})).status_code == 401
        assert (await http.post("/auth/mfa/confirm", json={"code": code})).status_code == 200
        assert (await http.get("/auth/me")).json()["mfa_enabled"] is True
        await edge.later(30)
        body = {"username": "tess", "password": PASSWORD}
        asked = await http.post("/auth/login", json=body)
        assert (asked.status_code, asked.json()["code"]) == (401, 40110001)
        later = code_of(edge, begun["secret"])
        assert (await http.post("/auth/login", json={**body, "otp": later})).status_code == 200
        await edge.later(30)
        end = {"password": PASSWORD, "code": code_of(edge, begun["secret"])}
        assert (await http.request("DELETE", "/auth/mfa", json=end)).status_code == 204
        assert (await http.post("/auth/login", json=body)).status_code == 200
        assert (await http.request("DELETE", "/auth/mfa", json=end)).status_code == 404


async def test_a_code_is_good_once_and_a_recovery_code_too(edge):
    await edge.person("tess")
    secret, recovery = await enrolled(edge, "tess")
    code = code_of(edge, secret)
    async with edge.client() as http:

        async def login(otp: str) -> int:
            body = {"username": "tess", "password": PASSWORD, "otp": otp}
            return (await http.post("/auth/login", json=body)).status_code

        assert await login(code) == 200
        assert await login(code) == 401
        assert await login(recovery[0]) == 200
        assert await login(recovery[0]) == 401


async def test_guessed_codes_lock_even_with_the_right_password(edge):
    await edge.person("tess")
    secret, _ = await enrolled(edge, "tess")
    async with edge.client() as http:
        body = {"username": "tess", "password": PASSWORD}
        guesses = [
            (await http.post("/auth/login", json={**body, "otp": f"00000{n}"})).status_code
            for n in range(6)
        ]
        right = await http.post("/auth/login", json={**body, "otp": code_of(edge, secret)})

    assert guesses == [401] * 5 + [429]
    assert right.status_code == 429


async def test_own_keys_are_made_listed_and_ended(edge):
    tess = await edge.person("tess")
    async with await edge.logged_in("tess") as http:
        wanted = {
            "account_id": tess.account_id,
            "scopes": ["account:read"],
            "expires_at": "2100-01-01T00:00:00Z",
        }
        made = (await http.post("/auth/keys", json=wanted)).json()
        listed = (await http.get("/auth/keys")).json()
        key_id = made["key"]["key_id"]
        keyed = {"APCA_API_KEY_ID": key_id, "APCA_API_SECRET_KEY": made["secret_key"]}
        async with edge.client(**keyed) as by_key:
            assert (await by_key.get("/v2/account")).status_code == 200
            assert (await by_key.get("/v2/clock")).status_code == 403
            assert (await http.delete(f"/auth/keys/{key_id}")).status_code == 204
            assert (await by_key.get("/v2/account")).status_code == 401
        assert (await http.delete(f"/auth/keys/{key_id}")).status_code == 404

    assert listed == {"keys": [made["key"]], "next": None}
    assert made["key"]["expires_at"] == "2100-01-01T00:00:00Z"
    assert made["key"]["scopes"] == ["account:read"]


async def test_a_repetition_of_a_creation_makes_one_key(edge):
    tess = await edge.person("tess")
    otto = await edge.person("otto")
    named = {"Idempotency-Key": "once"}
    async with await edge.logged_in("tess") as http:
        body = {"account_id": tess.account_id}
        first = await http.post("/auth/keys", json=body, headers=named)
        again = await http.post("/auth/keys", json=body, headers=named)
        other = await http.post("/auth/keys", json={**body, "role": "researcher"}, headers=named)
        bad = await http.post("/auth/keys", json=body, headers={"Idempotency-Key": "a b"})
        assert len((await http.get("/auth/keys")).json()["keys"]) == 1
        key_id = first.json()["key"]["key_id"]
        assert (await http.delete(f"/auth/keys/{key_id}")).status_code == 204
        revived = await http.post("/auth/keys", json=body, headers=named)
    async with await edge.logged_in("otto") as http:
        theirs = await http.post("/auth/keys", json={"account_id": otto.account_id}, headers=named)

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == {"key": first.json()["key"], "secret_key": None}
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, bad.status_code, revived.status_code) == (422, 422, 422)
    assert theirs.status_code == 201


async def test_nobody_makes_or_ends_keys_of_anothers_account(edge):
    tess = await edge.person("tess")
    rita = await edge.person("rita", tenant_id=await edge.tenant("rival"))
    await edge.person("adam", "admin")
    key = await edge.manager.create_key(HOME_TENANT, KeyWanted(tess.account_id), ADMIN)
    for name in ("rita", "adam"):
        async with await edge.logged_in(name) as http:
            body = {"account_id": tess.account_id}
            assert (await http.post("/auth/keys", json=body)).status_code == 404
            assert (await http.delete(f"/auth/keys/{key.key.key_id}")).status_code == 404
            assert (await http.get("/auth/keys")).json()["keys"] == []
    async with await edge.logged_in("tess") as http:
        body = {"account_id": rita.account_id}
        assert (await http.post("/auth/keys", json=body)).status_code == 404


async def test_a_key_is_never_more_than_its_owner(edge):
    tess = await edge.person("tess")
    async with await edge.logged_in("tess") as http:
        for role in ("admin", "operator", "auditor"):
            body = {"account_id": tess.account_id, "role": role}
            assert (await http.post("/auth/keys", json=body)).status_code == 403
        body = {"account_id": tess.account_id, "scopes": ["everything"]}
        assert (await http.post("/auth/keys", json=body)).status_code == 422
        body = {"account_id": tess.account_id, "expires_at": "2001-01-01T00:00:00Z"}
        assert (await http.post("/auth/keys", json=body)).status_code == 422


async def test_a_key_acts_for_its_account_and_not_for_the_person(edge):
    tess = await edge.person("tess")
    key = await edge.manager.create_key(HOME_TENANT, KeyWanted(tess.account_id), ADMIN)
    keyed = {"APCA_API_KEY_ID": key.key.key_id, "APCA_API_SECRET_KEY": key.secret_key}
    async with edge.client(**keyed) as http:
        for method, path, body in (
            ("POST", "/auth/keys", {"account_id": tess.account_id}),
            ("DELETE", f"/auth/keys/{key.key.key_id}", None),
            ("POST", "/auth/password", BODIES["POST", "/auth/password"]),
            ("POST", "/auth/mfa", {"password": PASSWORD}),
            ("DELETE", "/auth/sessions", None),
            ("POST", "/auth/logout", None),
        ):
            answer = await http.request(method, path, json=body)
            assert answer.status_code == 403, (method, path)


async def test_pages_of_keys_follow_each_other_without_gap(edge):
    tess = await edge.person("tess")
    async with await edge.logged_in("tess") as http:
        for _ in range(5):
            await http.post("/auth/keys", json={"account_id": tess.account_id})
        whole = [row["key_id"] for row in (await http.get("/auth/keys")).json()["keys"]]
        found: list[str] = []
        after = ""
        while after is not None:
            answer = await http.get("/auth/keys", params={"limit": 2, "after": after})
            body = answer.json()
            assert 1 <= len(body["keys"]) <= 2
            found += [row["key_id"] for row in body["keys"]]
            after = body["next"]
        for query in ({"limit": 0}, {"limit": 201}, {"limit": "x"}, {"after": "x" * 101}):
            assert (await http.get("/auth/keys", params=query)).status_code == 422

    assert found == whole == sorted(whole)
    assert len(whole) == 5


async def test_while_identity_is_away_nobody_gets_in(edge):
    await edge.person("tess")
    await edge.system.kill()
    edge.system.clock.offset_ns += 6 * 10**9
    async with edge.client() as http:
        for path, body in (
            ("/auth/login", {"username": "tess", "password": PASSWORD}),
            ("/auth/refresh", {"refresh_token": "tpr_x.y"}),
        ):
            assert (await http.post(path, json=body)).status_code == 503


def test_requests_do_not_show_their_secrets():
    shown = repr((LoginRequest("tess", PASSWORD, "123456"), PasswordRequest(PASSWORD, PASSWORD)))

    assert PASSWORD not in shown
    assert "123456" not in shown
    assert json.dumps(PASSWORD) not in shown


async def test_many_clients_that_refresh_at_once_get_one_successor(edge):
    await edge.person("tess")
    first = await edge.log_in("tess")
    async with edge.client() as http:
        body = {"refresh_token": first["refresh_token"]}
        answers = await asyncio.gather(*(http.post("/auth/refresh", json=body) for _ in range(20)))
        [successor] = {answer.json()["refresh_token"] for answer in answers}
        again = await http.post("/auth/refresh", json={"refresh_token": successor})
    async with edge.client(first["access_token"]) as http:
        sessions = (await http.get("/auth/sessions")).json()

    assert {answer.status_code for answer in answers} == {200}
    assert again.status_code == 200
    assert len(sessions) == 1


@pytest.mark.parametrize(
    "username", ["te\0ss", "tess\n", "TESS ", "\u202etess", "te\u0301ss", "x" * 256, "' OR 1=1 --"]
)
async def test_a_name_that_nobody_has_is_nobody(edge, username):
    await edge.person("tess")
    async with edge.client() as http:
        body = {"username": username, "password": PASSWORD}
        answer = await http.post("/auth/login", json=body)

    assert (answer.status_code, answer.json()) == (401, WRONG)


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00\\ud800"])
async def test_half_a_character_is_refused(edge, escape):
    await edge.person("tess")
    async with edge.client() as http:
        for name, other in (("username", "password"), ("password", "username")):
            content = f'{{"{name}": "{escape}", "{other}": "tess"}}'.encode()
            answer = await http.post("/auth/login", content=content)
            assert answer.status_code in {400, 401}
