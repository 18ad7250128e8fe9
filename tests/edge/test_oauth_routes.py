"""OAuth 2.1 over HTTP: the flows that clients need, and the attacks of RFC 9700."""

import base64
import re
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest
from identity_edge import REDIRECT, VERIFIER, IdentityEdge, authorization, sealed_request
from identity_system import ADMIN, ISSUER, PASSWORD

from tradeplane.auth.mfa import step_of, totp_code
from tradeplane.auth.principal import HOME_TENANT
from tradeplane.auth.wanted import ClientWanted, UserWanted

CREDENTIALS = {"username": "tess", "password": PASSWORD, "decision": "allow"}


def told(answer: httpx.Response) -> dict[str, str]:
    """Return what a redirect tells the client."""
    assert answer.status_code == 303, answer.text
    location = answer.headers["location"]
    assert location.startswith(REDIRECT), location
    return {name: value for name, [value] in parse_qs(urlsplit(location).query).items()}


async def opened(http: httpx.AsyncClient, client_id: str, **changes: str | None) -> str:
    """Open the login page; return what its form carries."""
    page = await http.get("/oauth/authorize", params=authorization(client_id, **changes))
    assert page.status_code == 200, page.text
    return sealed_request(page.text)


async def code_for(edge: IdentityEdge, client_id: str, **changes: str | None) -> str:
    async with edge.client() as http:
        request = await opened(http, client_id, **changes)
        answer = await http.post("/oauth/authorize", data={**CREDENTIALS, "request": request})
    return told(answer)["code"]


async def token(edge: IdentityEdge, form: dict, auth=None, status: int = 200) -> dict:
    async with edge.client() as http:
        answer = await http.post("/oauth/token", data=form, auth=auth)
    assert answer.status_code == status, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def redemption(client_id: str, good: str, /, **changes: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "client_id": client_id,
        "code": good,
        "redirect_uri": REDIRECT,
        "code_verifier": VERIFIER,
        **changes,
    }


async def public_client(edge: IdentityEdge, **fields) -> str:
    return (await edge.oauth_client(**fields)).client.client_id


async def test_a_person_lets_a_client_act_within_its_scopes(edge):
    tess = await edge.person("tess")
    client_id = await public_client(edge)
    async with edge.client() as http:
        request = await opened(http, client_id, scope="account:read")
        answer = await http.post("/oauth/authorize", data={**CREDENTIALS, "request": request})
    back = told(answer)
    assert back["state"] == "a state of the client's"
    assert back["iss"] == ISSUER
    tokens = await token(edge, redemption(client_id, back["code"]))

    assert (tokens["token_type"], tokens["scope"]) == ("Bearer", "account:read")
    async with edge.client(tokens["access_token"]) as http:
        assert (await http.get("/v2/account")).json()["id"] == tess.account_id
        assert (await http.get("/v2/clock")).status_code == 403
        assert (await http.delete("/v2/orders")).status_code == 403
        assert (
            await http.post("/auth/keys", json={"account_id": tess.account_id})
        ).status_code == 403
    form = {
        "grant_type": "refresh_token",
        "client_id": client_id,
        "refresh_token": tokens["refresh_token"],
    }
    renewed = await token(edge, form)
    assert renewed["scope"] == "account:read"


async def test_the_page_has_no_script_and_cannot_be_framed(edge):
    client_id = await public_client(edge)
    async with edge.client() as http:
        page = await http.get("/oauth/authorize", params=authorization(client_id))

    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "form-action 'self' https://client.example;" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert "<script" not in page.text
    assert "Charts &amp; &lt;b&gt;more&lt;/b&gt;" in page.text
    assert not re.search(r"(src|href)=", page.text)
    assert "HttpOnly" in page.headers["set-cookie"]
    assert "SameSite=Strict" in page.headers["set-cookie"]


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "tpc_nobody"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": REDIRECT + "/"},
        {"redirect_uri": REDIRECT + "?x=1"},
        {"redirect_uri": REDIRECT + "#x"},
        {"redirect_uri": REDIRECT.replace("https", "http")},
        {"redirect_uri": REDIRECT.upper()},
        {"redirect_uri": "https://client.example.evil.example/back"},
        {"redirect_uri": "https://client.example@evil.example/back"},
        {"redirect_uri": REDIRECT + "/../evil"},
        {"redirect_uri": "javascript:alert(1)"},
        {"state": "a\nb"},
        {"state": "x" * 1_025},
    ],
)
async def test_nothing_goes_to_an_address_that_is_not_the_clients(edge, changes):
    client_id = await public_client(edge)
    query = authorization(client_id)
    query |= changes
    async with edge.client() as http:
        params = {name: value for name, value in query.items() if value is not None}
        answer = await http.get("/oauth/authorize", params=params)

    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert answer.headers["content-type"].startswith("text/html")
    assert "alert(1)" not in answer.text


