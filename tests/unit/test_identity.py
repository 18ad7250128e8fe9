"""The identity component: users, keys, accounts and tenants, each decided once and for a reason."""

import hashlib

import msgspec
import pytest

from tradeplane.auth.commands import (
    Command,
    CreateClient,
    CreateKey,
    CreateTenant,
    CreateUser,
    DisableUser,
    EnableUser,
    RegisterAccount,
    RevokeKey,
    SetRole,
)
from tradeplane.auth.directory import Directory
from tradeplane.auth.events import DirectoryEvent, KeyCreated, UserRoleSet
from tradeplane.auth.identity import DECISIONS, DIRECTORY_TOPIC, Identity
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.principal import HOME_TENANT, ROLES, Origin
from tradeplane.auth.private_events import PrivateEvent, UserIntroduced
from tradeplane.auth.queries import GetDirectory
from tradeplane.auth.replies import Done
from tradeplane.auth.roles import is_within, narrowed
from tradeplane.auth.wanted import ClientWanted, KeyWanted
from tradeplane.errors import (
    InvalidRequest,
    LimitReached,
    NotAllowed,
    NotAuthenticated,
    NotFound,
)
from tradeplane.feed import PRIVATE_TOPIC

DIGEST = hashlib.sha256(b"secret").hexdigest()
BY = Origin("user", "root", HOME_TENANT, reason="a test")


def user(user_id: str = "u1", role: str = "admin", **more: str) -> CreateUser:
    fields = {"tenant_id": HOME_TENANT, "username": user_id, "email": "", **more}
    return CreateUser(
        by=BY, user_id=user_id, role=role, password_phc="$argon2id$", temporary=False, **fields
    )


def register(account_id: str = "account", user_id: str = "u1", **more: str) -> RegisterAccount:
    fields = {"tenant_id": HOME_TENANT, **more}
    return RegisterAccount(by=BY, account_id=account_id, user_id=user_id, shard=0, **fields)


def create(key_id: str = "PK1", digest: str = DIGEST, **more: object) -> CreateKey:
    tenant_id = str(more.pop("tenant_id", HOME_TENANT))
    wanted = KeyWanted(**{"account_id": "account", **more})  # type: ignore[arg-type]
    return CreateKey(by=BY, key_id=key_id, secret_sha256=digest, tenant_id=tenant_id, wanted=wanted)


def revoke(key_id: str = "PK1", tenant_id: str = HOME_TENANT) -> RevokeKey:
    return RevokeKey(by=BY, key_id=key_id, tenant_id=tenant_id)


def identity(*given: Command, limits: IdentityLimits | None = None) -> Identity:
    made = Identity(limits)
    for command in given:
        made.apply(command, 1)
    return made


def test_every_command_has_someone_who_decides_it() -> None:
    assert set(DECISIONS) == set(Identity.command_type.__args__)


def test_a_key_opens_its_account_and_nothing_else_does() -> None:
    directory = identity(user(), register(), create()).query(GetDirectory(), 1).directory

    assert directory.open_key("PK1", "secret", 1).account_id == "account"
    for key_id, secret in (("PK1", "wrong"), ("PK2", "secret"), ("", ""), ("PK1", "\ud800")):
        with pytest.raises(NotAuthenticated, match="unauthorized"):
            directory.open_key(key_id, secret, 1)


def test_a_key_whose_hash_is_the_placeholder_of_unknown_ids_does_not_open_by_it() -> None:
    with pytest.raises(NotAuthenticated):
        Directory().open_key("unknown", "0" * 64, 1)


def test_a_key_ends_when_it_was_said_to() -> None:
    directory = identity(user(), register(), create(expires_ns=10)).state.directory

    assert directory.open_key("PK1", "secret", 9)
    with pytest.raises(NotAuthenticated):
        directory.open_key("PK1", "secret", 10)


def test_a_revoked_key_is_gone_for_good() -> None:
    made = identity(user(), register(), create(), revoke())

    assert made.query(GetDirectory(), 1).directory.keys == {}
    with pytest.raises(NotFound):
        made.apply(revoke(), 1)


def test_the_same_command_twice_has_one_effect() -> None:
    made = identity(user(), register(), create())
    before = made.to_bytes()

    assert made.apply(register(), 2).events == ()
    assert made.apply(create(), 2).events == ()
    assert made.to_bytes() == before


def test_the_same_id_with_other_contents_is_refused() -> None:
    made = identity(user(), user("u2"), register(), create())
    first = next(
        event for event in made.apply(create("PK2"), 1).events if isinstance(event, KeyCreated)
    )

    with pytest.raises(InvalidRequest):
        made.apply(create(digest="f" * 64), 2)
    with pytest.raises(InvalidRequest):
        made.repeat(create("PK2", "f" * 64), first)
    with pytest.raises(InvalidRequest):
        made.apply(register(user_id="u2"), 2)


