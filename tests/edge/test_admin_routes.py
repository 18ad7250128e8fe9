"""Administration over HTTP, on the real identity: who reaches what, and what each write leaves."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest
from admin_office import CALLBACK, NOBODY, AdminOffice, admin_office
from identity_system import ADMIN, PASSWORD, SOMEWHERE

from tradeplane.auth.principal import HOME_TENANT
from tradeplane.auth.wanted import KeyWanted
from tradeplane.errors import NotAllowed, NotAuthenticated

PERMITTED = 'permit (principal in Role::"admin", action, resource);'
ISSUER = "https://login.firm.test"

# Method, path, body of a write that succeeds on acme's things, and what its record is called.
TENANT_WRITES = [
    ("POST", "/admin/users", {"username": "ann"}, "user.created"),
    ("POST", "/admin/users/{user_id}/role", {"role": "auditor"}, "user.role_set"),
    ("POST", "/admin/users/{user_id}/disable", None, "user.disabled"),
    ("POST", "/admin/users/{disabled}/enable", None, "user.enabled"),
    ("POST", "/admin/users/{user_id}/password", None, "password.set"),
    ("DELETE", "/admin/users/{user_id}/mfa", None, "mfa.disabled"),
    ("DELETE", "/admin/users/{user_id}/sessions", None, "session.ended"),
    (
        "POST",
        "/admin/users/{user_id}/external",
        {"issuer": ISSUER, "subject": "1"},
        "external.linked",
    ),
    ("DELETE", "/admin/users/{disabled}/external?issuer=there", None, "external.unlinked"),
    ("DELETE", "/admin/sessions/{session_id}", None, "session.ended"),
    ("POST", "/admin/accounts", {"user_id": "{user_id}", "cash": "1000"}, "account.registered"),
    ("POST", "/admin/keys", {"account_id": "{account_id}"}, "key.created"),
    ("DELETE", "/admin/keys/{key_id}", None, "key.revoked"),
    (
        "POST",
        "/admin/clients",
        {"name": "app", "scopes": ["market:read"], "redirect_uris": [CALLBACK]},
        "client.created",
    ),
    ("DELETE", "/admin/clients/{client_id}", None, "client.deleted"),
]
PLATFORM_WRITES = [
    ("POST", "/admin/tenants", {"tenant_id": "third", "name": "Third"}, "tenant.created"),
    (
        "PUT",
        "/admin/policies",
        {"version": 0, "documents": {"all.cedar": PERMITTED}},
        "policies.replaced",
    ),
    ("POST", "/admin/signing-keys", None, "signing_key.published"),
]
WRITES = TENANT_WRITES + PLATFORM_WRITES


@pytest.fixture
async def office(venue) -> AsyncIterator[AdminOffice]:
    async with admin_office(venue.ports) as settled:
        yield settled


async def prepared(office: AdminOffice) -> dict[str, str]:
    """Return acme's ids, and that of a disabled user; acme's trader has a second factor begun."""
    ids = dict(office.acme.ids)
    disabled = await office.person("acme", "researcher")
    await office.manager.link_external("acme", disabled, "there", "2", ADMIN)
    await office.manager.disable_user("acme", disabled, ADMIN)
    trader = office.manager.authenticate_token(
        (await office.bearer("acme-trader"))["Authorization"].split()[1]
    )
    await office.manager.enable_mfa(trader, PASSWORD, SOMEWHERE)
    return {**ids, "disabled": disabled}


def filled(value, ids: dict[str, str]):
    """Return *value* with the names in braces replaced by ids."""
    if isinstance(value, dict):
        return {key: filled(each, ids) for key, each in value.items()}
    if isinstance(value, str) and "permit" not in value:
        return value.format_map(ids)
    return value


async def send(office, method, path, body, headers, *, ids=None):
    path, body = filled(path, ids or {}), filled(body, ids or {})
    content = {} if body is None else {"json": body}
    return await office.client.request(method, path, headers=headers, **content)


def test_the_table_of_writes_is_complete():
    """Beside the next test, which proves that each row of it is an operation."""
    assert len({(method, path.split("?")[0]) for method, path, *_ in WRITES}) == len(WRITES)


async def test_every_operation_that_writes_is_in_the_table_and_asks_for_a_reason(office):
    templates = {
        (method, re.sub(r"\{disabled\}", "{user_id}", path.split("?")[0]))
        for method, path, *_ in WRITES
    }
    writing = {(method, path) for method, path, _ in office.rows() if method != "GET"}
    assert writing == templates
    for method, _, described in office.rows():
        reasons = [row for row in described["parameters"] if row["name"] == "X-Tradeplane-Reason"]
        assert [row["required"] for row in reasons] == ([] if method == "GET" else [True])


@pytest.mark.parametrize(("method", "path", "body", "action"), WRITES)
async def test_a_write_leaves_one_record_of_who_and_why_and_no_secret(
    office, method, path, body, action
):
    ids = await prepared(office)
    firm = office.acme if (method, path, body, action) in TENANT_WRITES else office.home

    answer = await send(office, method, path, body, firm.admin, ids=ids)

    assert answer.status_code in {200, 201, 204}, answer.text
    trail = office.trail(answer.headers["x-request-id"])
    assert [entry.action for entry in trail].count(action) >= 1
    me = (await office.client.get("/auth/me", headers=firm.admin)).json()
    for entry in trail:
        assert (entry.by.kind, entry.by.subject_id) == ("user", me["user_id"])
        assert (entry.by.reason, entry.by.tenant_id) == ("as agreed", firm.tenant_id)
        assert entry.outcome == "success"
    body = answer.json() if answer.content else {}
    for secret in ("password", "secret_key", "client_secret"):
        if isinstance(body, dict) and body.get(secret):
            assert body[secret] not in office.journal()


@pytest.mark.parametrize("reason", [None, "", " ", "x" * 501, "a\tb", b"\xff", "bell\x07"])
async def test_without_a_good_reason_nothing_is_written(office, reason):
    ids = await prepared(office)
    before = office.journal()
    for method, path, body, _ in WRITES:
        firm = office.home if (method, path, body, _) in PLATFORM_WRITES else office.acme
        headers = {key: value for key, value in firm.admin.items() if not key.startswith("X-")}
        if reason is not None:
            headers["X-Tradeplane-Reason"] = reason
        answer = await send(office, method, path, body, headers, ids=ids)
        assert answer.status_code == 422, (method, path)
        assert "X-Tradeplane-Reason" in answer.json()["detail"]
    assert office.journal() == before


async def test_the_longest_reason_is_kept_whole(office):
    reason = "é" * 500
    headers = {**office.acme.admin, "X-Tradeplane-Reason": reason.encode()}
    answer = await send(office, "POST", "/admin/users", {"username": "ann"}, headers)
    assert {entry.by.reason for entry in office.trail(answer.headers["x-request-id"])} == {reason}


@pytest.mark.parametrize("role", ["trader", "researcher", "operator", "auditor"])
async def test_whoever_is_no_administrator_is_refused_everything(office, role):
    for tenant_id in ("acme", HOME_TENANT):
        if role != "trader":
            await office.person(tenant_id, role)
        headers = await office.bearer(f"{tenant_id}-{role}")
        before = office.journal()
        for method, path, _ in office.rows():
            answer = await send(office, method, re.sub(r"\{\w+\}", NOBODY, path), None, headers)
            assert answer.status_code == 403, (method, path)
            assert (await office.client.request(method, path)).status_code == 401
        assert office.journal() == before


async def test_the_installation_is_for_the_home_tenants_administrators_alone(office):
    before = office.journal()
    for method, path, _ in office.rows():
        if path.split("/")[2] in {"tenants", "policies", "signing-keys"}:
            answer = await send(office, method, path, None, office.acme.admin)
            assert answer.status_code == 403, (method, path)
    assert office.journal() == before


@pytest.mark.parametrize(
    ("path", "body", "more"),
    [
        ("/admin/users", {"username": "ann"}, "tenant_id user_id password disabled temporary"),
        ("/admin/users/{user_id}/role", {"role": "auditor"}, "tenant_id user_id disabled"),
        ("/admin/users/{user_id}/external", {"issuer": ISSUER, "subject": "1"}, "user_id"),
        ("/admin/accounts", {"user_id": "{user_id}", "cash": "1"}, "account_id tenant_id shard"),
        ("/admin/keys", {"account_id": "{account_id}"}, "key_id secret_key user_id tenant_id"),
        ("/admin/clients", {"name": "a", "scopes": ["market:read"]}, "client_id client_secret"),
        ("/admin/tenants", {"tenant_id": "third", "name": "Third"}, "created_at created_ns"),
    ],
)
async def test_a_field_that_is_not_asked_for_is_refused_by_name(office, path, body, more):
    firm = office.home if path == "/admin/tenants" else office.acme
    before = office.journal()
    for field in more.split():
        answer = await send(
            office, "POST", path, {**body, field: "x"}, firm.admin, ids=office.acme.ids
        )
        assert answer.status_code == 422
        assert field in answer.json()["detail"]
    for malformed, status in ((b"[]", 422), (b"1", 422), (b"{}", 422), (b"{", 400), (b"", 400)):
        answer = await office.client.post(
            filled(path, office.acme.ids), content=malformed, headers=firm.admin
        )
        assert answer.status_code == status, malformed
    assert office.journal() == before


async def test_anothers_id_is_as_unknown_as_one_that_never_was(office):
    never = {**dict.fromkeys(office.rival.ids, NOBODY), "key_id": "PKNOBODY", "client_id": "tpc_0"}
    before = office.journal()
    reached = 0
    for method, path, body, _ in [
        *TENANT_WRITES,
        ("GET", "/admin/users/{user_id}", None, ""),
        ("GET", "/admin/users/{user_id}/sessions", None, ""),
    ]:
        if "_id}" not in path + str(body) and "{disabled}" not in path:
            continue
        told = []
        for ids in (office.rival.ids, never):
            known = {**ids, "disabled": ids["user_id"]}
            answer = await send(office, method, path, body, office.acme.admin, ids=known)
            text = answer.text
            for value in ids.values():
                text = text.replace(value, "ID")
            told.append((answer.status_code, text))
        assert told[0] == told[1], (method, path)
        assert told[0][0] == 404, (method, path)
        reached += 1
    assert reached == 15
    assert office.journal() == before


async def test_another_firm_is_as_unknown_as_one_that_never_was(office):
    before = office.journal()
    for method, path, described in office.rows():
        if all(row["name"] != "tenant_id" for row in described["parameters"]):
            continue
        told = []
        for tenant_id in ("rival", HOME_TENANT, "nowhere"):
            asked = filled(path, office.rival.ids) + f"?tenant_id={tenant_id}"
            answer = await send(office, method, asked, None, office.acme.admin)
            told.append((answer.status_code, answer.text.replace(tenant_id, "TENANT")))
        assert told[0] == told[1] == told[2], (method, path)
        assert told[0][0] == 404
    assert office.journal() == before


async def test_lists_hold_the_firms_own_things_and_no_others(office):
    for noun, field in (
        ("users", "user_id"),
        ("accounts", "account_id"),
        ("keys", "key_id"),
        ("clients", "client_id"),
    ):
        found = (await office.client.get(f"/admin/{noun}", headers=office.acme.admin)).json()
        assert found["next"] is None
        assert office.acme.ids[field] in [each[field] for each in found[noun]]
        assert {each["tenant_id"] for each in found[noun]} == {"acme"}


async def test_the_home_tenants_administrator_may_name_a_firm(office):
    at_home = office.home.admin
    for noun in ("users", "accounts", "keys", "clients"):
        path = f"/admin/{noun}?tenant_id=rival"
        found = (await office.client.get(path, headers=at_home)).json()
        assert {each["tenant_id"] for each in found[noun]} == {"rival"}
    made = await send(office, "POST", "/admin/users?tenant_id=rival", {"username": "ann"}, at_home)
    assert made.json()["user"]["tenant_id"] == "rival"
    ids = office.rival.ids
    asked = [
        ("DELETE", f"/admin/users/{ids['user_id']}/sessions?tenant_id=rival", 200),
        ("DELETE", f"/admin/users/{ids['user_id']}/sessions", 404),
        ("DELETE", f"/admin/keys/{ids['key_id']}?tenant_id=rival", 204),
        ("GET", "/admin/users?tenant_id=nowhere", 404),
        ("POST", "/admin/users?tenant_id=nowhere", 404),
    ]
    for method, path, status in asked:
        body = {"username": "bob"} if method == "POST" else None
        assert (await send(office, method, path, body, at_home)).status_code == status, path


async def test_a_credential_without_platform_manage_in_its_scopes_stays_in_its_firm(office):
    user_id = (await office.client.get("/auth/me", headers=office.home.admin)).json()["user_id"]
    body = {"user_id": user_id, "cash": "5"}
    account = await send(office, "POST", "/admin/accounts", body, office.home.admin)
    wanted = KeyWanted(account.json()["account_id"], scopes=("tenant:manage",))
    key = await office.manager.create_key(HOME_TENANT, wanted, ADMIN)
    headers = {"APCA-API-KEY-ID": key.key.key_id, "APCA-API-SECRET-KEY": key.secret_key}
    for path, status in (
        ("/admin/users", 200),
        ("/admin/users?tenant_id=rival", 404),
        ("/admin/tenants", 403),
    ):
        assert (await office.client.get(path, headers=headers)).status_code == status


async def test_pages_hold_everything_once_in_order(office):
    for number in range(5):
        await send(office, "POST", "/admin/users", {"username": f"user{number}"}, office.acme.admin)
    seen, after = [], ""
    while after is not None:
        path = f"/admin/users?limit=2&after={after}"
        page = (await office.client.get(path, headers=office.acme.admin)).json()
        assert len(page["users"]) <= 2
        seen += [user["user_id"] for user in page["users"]]
        after = page["next"]
    assert seen == sorted(set(seen))
    assert len(seen) == 7
    for query in ("limit=0", "limit=201", "limit=x", f"after={'x' * 101}"):
        answer = await office.client.get(f"/admin/users?{query}", headers=office.acme.admin)
        assert answer.status_code == 422
    path = "/admin/users?username=USER3"
    (one,) = (await office.client.get(path, headers=office.acme.admin)).json()["users"]
    assert one["username"] == "user3"
    for username in ("rival-trader", "nobody"):
        path = f"/admin/users?username={username}"
        found = (await office.client.get(path, headers=office.acme.admin)).json()
        assert found == {"users": [], "next": None}


async def test_a_user_from_the_first_password_to_the_last(office):
    admin = office.acme.admin
    made = (await send(office, "POST", "/admin/users", {"username": "ann"}, admin)).json()
    path = f"/admin/users/{made['user']['user_id']}"
    assert made["user"]["temporary_password"]
    assert (await office.client.get(path, headers=admin)).json() == made["user"]
    await office.manager.login("ann", made["password"], None, SOMEWHERE)
    (session,) = (await office.client.get(f"{path}/sessions", headers=admin)).json()
    assert (session["method"], session["current"]) == ("password", False)

    await send(office, "POST", f"{path}/role", {"role": "researcher"}, admin)
    assert (await office.client.get(path, headers=admin)).json()["role"] == "researcher"
    await send(office, "POST", f"{path}/external", {"issuer": ISSUER, "subject": "7"}, admin)
    assert (await office.client.get(path, headers=admin)).json()["external"] == [ISSUER]
    await office.manager.login_external(ISSUER, "7", SOMEWHERE)
    await send(office, "DELETE", f"{path}/external?issuer={ISSUER}", None, admin)
    with pytest.raises(NotAuthenticated):
        await office.manager.login_external(ISSUER, "7", SOMEWHERE)
    assert (await send(office, "DELETE", f"{path}/external", None, admin)).status_code == 422

    await send(office, "POST", f"{path}/disable", None, admin)
    with pytest.raises(NotAuthenticated):
        await office.manager.login("ann", made["password"], None, SOMEWHERE)
    assert (await office.client.get(f"{path}/sessions", headers=admin)).json() == []
    await send(office, "POST", f"{path}/enable", None, admin)
    other = (await send(office, "POST", f"{path}/password", None, admin)).json()["password"]
    with pytest.raises(NotAuthenticated):
        await office.manager.login("ann", made["password"], None, SOMEWHERE)
    await office.manager.login("ann", other, None, SOMEWHERE)


async def test_a_user_takes_no_name_that_is_taken_and_no_unknown_role(office):
    for body in (
        {"username": "RIVAL-trader"},
        {"username": "a b"},
        {"username": "ann", "role": "root"},
        {"username": "x" * 65},
    ):
        answer = await send(office, "POST", "/admin/users", body, office.acme.admin)
        assert answer.status_code == 422, body


async def test_the_last_administrator_of_the_installation_stays(office):
    me = (await office.client.get("/auth/me", headers=office.home.admin)).json()["user_id"]
    for what, body in (("disable", None), ("role", {"role": "trader"})):
        path = f"/admin/users/{me}/{what}"
        answer = await send(office, "POST", path, body, office.home.admin)
        assert answer.status_code == 403


async def test_a_key_opens_its_account_until_it_is_revoked(office):
    admin, account_id = office.acme.admin, office.acme.ids["account_id"]
    body = {
        "account_id": account_id,
        "scopes": ["account:read"],
        "expires_at": "2099-01-01T00:00:00Z",
    }
    made = (await send(office, "POST", "/admin/keys", body, admin)).json()
    assert made["key"]["expires_at"] == "2099-01-01T00:00:00Z"
    key_id = made["key"]["key_id"]
    found = office.manager.authenticate(key_id, made["secret_key"])
    assert (found.account_id, found.scopes) == (account_id, ("account:read",))
    listed = (await office.client.get(f"/admin/keys?account_id={account_id}", headers=admin)).json()
    assert {key["key_id"] for key in listed["keys"]} == {key_id, office.acme.ids["key_id"]}
    await send(office, "DELETE", f"/admin/keys/{key_id}", None, admin)
    with pytest.raises(NotAuthenticated):
        office.manager.authenticate(key_id, made["secret_key"])
    for wrong, status in (
        ({"expires_at": "2001-01-01T00:00:00Z"}, 422),
        ({"scopes": ["everything"]}, 422),
        ({"account_id": "x"}, 422),
        ({"role": "admin"}, 403),
    ):
        answer = await send(office, "POST", "/admin/keys", {**body, **wrong}, admin)
        assert answer.status_code == status, wrong


async def test_an_account_is_opened_in_the_ledger_with_exact_cash(office):
    admin, user_id = office.acme.admin, office.acme.ids["user_id"]
    body = {"user_id": user_id, "cash": "250000.01"}
    made = (await send(office, "POST", "/admin/accounts", body, admin)).json()
    opened = office.system.opened[-1]
    assert (opened.account_id, str(opened.cash)) == (made["account_id"], "250000.01")
    for cash in ("0", "-1", "1.001", "1e3", "x", 5, "9999999999999"):
        body = {"user_id": user_id, "cash": cash}
        answer = await send(office, "POST", "/admin/accounts", body, admin)
        assert answer.status_code == 422, cash
    assert office.system.opened[-1] is opened


async def test_a_bad_policy_is_refused_with_file_and_line_and_the_old_ones_stay(office):
    admin = office.home.admin
    documents = {"good.cedar": PERMITTED, "bad.cedar": "// a comment\npermit (principal, acton);"}
    body = {"version": 0, "documents": documents}
    answer = await send(office, "PUT", "/admin/policies", body, admin)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("bad.cedar:2: ")
    assert (answer.json()["file"], answer.json()["line"]) == ("bad.cedar", "2")
    unusable = {"none.cedar": 'permit (principal in Role::"trader", action, resource);'}
    for documents in (unusable, {"empty.cedar": ""}):
        body = {"version": 0, "documents": documents}
        assert (await send(office, "PUT", "/admin/policies", body, admin)).status_code == 422
    found = (await office.client.get("/admin/policies", headers=admin)).json()
    assert found == {"version": 0, "documents": {}}
    assert (await office.client.get("/admin/users", headers=office.acme.admin)).status_code == 200


async def test_policies_are_replaced_on_every_replica_and_nobody_overwrites_anothers(office):
    other, _ = await office.replica()
    admin, closed = office.home.admin, 'permit (principal, action, resource == Tenant::"default");'
    body = {"version": 0, "documents": {"closed.cedar": closed}}
    answer = await send(office, "PUT", "/admin/policies", body, admin)
    assert answer.json() == {**body, "version": 1}
    assert (await office.client.get("/admin/users", headers=office.acme.admin)).status_code == 403
    acme_admin = other.authenticate_token(office.acme.admin["Authorization"].split()[1])
    # Policies arrive at other replicas by the feed; this one answers for itself.
    await office.manager.signing_keys()
    for _ in range(1_000):
        if other.policies().version == 1:
            break
        await other.users("acme")
    with pytest.raises(NotAllowed):
        other.authorize(acme_admin, "tenant:manage")

    answer = await send(office, "PUT", "/admin/policies", body, admin)
    assert (answer.status_code, answer.json()["version"]) == (422, "1")
    back = {"version": 1, "documents": {}}
    assert (await send(office, "PUT", "/admin/policies", back, admin)).json()["version"] == 2
    assert (await office.client.get("/admin/users", headers=office.acme.admin)).status_code == 200


async def test_a_signing_key_is_published_and_tokens_stay_good(office):
    admin = office.home.admin
    (before,) = (await office.client.get("/admin/signing-keys", headers=admin)).json()
    kid = (await send(office, "POST", "/admin/signing-keys", None, admin)).json()["kid"]
    states = {
        key["kid"]: key["state"]
        for key in (await office.client.get("/admin/signing-keys", headers=admin)).json()
    }
    assert states == {before["kid"]: "signing", kid: "published"}
    answer = await send(office, "POST", "/admin/signing-keys", None, admin)
    assert answer.status_code == 403
    assert kid in {key["kid"] for key in office.manager.jwks()["keys"]}


async def test_reading_leaves_nothing_in_the_journal(office):
    before = office.journal()
    for method, path, _ in office.rows():
        if method == "GET":
            asked = filled(path, office.home.ids)
            answer = await office.client.get(asked, headers=office.home.admin)
            assert answer.status_code == 200, path
    assert office.journal() == before


async def test_without_identity_there_are_no_routes_of_administrators(venue):
    async with venue.client() as client:
        assert (await client.get("/admin/users")).status_code == 404