async def test_a_parameter_that_is_there_twice_is_refused_without_a_redirect(edge):
    client_id = await public_client(edge)
    query = "&".join(f"{k}={quote(v, safe='')}" for k, v in authorization(client_id).items())
    async with edge.client() as http:
        for extra in ("redirect_uri=https%3A%2F%2Fevil.example", f"client_id={client_id}"):
            answer = await http.get(f"/oauth/authorize?{query}&{extra}")
            assert answer.status_code == 400
            assert "location" not in answer.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"request": "eyJ"}, "invalid_request"),
        ({"request_uri": "https://evil.example"}, "invalid_request"),
        ({"scope": "account:trade"}, "invalid_scope"),
        ({"scope": "everything"}, "invalid_scope"),
    ],
)
async def test_a_clients_mistake_goes_back_to_it(edge, changes, error):
    client_id = await public_client(edge)
    async with edge.client() as http:
        answer = await http.get("/oauth/authorize", params=authorization(client_id, **changes))

    back = told(answer)
    assert (back["error"], back["iss"]) == (error, ISSUER)
    assert back["state"] == "a state of the client's"
    assert "code" not in back


async def test_a_person_may_deny(edge):
    client_id = await public_client(edge)
    async with edge.client() as http:
        request = await opened(http, client_id)
        answer = await http.post("/oauth/authorize", data={"request": request, "decision": "deny"})

    assert told(answer)["error"] == "access_denied"


async def test_a_wrong_password_shows_the_page_again_and_gives_nothing(edge):
    await edge.person("tess")
    client_id = await public_client(edge)
    async with edge.client() as http:
        request = await opened(http, client_id)
        for changes in ({"password": "wrong"}, {"username": "nobody"}, {"password": ""}):
            form = {**CREDENTIALS, **changes, "request": request}
            answer = await http.post("/oauth/authorize", data=form)
            assert answer.status_code == 400
            assert "Wrong username, password or code." in answer.text
            assert "location" not in answer.headers
            assert "wrong" not in answer.text
            request = sealed_request(answer.text)
        answer = await http.post("/oauth/authorize", data={**CREDENTIALS, "request": request})
        assert "code" in told(answer)


async def test_guessing_at_the_page_is_stopped_too(edge):
    await edge.person("tess")
    client_id = await public_client(edge)
    async with edge.client() as http:
        request = await opened(http, client_id)
        form = {**CREDENTIALS, "request": request}
        for _ in range(5):
            await http.post("/oauth/authorize", data={**form, "password": "wrong"})
        answer = await http.post("/oauth/authorize", data=form)

    assert answer.status_code == 400
    assert "Too many attempts" in answer.text


async def test_the_page_asks_for_a_second_factor(edge):
    await edge.person("tess")
    async with await edge.logged_in("tess") as http:
        secret = (await http.post("/auth/mfa", json={"password": PASSWORD})).json()["secret"]
        step = step_of(edge.system.clock.wall_ns())
        await http.post("/auth/mfa/confirm", json={"code": totp_code(secret, step - 1)})
    client_id = await public_client(edge)
    async with edge.client() as http:
        form = {**CREDENTIALS, "request": await opened(http, client_id)}
        without = await http.post("/oauth/authorize", data=form)
        code = totp_code(secret, step_of(edge.system.clock.wall_ns()))
        answer = await http.post("/oauth/authorize", data={**form, "otp": code})

    assert "one-time or recovery code as well" in without.text
    assert "code" in told(answer)


async def test_consent_leaves_no_session_behind(edge):
    tess = await edge.person("tess")
    client_id = await public_client(edge)
    await code_for(edge, client_id)

    assert await edge.manager.user_sessions(HOME_TENANT, tess.user_id) == ()


async def test_another_site_cannot_send_the_form(edge):
    await edge.person("tess")
    client_id = await public_client(edge)
    async with edge.client() as attacker, edge.client() as victim:
        request = await opened(attacker, client_id)
        form = {**CREDENTIALS, "request": request}
        unbound = await victim.post("/oauth/authorize", data=form)
        await opened(victim, client_id)
        foreign = await victim.post("/oauth/authorize", data=form)
        request = await opened(victim, client_id)
        crossing = await victim.post(
            "/oauth/authorize",
            data={**CREDENTIALS, "request": request},
            headers={"Sec-Fetch-Site": "cross-site"},
        )

    for answer in (unbound, foreign, crossing):
        assert answer.status_code == 400
        assert "location" not in answer.headers


