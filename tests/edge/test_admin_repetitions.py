"""Administrators' requests that come twice or at once: ``Idempotency-Key`` on the real identity."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from admin_office import CALLBACK, AdminOffice, admin_office

from tradeplane.errors import ComponentUnavailable

# Path, a body, the same with one thing changed at a time, and where the answer has its secret.
CREATIONS = [
    (
        "/admin/users",
        {"username": "ann", "email": "ann@firm.test", "role": "trader"},
        [{"username": "bob"}, {"email": "a@firm.test"}, {"role": "auditor"}],
        "password",
    ),
    (
        "/admin/accounts",
        {"user_id": "{user_id}", "cash": "1000.00"},
        [{"cash": "1000.01"}, {"user_id": "{other}"}],
        "",
    ),
    (
        "/admin/keys",
        {"account_id": "{account_id}", "role": "trader", "scopes": ["account:read"]},
        [{"scopes": []}, {"role": "researcher"}, {"expires_at": "2099-01-01"}],
        "secret_key",
    ),
    (
        "/admin/clients",
        {
            "name": "app",
            "scopes": ["market:read"],
            "redirect_uris": [CALLBACK],
            "confidential": True,
        },
        [
            {"name": "other"},
            {"scopes": ["account:read"]},
            {"redirect_uris": [CALLBACK + "/2"]},
            {"confidential": False},
            {"role": "trader"},
            {"account_id": "{account_id}"},
            {"grant_types": ["authorization_code"]},
        ],
        "client_secret",
    ),
    (
        "/admin/tenants",
        {"tenant_id": "third", "name": "Third"},
        [{"name": "Fourth"}, {"tenant_id": "fourth"}, {"tenant_id": "rival", "name": "Rival"}],
        "",
    ),
    ("/admin/signing-keys", None, [], ""),
]
IDS = [path for path, *_ in CREATIONS]


@pytest.fixture
async def office(venue) -> AsyncIterator[AdminOffice]:
    async with admin_office(venue.ports) as settled:
        yield settled


class Sender:
    """Sends one creation, as the firm's administrator who may do it."""

    def __init__(self, office: AdminOffice, path: str, other: str) -> None:
        at_home = path in {"/admin/tenants", "/admin/signing-keys"}
        self.office = office
        self.path = path
        self.admin = (office.home if at_home else office.acme).admin
        self.ids = {**office.acme.ids, "other": other}

    async def __call__(self, body, key="k", client=None, headers=None):
        filled = {
            name: value.format_map(self.ids) if isinstance(value, str) else value
            for name, value in (body or {}).items()
        }
        return await (client or self.office.client).post(
            self.path,
            headers={**(headers or self.admin), **({"Idempotency-Key": key} if key else {})},
            **({} if body is None else {"json": filled}),
        )


async def sender(office: AdminOffice, path: str) -> Sender:
    return Sender(office, path, await office.person("acme", "operator"))


def without(body: dict, secret: str) -> dict:
    return {name: value for name, value in body.items() if name != secret}


@pytest.mark.parametrize(("path", "body", "others", "secret"), CREATIONS, ids=IDS)
async def test_the_same_request_again_has_the_same_answer_and_no_effect(
    office, path, body, others, secret
):
    send = await sender(office, path)
    first = await send(body)
    before, opened = office.journal(), list(office.system.opened)
    _, elsewhere = await office.replica()
    for client in (office.client, elsewhere):
        again = await send(body, client=client)
        assert (first.status_code, again.status_code) == (201, 200)
        assert again.headers["idempotent-replayed"] == "true"
        assert without(again.json(), secret) == without(first.json(), secret)
        if secret:
            assert first.json()[secret]
            assert again.json()[secret] is None
    assert office.journal() == before
    assert {one.account_id for one in office.system.opened} == {one.account_id for one in opened}


@pytest.mark.parametrize(
    ("path", "body", "other"),
    [(path, body, other) for path, body, others, _ in CREATIONS for other in others],
)
async def test_the_same_key_for_something_else_is_refused(office, path, body, other):
    send = await sender(office, path)
    assert (await send(body)).status_code == 201
    before = office.journal()
    answer = await send({**body, **other})
    assert answer.status_code == 422, answer.text
    assert office.journal() == before
    assert (await send(body)).status_code == 200