def test_a_repetition_with_other_contents_is_refused_and_with_the_same_ones_is_answered() -> None:
    made = identity(user(), user("u2"))
    registered = made.apply(register(), 1).events[0]
    firm = CreateTenant(by=BY, command_id="c", tenant_id="third", name="Third")
    created = made.apply(firm, 1).events[0]

    assert made.repeat(register(), registered) == Done()
    assert made.repeat(firm, created) == Done()
    with pytest.raises(InvalidRequest):
        made.repeat(register(user_id="u2"), registered)
    for other in ({"tenant_id": "fourth"}, {"name": "Fourth"}):
        with pytest.raises(InvalidRequest):
            made.repeat(msgspec.structs.replace(firm, **other), created)


def test_a_key_needs_an_account_of_the_tenant_and_a_role_within_its_owners() -> None:
    made = identity(
        user(role="trader"),
        register(),
        CreateTenant(by=BY, tenant_id="acme", name="Acme"),
    )
    for command, refusal in (
        (create(account_id="other"), NotFound),
        (create(tenant_id="acme"), NotFound),
        (create(role="admin"), NotAllowed),
        (create(role="root"), InvalidRequest),
        (create(scopes=("everything",)), InvalidRequest),
        (create(expires_ns=1), InvalidRequest),
    ):
        with pytest.raises(refusal):
            made.apply(command, 1)
    assert made.apply(create(role="researcher", scopes=("market:read",)), 1).events


def test_one_accounts_keys_have_a_limit() -> None:
    made = identity(user(), register(), create(), limits=IdentityLimits(account_keys_max=1))

    with pytest.raises(LimitReached):
        made.apply(create("PK2"), 1)


@pytest.mark.parametrize(
    ("limits", "command"),
    [
        (IdentityLimits(accounts_max=1), register("second")),
        (IdentityLimits(users_max=1), user("u2")),
        (IdentityLimits(keys_max=1), create("PK2")),
        (IdentityLimits(tenants_max=1), CreateTenant(by=BY, tenant_id="acme", name="Acme")),
    ],
)
def test_an_installation_has_limits(limits: IdentityLimits, command: Command) -> None:
    made = identity(user(), register(), create(), limits=limits)

    with pytest.raises(LimitReached):
        made.apply(command, 1)


def test_another_tenants_things_do_not_exist() -> None:
    made = identity(
        CreateTenant(by=BY, tenant_id="acme", name="Acme"), user(), register(), create()
    )
    for command in (
        SetRole(by=BY, tenant_id="acme", user_id="u1", role="trader"),
        DisableUser(by=BY, tenant_id="acme", user_id="u1"),
        revoke(tenant_id="acme"),
        register("second", tenant_id="acme"),
        register("second", tenant_id="nowhere"),
        user("u2", tenant_id="nowhere"),
    ):
        with pytest.raises(NotFound):
            made.apply(command, 1)


def test_usernames_are_told_apart_without_their_case() -> None:
    with pytest.raises(InvalidRequest, match="taken"):
        identity(user("u1", username="Tess")).apply(user("u2", username="tESS"), 1)


@pytest.mark.parametrize("username", ["", "a b", "x" * 65, "tess\n", "t\u00e9ss", "a/b", "<b>"])
def test_a_malformed_username_is_refused(username: str) -> None:
    with pytest.raises(InvalidRequest):
        identity().apply(user(username=username), 1)


@pytest.mark.parametrize("tenant_id", ["", "Acme", "-acme", "acme-", "a" * 41, "a_b", "a/b"])
def test_a_malformed_tenant_id_is_refused(tenant_id: str) -> None:
    with pytest.raises(InvalidRequest):
        identity().apply(CreateTenant(by=BY, tenant_id=tenant_id, name="x"), 1)


@pytest.mark.parametrize("reason", ["", "x" * 501, "line\nbreak", "bell\a"])
def test_an_administrators_command_needs_a_printable_reason(reason: str) -> None:
    by = msgspec.structs.replace(BY, reason=reason)
    made = identity(user(), register(), create())
    for command in (revoke(), user("u2"), create("PK2"), register("second")):
        with pytest.raises(InvalidRequest, match="reason"):
            made.apply(msgspec.structs.replace(command, by=by), 1)