async def test_a_form_that_was_changed_or_is_old_is_refused(edge):
    await edge.person("tess")
    client_id = await public_client(edge)
    async with edge.client() as http:
        request = await opened(http, client_id)
        middle = len(request) // 2
        flipped = (
            request[:middle] + ("A" if request[middle] != "A" else "B") + request[middle + 1 :]
        )
        for forged in ("", "x", "é", flipped, request[:-4], request + "AAAA", "A" * 9_000):
            form = {**CREDENTIALS, "request": forged}
            assert (await http.post("/oauth/authorize", data=form)).status_code == 400
        await edge.later(601)
        form = {**CREDENTIALS, "request": request}
        assert (await http.post("/oauth/authorize", data=form)).status_code == 400


async def test_a_form_is_a_form(edge):
    async with edge.client() as http:
        for path in ("/oauth/authorize", "/oauth/token", "/oauth/revoke", "/oauth/introspect"):
            for content, kind in (
                (b'{"request": "x"}', "application/json"),
                (b"a=1&a=2", "application/x-www-form-urlencoded"),
                (b"&".join(b"f%d=1" % n for n in range(40)), "application/x-www-form-urlencoded"),
                (b"token=%ff", "application/x-www-form-urlencoded"),
                (b"token=\xff", "application/x-www-form-urlencoded"),
                (b"token=" + b"x" * 5_000, "application/x-www-form-urlencoded"),
            ):
                answer = await http.post(path, content=content, headers={"Content-Type": kind})
                assert answer.status_code == 400, (path, content)


async def test_a_user_of_another_firm_cannot_use_the_client(edge):
    await edge.person("tess", tenant_id=await edge.tenant("rival"))
    client_id = await public_client(edge)
    async with edge.client() as http:
        request = await opened(http, client_id)
        answer = await http.post("/oauth/authorize", data={**CREDENTIALS, "request": request})

    assert told(answer)["error"] == "access_denied"


async def test_a_temporary_password_cannot_consent(edge):
    made = await edge.manager.create_user(HOME_TENANT, UserWanted("newt"), ADMIN)
    client_id = await public_client(edge)
    async with edge.client() as http:
        form = {"username": "newt", "password": made.password, "decision": "allow"}
        form["request"] = await opened(http, client_id)
        answer = await http.post("/oauth/authorize", data=form)

    assert answer.status_code == 400
    assert "Your password is temporary" in answer.text


async def test_a_code_is_good_once_and_its_reuse_ends_what_it_opened(edge):
    await edge.person("tess")
    client_id = await public_client(edge)
    code = await code_for(edge, client_id)
    tokens = await token(edge, redemption(client_id, code))
    refused = await token(edge, redemption(client_id, code), status=400)

    assert refused["error"] == "invalid_grant"
    async with edge.client(tokens["access_token"]) as http:
        assert (await http.get("/v2/account")).status_code == 401


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 50},
        {"code_verifier": "short"},
        {"redirect_uri": REDIRECT + "/"},
        {"code": "tpo_" + "x" * 43},
    ],
)
async def test_a_code_is_tied_to_its_verifier_and_its_address(edge, changes):
    await edge.person("tess")
    client_id = await public_client(edge)
    code = await code_for(edge, client_id)
    refused = await token(edge, redemption(client_id, code, **changes), status=400)
    good = await token(edge, redemption(client_id, code))

    assert refused["error"] == "invalid_grant"
    assert good["access_token"]


async def test_a_stolen_code_is_worth_nothing_to_another_client(edge):
    await edge.person("tess")
    client_id, thief = await public_client(edge), await public_client(edge, name="thief")
    code = await code_for(edge, client_id)

    assert (await token(edge, redemption(thief, code), status=400))["error"] == "invalid_grant"


async def test_a_code_ends_after_a_minute(edge):
    await edge.person("tess")
    client_id = await public_client(edge)
    code = await code_for(edge, client_id)
    await edge.later(61)

    assert (await token(edge, redemption(client_id, code), status=400))["error"] == "invalid_grant"


async def test_a_refresh_token_belongs_to_its_client(edge):
    await edge.person("tess")
    client_id, thief = await public_client(edge), await public_client(edge, name="thief")
    tokens = await token(edge, redemption(client_id, await code_for(edge, client_id)))
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}

    stolen = await token(edge, {**form, "client_id": thief}, status=400)
    async with edge.client() as http:
        body = {"refresh_token": tokens["refresh_token"]}
        direct = await http.post("/auth/refresh", json=body)
    own = await token(edge, {**form, "client_id": client_id})
    login = (await edge.log_in("tess"))["refresh_token"]
    of_a_login = await token(
        edge, {**form, "client_id": client_id, "refresh_token": login}, status=400
    )

    assert stolen["error"] == of_a_login["error"] == "invalid_grant"
    assert direct.status_code == 401
    assert own["access_token"]