@pytest.mark.parametrize(("path", "body", "others", "secret"), CREATIONS, ids=IDS)
async def test_requests_at_once_on_two_replicas_make_one_thing_and_show_one_secret(
    office, path, body, others, secret
):
    send = await sender(office, path)
    _, elsewhere = await office.replica()
    clients = [office.client, elsewhere] * 4
    answers = await asyncio.gather(*(send(body, client=client) for client in clients))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert len({str(without(answer.json(), secret)) for answer in answers}) == 1
    if secret:
        assert len([1 for answer in answers if answer.json()[secret]]) == 1
    made = {
        (entry.target_kind, entry.target_id)
        for answer in answers
        for entry in office.trail(answer.headers["x-request-id"])
    }
    assert len(made) == 1


@pytest.mark.parametrize(
    ("path", "body", "others", "secret"), [row for row in CREATIONS if row[2]], ids=IDS[:-1]
)
async def test_different_requests_at_once_under_one_key_make_one_thing(
    office, path, body, others, secret
):
    send = await sender(office, path)
    bodies = [body, {**body, **others[0]}] * 3
    answers = await asyncio.gather(*(send(each) for each in bodies))
    assert {answer.status_code for answer in answers} <= {200, 201, 422}
    accepted = [index % 2 for index, each in enumerate(answers) if each.status_code != 422]
    assert len(set(accepted)) == 1
    assert len(accepted) == 3
    made = {
        (entry.target_kind, entry.target_id)
        for answer in answers
        for entry in office.trail(answer.headers["x-request-id"])
    }
    assert len(made) == 1


@pytest.mark.parametrize(("path", "body", "others", "secret"), CREATIONS[:4], ids=IDS[:4])
async def test_a_key_is_its_callers_and_its_firms_own(office, path, body, others, secret):
    send = await sender(office, path)
    rival = {**office.rival.ids, "other": ""}
    first = await send(body)
    send.ids = rival
    changed = {**body, "username": "zoe"} if path == "/admin/users" else body
    theirs = await send(changed, headers=office.rival.admin)
    assert (first.status_code, theirs.status_code) == (201, 201)
    assert without(first.json(), secret) != without(theirs.json(), secret)


@pytest.mark.parametrize(("path", "body", "others", "secret"), CREATIONS[:4], ids=IDS[:4])
async def test_without_a_key_every_request_is_a_new_one(office, path, body, others, secret):
    send = await sender(office, path)
    changed = {**body, "username": "zoe"} if path == "/admin/users" else body
    answers = [await send(body, key=""), await send(changed, key="")]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() != answers[1].json()


@pytest.mark.parametrize("key", [" ", "a b", "x" * 129, "é".encode()])
async def test_a_malformed_key_is_refused(office, key):
    before = office.journal()
    for path, body, *_ in CREATIONS:
        send = Sender(office, path, office.acme.ids["user_id"])
        assert (await send(body, key=key)).status_code == 422
    assert office.journal() == before


@pytest.mark.parametrize("confidential", [True, False])
@pytest.mark.parametrize(
    ("path", "body", "made_id"),
    [
        ("/admin/keys", CREATIONS[2][1], lambda made: made["key"]["key_id"]),
        ("/admin/clients", CREATIONS[3][1], lambda made: made["client"]["client_id"]),
    ],
    ids=["keys", "clients"],
)
async def test_what_was_ended_does_not_come_back_by_a_repetition(
    office, path, body, made_id, confidential
):
    send = await sender(office, path)
    if path == "/admin/clients":
        body = {**body, "confidential": confidential}
    made = (await send(body)).json()
    ended = await office.client.delete(f"{path}/{made_id(made)}", headers=send.admin)
    assert ended.status_code == 204
    before = office.journal()
    assert (await send(body)).status_code in {404, 422}
    assert office.journal() == before
    assert (await send(body, key="another")).status_code == 201


async def test_an_account_that_stopped_halfway_is_opened_by_the_repetition(office, monkeypatch):
    send = await sender(office, "/admin/accounts")
    body = {"user_id": "{user_id}", "cash": "5"}
    opened = len(office.system.opened)

    async def unreachable(command, shard):
        raise ComponentUnavailable("the ledger is restarting; nothing was done")

    monkeypatch.setattr(office.manager, "_open_in_ledger", unreachable)
    assert (await send(body)).status_code == 503
    monkeypatch.undo()
    answer = await send(body)
    assert answer.status_code == 200
    assert [one.account_id for one in office.system.opened[opened:]] == [
        answer.json()["account_id"]
    ]


async def test_a_repetition_after_a_restart_of_identity_finds_what_was_made(office):
    for path, body, _, secret in CREATIONS:
        send = Sender(office, path, "")
        first = await send(body)
        await office.system.start()
        again = await send(body)
        assert (first.status_code, again.status_code) == (201, 200), path
        assert without(again.json(), secret) == without(first.json(), secret)