def test_the_last_administrator_of_the_installation_cannot_be_lost() -> None:
    made = identity(user(), user("u2", "trader"))
    demote = SetRole(by=BY, tenant_id=HOME_TENANT, user_id="u1", role="trader")
    disable = DisableUser(by=BY, tenant_id=HOME_TENANT, user_id="u1")
    for command in (demote, disable):
        with pytest.raises(NotAllowed, match="last administrator"):
            made.apply(command, 1)

    made.apply(SetRole(by=BY, tenant_id=HOME_TENANT, user_id="u2", role="admin"), 1)
    assert made.apply(demote, 1).events
    assert made.apply(EnableUser(by=BY, tenant_id=HOME_TENANT, user_id="u1"), 1).events == ()


def test_a_role_is_never_more_by_a_credential_than_its_owner() -> None:
    for role in ROLES:
        for owner in ROLES:
            acting = narrowed(role, owner)
            assert is_within(acting, owner)
            assert is_within(acting, role)


@pytest.mark.parametrize(
    "uri",
    [
        "http://firm.test/cb", "https://firm.test/cb#part", "https://*.firm.test/", "/cb", "",
        "javascript:alert(1)", "https://user@firm.test/", "http://127.0.0.1.evil.test/",
        "https://firm.test/a b", "http://localhost.evil.test/", "http://[::1", "https://",
    ],
)  # fmt: skip
def test_a_redirect_uri_that_could_lead_elsewhere_is_refused(uri: str) -> None:
    wanted = ClientWanted("App", (uri,), scopes=("market:read",))
    command = CreateClient(
        by=BY, client_id="c", tenant_id=HOME_TENANT, secret_sha256="", wanted=wanted
    )
    with pytest.raises(InvalidRequest):
        identity().apply(command, 1)


@pytest.mark.parametrize(
    "uri", ["https://firm.test/cb?x=1", "http://127.0.0.1:8080/cb", "http://localhost/cb"]
)
def test_https_and_the_loopback_are_redirect_uris(uri: str) -> None:
    wanted = ClientWanted("App", (uri,), scopes=("market:read",))
    command = CreateClient(
        by=BY, client_id="c", tenant_id=HOME_TENANT, secret_sha256="", wanted=wanted
    )
    assert identity().apply(command, 1).events


@pytest.mark.parametrize(
    "wanted",
    [
        ClientWanted("App", ("https://firm.test/",)),
        ClientWanted("App", (), scopes=("market:read",)),
        ClientWanted("App", (), ("client_credentials",), ("market:read",)),
        ClientWanted("App", ("https://a.test/",) * 11, scopes=("market:read",)),
        ClientWanted("", ("https://a.test/",), scopes=("market:read",)),
        ClientWanted("App", ("https://a.test/",), (), ("market:read",)),
    ],
)
def test_a_client_whose_parts_do_not_fit_is_refused(wanted: ClientWanted) -> None:
    command = CreateClient(
        by=BY, client_id="c", tenant_id=HOME_TENANT, secret_sha256="", wanted=wanted
    )
    with pytest.raises(InvalidRequest):
        identity().apply(command, 1)


def test_what_is_private_is_under_the_private_topic_and_all_else_is_not() -> None:
    made = identity()
    private = made.apply(user(), 1).events[1]
    assert isinstance(private, UserIntroduced)
    assert made.topic(private) == PRIVATE_TOPIC
    role = UserRoleSet(at_ns=1, by=BY, user_id="u1", tenant_id=HOME_TENANT, role="trader")
    assert made.topic(role) == DIRECTORY_TOPIC
    for command in (register(), create(), revoke()):
        assert [made.topic(event) for event in made.apply(command, 1).events] == [DIRECTORY_TOPIC]
    assert not set(PrivateEvent.__args__) & set(DirectoryEvent.__args__)


def test_nothing_secret_is_in_a_repr() -> None:
    command = user(username="tess", email="tess@firm.test")
    shown = [command, *identity().apply(command, 1).events]
    for one in shown:
        for secret in ("$argon2id$", "tess@firm.test"):
            assert secret not in repr(one)


def test_a_replayed_identity_is_the_same_to_the_byte() -> None:
    made, replayed, restored = identity(), Identity(), Identity()
    for command in (
        CreateTenant(by=BY, tenant_id="acme", name="Acme"), user(), register(), create(),
        user("u2", "trader"), revoke(),
    ):  # fmt: skip
        for event in made.apply(command, 7).events:
            encoded = msgspec.json.encode(event)
            replayed.evolve(msgspec.json.decode(encoded, type=Identity.event_type))
    restored.from_bytes(made.to_bytes())

    assert made.to_bytes() == replayed.to_bytes() == restored.to_bytes()
    assert restored.state.directory.users["u1"].role == "admin"