async def test_a_client_without_the_refresh_grant_gets_no_refresh_token(edge):
    await edge.person("tess")
    client_id = await public_client(edge, grant_types=("authorization_code",))
    tokens = await token(edge, redemption(client_id, await code_for(edge, client_id)))

    assert "refresh_token" not in tokens
    form = {"grant_type": "refresh_token", "client_id": client_id, "refresh_token": "tpr_x.y"}
    assert (await token(edge, form, status=400))["error"] == "unauthorized_client"


@pytest.fixture
async def machine(edge):
    """A confidential client that acts for itself, and its secret."""
    made = await edge.oauth_client(
        name="robot",
        redirect_uris=(),
        grant_types=("client_credentials",),
        confidential=True,
        role="trader",
    )
    return made.client.client_id, made.client_secret


async def test_a_client_acts_for_itself(edge, machine):
    form = {"grant_type": "client_credentials"}
    by_header = await token(edge, {**form, "scope": "market:read"}, auth=machine)
    by_form = await token(edge, {**form, "client_id": machine[0], "client_secret": machine[1]})

    assert by_header["scope"] == "market:read"
    assert by_form["scope"] == "market:read account:read"
    assert "refresh_token" not in by_header
    async with edge.client(by_header["access_token"]) as http:
        assert (await http.get("/v2/clock")).status_code == 200
        assert (await http.get("/v2/account")).status_code == 403


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"scope": "account:trade"}, 400, "invalid_scope"),
        ({"scope": "nonsense"}, 400, "invalid_scope"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "implicit"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "authorization_code"}, 400, "unauthorized_client"),
        ({"client_secret": "tpx_wrong"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": "tpc_nobody"}, 401, "invalid_client"),
        ({"client_id": ""}, 401, "invalid_client"),
    ],
)
async def test_a_bad_request_is_answered_in_oauths_words(edge, machine, changes, status, error):
    form = {
        "grant_type": "client_credentials",
        "client_id": machine[0],
        "client_secret": machine[1],
        **changes,
    }
    refused = await token(edge, form, status=status)

    assert set(refused) == {"error", "error_description"}
    assert refused["error"] == error
    assert machine[1] not in str(refused)


async def test_a_client_says_who_it_is_in_one_way(edge, machine):
    client_id, secret = machine
    form = {"grant_type": "client_credentials"}
    both = {**form, "client_id": client_id, "client_secret": secret}
    other = {**form, "client_id": "tpc_other"}

    assert (await token(edge, both, auth=machine, status=400))["error"] == "invalid_request"
    assert (await token(edge, other, auth=machine, status=400))["error"] == "invalid_request"
    raw = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    async with edge.client() as http:
        for header in ("Basic", "Basic !", f"Bearer {raw}", "Basic " + "A" * 4_000, "Basic OjpA"):
            answer = await http.post("/oauth/token", data=form, headers={"Authorization": header})
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
            assert answer.headers["www-authenticate"].startswith("Basic")


async def test_a_public_client_has_no_secret_to_show(edge):
    await edge.person("tess")
    client_id = await public_client(edge)
    code = await code_for(edge, client_id)
    form = redemption(client_id, code, client_secret="guess")

    assert (await token(edge, form, status=401))["error"] == "invalid_client"


async def test_a_confidential_client_needs_its_secret_and_the_verifier(edge):
    await edge.person("tess")
    made = await edge.oauth_client(confidential=True)
    client_id = made.client.client_id
    code = await code_for(edge, client_id)

    assert (await token(edge, redemption(client_id, code), status=401))["error"] == "invalid_client"
    form = redemption(client_id, code)
    form.pop("code_verifier")
    refused = await token(edge, form, auth=(client_id, made.client_secret), status=400)
    assert refused["error"] == "invalid_request"
    tokens = await token(edge, redemption(client_id, code), auth=(client_id, made.client_secret))
    assert tokens["access_token"]


async def test_a_client_revokes_its_own_tokens_and_nobody_elses(edge, machine):
    await edge.person("tess")
    client_id = await public_client(edge)
    tokens = await token(edge, redemption(client_id, await code_for(edge, client_id)))
    own = (await token(edge, {"grant_type": "client_credentials"}, auth=machine))["access_token"]

    async def revoke(form: dict, auth=None) -> int:
        async with edge.client() as http:
            return (await http.post("/oauth/revoke", data=form, auth=auth)).status_code

    async def works(access_token: str) -> bool:
        async with edge.client(access_token) as http:
            return (await http.get("/v2/clock")).status_code == 200

    assert await revoke({"token": tokens["access_token"]}, machine) == 200
    assert await revoke({"token": tokens["refresh_token"]}, machine) == 200
    assert await revoke({"token": "nonsense"}, machine) == 200
    assert await works(tokens["access_token"])
    assert await revoke({"token": own}, machine) == 200
    assert await revoke({"token": tokens["refresh_token"], "client_id": client_id}) == 200
    assert await revoke({"token": own}) == 401
    assert await revoke({}, machine) == 400
    assert not await works(own)
    assert not await works(tokens["access_token"])


async def test_a_confidential_client_looks_at_tokens_of_its_own_firm(edge, machine):
    tess = await edge.person("tess")
    await edge.person("rita", tenant_id=await edge.tenant("rival"))
    good = (await edge.log_in("tess"))["access_token"]
    foreign = (await edge.log_in("rita"))["access_token"]

    async def look(form: dict, auth=machine, status: int = 200) -> dict:
        async with edge.client() as http:
            answer = await http.post("/oauth/introspect", data=form, auth=auth)
        assert answer.status_code == status, answer.text
        return answer.json()

    found = await look({"token": good})
    assert (found["active"], found["sub"], found["iss"]) == (True, tess.user_id, ISSUER)
    assert found["exp"] - found["iat"] == 300
    for token_text in (foreign, good[:-2], "nonsense", "tpr_x.y"):
        assert await look({"token": token_text}) == {"active": False}
    await edge.manager.disable_user(HOME_TENANT, tess.user_id, ADMIN)
    assert await look({"token": good}) == {"active": False}
    public = await public_client(edge)
    refused = await look({"token": good, "client_id": public}, None, 401)
    assert refused["error"] == "invalid_client"


async def test_a_deleted_client_is_out_at_once(edge, machine):
    client_id, _ = machine
    own = (await token(edge, {"grant_type": "client_credentials"}, auth=machine))["access_token"]
    await edge.manager.delete_client(HOME_TENANT, client_id, ADMIN)
    await edge.later(6)

    form = {"grant_type": "client_credentials"}
    assert (await token(edge, form, auth=machine, status=401))["error"] == "invalid_client"
    async with edge.client(own) as http:
        assert (await http.get("/v2/clock")).status_code == 401


async def test_metadata_and_keys_lead_everywhere(edge):
    async with edge.client() as http:
        metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
        openid = (await http.get("/.well-known/openid-configuration")).json()
        keys = (await http.get("/.well-known/jwks.json")).json()["keys"]
        for name, url in metadata.items():
            if name.endswith("_endpoint"):
                path = url.removeprefix(ISSUER)
                assert (await http.post(path, data={"x": "y"})).status_code in {400, 401}

    assert metadata == openid
    assert metadata["issuer"] == ISSUER
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert [(key["kty"], key["crv"], key["alg"]) for key in keys] == [("OKP", "Ed25519", "EdDSA")]
    assert not any("d" in key for key in keys)


async def test_tokens_are_checked_by_the_published_keys_alone(edge):
    """What another resource server would do with PyJWT and the JWK set."""
    import jwt  # noqa: PLC0415

    await edge.person("tess")
    access_token = (await edge.log_in("tess"))["access_token"]
    async with edge.client() as http:
        keys = jwt.PyJWKSet.from_dict((await http.get("/.well-known/jwks.json")).json())
    header = jwt.get_unverified_header(access_token)
    key = keys[header["kid"]]
    claims = jwt.decode(
        access_token, key, algorithms=["EdDSA"], audience="tradeplane", issuer=ISSUER
    )

    assert header["typ"] == "at+jwt"
    assert claims["tid"] == HOME_TENANT


async def test_errors_before_the_handler_speak_oauth_too(edge):
    app = edge.new_app(address_limit_per_minute=1)
    async with edge.client(app=app) as http:
        await http.post("/oauth/token", data={"grant_type": "x"})
        limited = await http.post("/oauth/token", data={"grant_type": "x"})

    assert limited.status_code == 429
    assert limited.json()["error"] == "temporarily_unavailable"


async def test_a_client_of_a_firm_is_made_by_its_administrators_alone(edge):
    with pytest.raises(Exception, match="redirect URI is https"):
        await edge.manager.create_client(
            HOME_TENANT,
            ClientWanted("x", ("http://evil.example/back",), scopes=("market:read",)),
            ADMIN,
        )
