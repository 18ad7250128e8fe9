"""Identity as a replica sees it: the whole way from a password to a principal and back."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator

import jwt
import msgspec
import pytest
from identity_system import (
    ADMIN,
    ISSUER,
    PASSWORD,
    SOMEWHERE,
    IdentityPort,
    IdentitySystem,
    identity_system,
    trader,
)

from actors.auth_manager import AuthManager
from adapters.passwords import Argon2Settings, PasswordHasher
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.mfa import step_of, totp_code
from tradeplane.auth.principal import HOME_TENANT, Origin, Principal
from tradeplane.auth.wanted import ClientWanted, CodeRedemption, CodeWanted, KeyWanted, UserWanted
from tradeplane.clock import NS_PER_S
from tradeplane.errors import (
    ComponentUnavailable,
    InvalidGrant,
    InvalidRequest,
    MfaRequired,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    TooManyAttempts,
)

NEW_PASSWORD = "forty winks under the elm"
CALLBACK = "https://app.firm.test/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=")


@pytest.fixture
async def running() -> AsyncIterator[tuple[IdentitySystem, AuthManager]]:
    async with identity_system() as both:
        yield both


@pytest.fixture
async def system(running: tuple[IdentitySystem, AuthManager]) -> IdentitySystem:
    return running[0]


@pytest.fixture
async def manager(running: tuple[IdentitySystem, AuthManager]) -> AuthManager:
    return running[1]


async def until(claim) -> None:
    """Wait until *claim* holds; pytest's own limit ends a wait for ever."""
    while not claim():
        await asyncio.sleep(0.002)


def refuses(manager: AuthManager, token: str) -> bool:
    try:
        manager.authenticate_token(token)
    except NotAuthenticated:
        return True
    return False


async def test_a_login_gives_a_token_that_every_replica_takes_for_the_user(system, manager) -> None:
    user_id = await trader(manager)
    other = await system.replica()

    tokens = await manager.login("Tess", PASSWORD, None, SOMEWHERE)

    for replica in (manager, other):
        principal = replica.authenticate_token(tokens.access_token)
        assert (principal.user_id, principal.tenant_id, principal.role) == (
            user_id, HOME_TENANT, "trader",
        )  # fmt: skip
        assert principal.kind == "user"
        assert principal.account_id == system.opened[0].account_id
        assert principal.key_id == principal.session_id
    assert tokens.expires_in_s == 300


async def test_an_independent_library_verifies_our_tokens_with_our_key_set(manager) -> None:
    await trader(manager)
    token = (await manager.login("tess", PASSWORD, None, SOMEWHERE)).access_token

    header = jwt.get_unverified_header(token)
    keys = jwt.PyJWKSet.from_dict(manager.jwks())
    claims = jwt.decode(
        token, keys[header["kid"]], algorithms=["EdDSA"], audience="tradeplane", issuer=ISSUER
    )

    assert header["typ"] == "at+jwt"
    assert claims["sid"]
    assert claims["tid"] == HOME_TENANT


async def test_wrong_credentials_are_refused_alike_whether_the_user_exists_or_not(manager) -> None:
    await trader(manager)
    told = []
    for username, password in (("tess", "wrong" * 4), ("nobody", PASSWORD), ("tess", "")):
        with pytest.raises(NotAuthenticated) as refusal:
            await manager.login(username, password, None, SOMEWHERE)
        told.append((type(refusal.value), refusal.value.message, refusal.value.details))

    assert told == [(NotAuthenticated, "unauthorized.", {})] * 3


async def test_failures_in_a_row_close_the_door_and_time_opens_it(system, manager) -> None:
    await trader(manager)
    for username in ("tess", "nobody"):
        for _ in range(5):
            with pytest.raises(NotAuthenticated):
                await manager.login(username, "wrong" * 4, None, SOMEWHERE)
        with pytest.raises(TooManyAttempts) as refusal:
            await manager.login(username, PASSWORD, None, SOMEWHERE)
        assert 0 < int(refusal.value.details["retry_after_s"]) <= 30

    system.clock.offset_ns += 31 * NS_PER_S
    await until(lambda: manager.follower.silent_ns() < NS_PER_S)
    assert (await manager.login("tess", PASSWORD, None, SOMEWHERE)).access_token


async def test_a_refresh_goes_on_and_the_old_token_ends_the_session_later(system, manager) -> None:
    await trader(manager)
    first = await manager.login("tess", PASSWORD, None, SOMEWHERE)
    second = await manager.refresh(first.refresh_token, None, SOMEWHERE)
    again = await manager.refresh(first.refresh_token, None, SOMEWHERE)
    assert again.refresh_token == second.refresh_token != first.refresh_token

    third = await manager.refresh(second.refresh_token, None, SOMEWHERE)
    with pytest.raises(NotAuthenticated):
        await manager.refresh(first.refresh_token, None, SOMEWHERE)

    with pytest.raises(NotAuthenticated):
        await manager.refresh(third.refresh_token, None, SOMEWHERE)
    await until(lambda: refuses(manager, third.access_token))


async def test_a_wrong_secret_and_another_client_burn_nothing(manager) -> None:
    await trader(manager)
    tokens = await manager.login("tess", PASSWORD, None, SOMEWHERE)
    for wrong in (tokens.refresh_token + "x", "tpr_", "tpr_a.b", "nonsense", tokens.access_token):
        with pytest.raises(NotAuthenticated):
            await manager.refresh(wrong, None, SOMEWHERE)
    with pytest.raises(NotAuthenticated):
        await manager.refresh(tokens.refresh_token, "tpc_other", SOMEWHERE)

    assert (await manager.refresh(tokens.refresh_token, None, SOMEWHERE)).access_token


async def test_a_logout_reaches_every_replica_within_a_second(system, manager) -> None:
    await trader(manager)
    replicas = [manager, await system.replica(), await system.replica()]
    tokens = await manager.login("tess", PASSWORD, None, SOMEWHERE)
    principals = [replica.authenticate_token(tokens.access_token) for replica in replicas]

    await manager.logout(principals[0], SOMEWHERE)

    async with asyncio.timeout(1):
        await until(lambda: all(refuses(one, tokens.access_token) for one in replicas))


async def test_a_role_changes_for_tokens_and_keys_that_are_out_already(manager) -> None:
    user_id = await trader(manager, role="admin")
    await trader(manager, "root", "admin")
    token = (await manager.login("tess", PASSWORD, None, SOMEWHERE)).access_token
    account_id = manager.authenticate_token(token).account_id
    key = await manager.create_key(HOME_TENANT, KeyWanted(account_id, "trader"), ADMIN)

    await manager.set_role(HOME_TENANT, user_id, "auditor", ADMIN)

    assert manager.authenticate_token(token).role == "auditor"
    assert manager.authenticate(key.key.key_id, key.secret_key).role == "researcher"


async def test_a_disabled_user_is_out_by_every_way(manager) -> None:
    user_id = await trader(manager)
    tokens = await manager.login("tess", PASSWORD, None, SOMEWHERE)
    account_id = manager.authenticate_token(tokens.access_token).account_id
    key = await manager.create_key(HOME_TENANT, KeyWanted(account_id), ADMIN)

    await manager.disable_user(HOME_TENANT, user_id, ADMIN)

    assert refuses(manager, tokens.access_token)
    with pytest.raises(NotAuthenticated):
        manager.authenticate(key.key.key_id, key.secret_key)
    with pytest.raises(NotAuthenticated):
        await manager.refresh(tokens.refresh_token, None, SOMEWHERE)
    with pytest.raises(NotAuthenticated):
        await manager.login("tess", PASSWORD, None, SOMEWHERE)
    await manager.enable_user(HOME_TENANT, user_id, ADMIN)
    assert manager.authenticate(key.key.key_id, key.secret_key).user_id == user_id
    assert refuses(manager, tokens.access_token)


async def test_a_silent_feed_closes_every_door(system, manager) -> None:
    await trader(manager)
    token = (await manager.login("tess", PASSWORD, None, SOMEWHERE)).access_token
    key = (await manager.create_key(
        HOME_TENANT, KeyWanted(manager.authenticate_token(token).account_id), ADMIN
    ))  # fmt: skip
    manager.port.cut = True
    system.clock.offset_ns += 10 * NS_PER_S

    for attempt in (
        lambda: manager.authenticate_token(token),
        lambda: manager.authenticate(key.key.key_id, key.secret_key),
        lambda: manager.client("tpc_any"),
        manager.policies,
        manager.jwks,
    ):
        with pytest.raises(ComponentUnavailable):
            attempt()

    manager.port.cut = False
    await until(lambda: manager.follower.silent_ns() < NS_PER_S)
    assert manager.authenticate_token(token)


async def test_a_replica_that_has_heard_nothing_yet_refuses_everyone(system) -> None:
    port = IdentityPort(system)
    blind = AuthManager(
        port, port, subscriber="x", issuer=ISSUER, clock=system.clock, open_in_ledger=None
    )
    with pytest.raises(ComponentUnavailable):
        blind.authenticate("PK", "secret")
    with pytest.raises(ComponentUnavailable):
        blind.authenticate_token("a.b.c")


async def test_nothing_is_permitted_without_policies(manager) -> None:
    with pytest.raises(ComponentUnavailable):
        manager.authorize(Principal("k", HOME_TENANT, ""), "market:read")


async def test_another_account_is_seen_by_those_who_may_and_unknown_to_others(
    system, manager
) -> None:
    await trader(manager)
    await trader(manager, "ann", "auditor")
    await manager.create_tenant("acme", "Acme", ADMIN)
    mine, anns = (opened.account_id for opened in system.opened)
    tess = (await manager.login("tess", PASSWORD, None, SOMEWHERE)).access_token
    ann = (await manager.login("ann", PASSWORD, None, SOMEWHERE)).access_token

    assert manager.authenticate_token(ann, mine).account_id == mine
    assert manager.authenticate_token(tess, mine).account_id == mine
    for account_id in (anns, "nonsense", "' or 1=1"):
        with pytest.raises(NotFound):
            manager.authenticate_token(tess, account_id)


async def test_a_second_factor_is_asked_for_and_good_once(system, manager) -> None:
    user_id = await trader(manager)
    tess = manager.authenticate_token(
        (await manager.login("tess", PASSWORD, None, SOMEWHERE)).access_token
    )
    enrollment = await manager.enable_mfa(tess, PASSWORD, SOMEWHERE)
    secret = enrollment.secret_base32
    now = step_of(system.clock.wall_ns())
    recovery = await manager.confirm_mfa(tess, totp_code(secret, now), SOMEWHERE)

    with pytest.raises(MfaRequired):
        await manager.login("tess", PASSWORD, None, SOMEWHERE)
    with pytest.raises(NotAuthenticated):
        await manager.login("tess", PASSWORD, totp_code(secret, now), SOMEWHERE)
    code = totp_code(secret, now + 1)
    assert await manager.login("tess", PASSWORD, code, SOMEWHERE)
    with pytest.raises(NotAuthenticated):
        await manager.login("tess", PASSWORD, code, SOMEWHERE)
    assert await manager.login("tess", PASSWORD, recovery[0].upper(), SOMEWHERE)
    with pytest.raises(NotAuthenticated):
        await manager.login("tess", PASSWORD, recovery[0], SOMEWHERE)
    assert len(set(recovery)) == 10
    assert (await manager.user(HOME_TENANT, user_id)).mfa_enabled
    assert enrollment.otpauth_uri.startswith("otpauth://totp/Tradeplane%3Atess?secret=")

    await manager.disable_mfa(tess, PASSWORD, recovery[1], SOMEWHERE)
    assert await manager.login("tess", PASSWORD, None, SOMEWHERE)


async def test_a_password_change_ends_the_other_sessions(manager) -> None:
    await trader(manager)
    here = await manager.login("tess", PASSWORD, None, SOMEWHERE)
    there = await manager.login("tess", PASSWORD, None, SOMEWHERE)
    tess = manager.authenticate_token(here.access_token)

    with pytest.raises(NotAuthenticated):
        await manager.change_password(tess, "wrong" * 4, NEW_PASSWORD, SOMEWHERE)
    for weak in ("short", "tess" * 5, "tradeplane-password", PASSWORD):
        with pytest.raises(InvalidRequest):
            await manager.change_password(tess, PASSWORD, weak, SOMEWHERE)
    await manager.change_password(tess, PASSWORD, NEW_PASSWORD, SOMEWHERE)

    assert refuses(manager, there.access_token)
    assert manager.authenticate_token(here.access_token)
    with pytest.raises(NotAuthenticated):
        await manager.login("tess", PASSWORD, None, SOMEWHERE)
    assert await manager.login("tess", NEW_PASSWORD, None, SOMEWHERE)


async def test_a_password_that_somebody_else_set_is_good_for_choosing_one(manager) -> None:
    user_id = await trader(manager)
    password = await manager.set_password(HOME_TENANT, user_id, ADMIN)
    tokens = await manager.login("tess", password, None, SOMEWHERE)
    tess = manager.authenticate_token(tokens.access_token)
    assert tess.scopes == ("self:manage",)
    assert (await manager.me(tess)).temporary_password

    await manager.change_password(tess, password, NEW_PASSWORD, SOMEWHERE)

    tokens = await manager.login("tess", NEW_PASSWORD, None, SOMEWHERE)
    assert manager.authenticate_token(tokens.access_token).scopes == ()


async def test_users_see_and_end_their_own_sessions_and_no_others(manager) -> None:
    await trader(manager)
    await trader(manager, "eve")
    tess, eve = [
        manager.authenticate_token(tokens.access_token)
        for tokens in [
            await manager.login(name, PASSWORD, None, SOMEWHERE) for name in ("tess", "eve")
        ]
    ]

    assert [one.session_id for one in await manager.sessions(tess)] == [tess.session_id]
    with pytest.raises(NotFound):
        await manager.end_session(eve, tess.session_id, SOMEWHERE)
    with pytest.raises(NotFound):
        await manager.end_all_sessions(eve, tess.user_id, SOMEWHERE)
    await manager.end_session(tess, tess.session_id, SOMEWHERE)
    assert await manager.sessions(tess) == ()


async def test_a_code_opens_a_session_of_the_client_once(manager) -> None:
    await trader(manager)
    tess = manager.authenticate_token(
        (await manager.login("tess", PASSWORD, None, SOMEWHERE)).access_token
    )
    wanted = ClientWanted("App", (CALLBACK,), scopes=("account:read", "market:read"))
    client = (await manager.create_client(HOME_TENANT, wanted, ADMIN)).client
    ask = CodeWanted(client.client_id, CALLBACK, "account:read", CHALLENGE.decode())
    code = await manager.issue_code(tess, ask, SOMEWHERE)
    shown = CodeRedemption(client.client_id, None, code, CALLBACK, VERIFIER)
    for wrong in (
        msgspec.structs.replace(shown, code="tpo_x"),
        msgspec.structs.replace(shown, redirect_uri=CALLBACK + "/"),
        msgspec.structs.replace(shown, code_verifier="w" * 43),
        msgspec.structs.replace(shown, code_verifier=""),
    ):
        with pytest.raises(InvalidGrant):
            await manager.redeem_code(wrong, SOMEWHERE)

    tokens = await manager.redeem_code(shown, SOMEWHERE)

    principal = manager.authenticate_token(tokens.access_token)
    assert (principal.user_id, principal.scopes) == (tess.user_id, ("account:read",))
    with pytest.raises(NotAllowed):
        await manager.issue_code(principal, ask, SOMEWHERE)
    for attempt in (
        manager.change_password(principal, PASSWORD, NEW_PASSWORD, SOMEWHERE),
        manager.enable_mfa(principal, PASSWORD, SOMEWHERE),
        manager.confirm_mfa(principal, "000000", SOMEWHERE),
        manager.disable_mfa(principal, PASSWORD, "000000", SOMEWHERE),
    ):
        with pytest.raises(NotAllowed):
            await attempt
    with pytest.raises(NotAuthenticated):
        await manager.refresh(tokens.refresh_token, None, SOMEWHERE)
    with pytest.raises(InvalidGrant):
        await manager.redeem_code(shown, SOMEWHERE)
    await until(lambda: refuses(manager, tokens.access_token))
    with pytest.raises(NotAuthenticated):
        await manager.refresh(tokens.refresh_token, client.client_id, SOMEWHERE)


async def test_a_client_acts_for_itself_until_it_is_deleted(manager) -> None:
    wanted = ClientWanted(
        "Job", (), ("client_credentials",), ("market:read", "account:read"), confidential=True
    )
    made = await manager.create_client(HOME_TENANT, wanted, ADMIN)
    client_id = made.client.client_id
    for secret in ("", "tpx_wrong"):
        with pytest.raises(NotAuthenticated):
            await manager.client_credentials(client_id, secret, "", SOMEWHERE)
    with pytest.raises(InvalidRequest):
        await manager.client_credentials(client_id, made.client_secret, "tenant:manage", SOMEWHERE)

    tokens = await manager.client_credentials(
        client_id, made.client_secret, "market:read", SOMEWHERE
    )

    principal = manager.authenticate_token(tokens.access_token)
    assert (principal.kind, principal.subject_id, principal.user_id, principal.role) == (
        "client", client_id, "", "researcher",
    )  # fmt: skip
    assert principal.scopes == ("market:read",)
    assert tokens.refresh_token == ""
    await manager.delete_client(HOME_TENANT, client_id, ADMIN)
    with pytest.raises((NotAuthenticated, ComponentUnavailable)):
        manager.authenticate_token(tokens.access_token)


async def test_a_revoked_token_is_refused_and_a_strangers_wish_is_not_heard(manager) -> None:
    await trader(manager)
    tokens = await manager.login("tess", PASSWORD, None, SOMEWHERE)
    for token in (tokens.access_token, tokens.refresh_token):
        await manager.revoke_token("tpc_other", token, SOMEWHERE)
    await manager.revoke_token(None, "nonsense", SOMEWHERE)
    await manager.revoke_token(None, "tpr_nonsense", SOMEWHERE)
    assert manager.authenticate_token(tokens.access_token)

    await manager.revoke_token(None, tokens.access_token, SOMEWHERE)
    await until(lambda: refuses(manager, tokens.access_token))
    renewed = await manager.refresh(tokens.refresh_token, None, SOMEWHERE)
    await manager.revoke_token(None, renewed.refresh_token, SOMEWHERE)
    await until(lambda: refuses(manager, renewed.access_token))


async def test_an_external_identity_logs_its_user_in_and_nobody_else(manager) -> None:
    user_id = await trader(manager)
    with pytest.raises(NotAuthenticated):
        await manager.login_external("https://idp.test", "42", SOMEWHERE)
    await manager.link_external(HOME_TENANT, user_id, "https://idp.test", "42", ADMIN)

    tokens = await manager.login_external("https://idp.test", "42", SOMEWHERE)

    assert manager.authenticate_token(tokens.access_token).user_id == user_id
    with pytest.raises(NotAuthenticated):
        await manager.login_external("https://idp.test", "43", SOMEWHERE)
    await manager.unlink_external(HOME_TENANT, user_id, "https://idp.test", ADMIN)
    with pytest.raises(NotAuthenticated):
        await manager.login_external("https://idp.test", "42", SOMEWHERE)


async def test_what_is_good_once_is_good_once_on_every_replica(system, manager) -> None:
    other = await system.replica()
    expires_ns = system.clock.wall_ns() + 60 * NS_PER_S
    await manager.claim_once("state", expires_ns)
    for replica in (manager, other):
        with pytest.raises(NotAuthenticated):
            await replica.claim_once("state", expires_ns)


async def test_a_signing_key_is_rotated_under_tokens_that_go_on(system, manager) -> None:
    await trader(manager)
    old = await manager.login("tess", PASSWORD, None, SOMEWHERE)
    kid = await manager.rotate_signing_key(ADMIN)
    published = await manager.login("tess", PASSWORD, None, SOMEWHERE)
    assert jwt.get_unverified_header(published.access_token)["kid"] != kid

    system.clock.offset_ns += 11 * NS_PER_S
    await system.mint.tend_once()
    new = await manager.login("tess", PASSWORD, None, SOMEWHERE)

    assert jwt.get_unverified_header(new.access_token)["kid"] == kid
    await until(lambda: manager.follower.silent_ns() < NS_PER_S)
    for tokens in (old, published, new):
        assert manager.authenticate_token(tokens.access_token)
    assert {key.state for key in await manager.signing_keys()} == {"retiring", "signing"}
    system.clock.offset_ns += 301 * NS_PER_S
    await system.mint.tend_once()
    signing = system.shell.component.state.directory.signing
    assert "retired" in {key.state for key in signing.values()}
    again = await manager.refresh(old.refresh_token, None, SOMEWHERE)
    await until(lambda: manager.follower.silent_ns() < NS_PER_S)
    assert manager.authenticate_token(again.access_token)


async def test_policies_reach_replicas_and_nobody_overwrites_anothers(manager) -> None:
    await manager.replace_policies({"a.cedar": "permit"}, 0, ADMIN)
    assert manager.policies().documents == {"a.cedar": "permit"}
    with pytest.raises(InvalidRequest, match="version 1 is in force"):
        await manager.replace_policies({}, 0, ADMIN)


async def test_an_administrators_command_needs_a_reason(manager) -> None:
    nameless = Origin("user", "u", HOME_TENANT)
    with pytest.raises(InvalidRequest, match="reason"):
        await manager.create_user(HOME_TENANT, UserWanted("x", password=PASSWORD), nameless)


async def test_checked_tokens_are_remembered(manager) -> None:
    await trader(manager)
    token = (await manager.login("tess", PASSWORD, None, SOMEWHERE)).access_token
    manager.authenticate_token(token)
    manager.authenticate_token(token)
    assert len(manager._mirror._tokens) == 1


async def test_a_replica_is_never_told_what_is_private(system) -> None:
    heard: list[bytes] = []

    class Eavesdropper(IdentityPort):
        async def call(self, method: str, payload: bytes) -> bytes:
            answer = await super().call(method, payload)
            if method == "poll" or (method == "ask" and b"GetDirectory" in payload):
                heard.append(answer)
            return answer

    port = Eavesdropper(system)
    manager = AuthManager(
        port, port, subscriber="spy", issuer=ISSUER, clock=system.clock,
        open_in_ledger=system._open,
    )  # fmt: skip
    following = asyncio.create_task(manager.follower.follow())
    await until(lambda: manager.follower.silent_ns() is not None)
    user_id = await trader(manager)
    await manager.link_external(HOME_TENANT, user_id, "https://idp.test", "subject-42", ADMIN)
    tokens = await manager.login("tess", PASSWORD, None, SOMEWHERE)
    tess = manager.authenticate_token(tokens.access_token)
    enrollment = await manager.enable_mfa(tess, PASSWORD, SOMEWHERE)
    await manager.rotate_signing_key(ADMIN)
    await manager._link.catch_up(manager.follower)
    late = await system.replica()
    assert late.authenticate_token(tokens.access_token)
    following.cancel()

    state = system.shell.component.state
    profile, session = state.profiles[user_id], state.sessions[tess.session_id]
    everything = b"".join(heard)
    assert user_id.encode() in everything
    for secret in (
        "tess", "firm.test", "subject-42", profile.password_phc, session.current_sha256,
        enrollment.secret_base32, tokens.refresh_token, *state.signing_seeds.values(),
    ):  # fmt: skip
        assert secret.encode() not in everything


async def test_a_password_is_hashed_anew_when_the_parameters_have_changed(system, manager) -> None:
    user_id = await trader(manager)
    before = system.shell.component.state.profiles[user_id].password_phc
    dearer = Argon2Settings(memory_kib=16)
    system.desk._hasher = PasswordHasher(dearer)

    assert await manager.login("tess", PASSWORD, None, SOMEWHERE)

    after = system.shell.component.state.profiles[user_id].password_phc
    assert not before.startswith(dearer.prefix)
    assert after.startswith(dearer.prefix)
    assert await manager.login("tess", PASSWORD, None, SOMEWHERE)
    system.desk._hasher.close()


async def test_a_check_against_a_hash_that_was_replaced_meanwhile_is_worth_nothing(
    system, manager
) -> None:
    user_id = await trader(manager)
    checked, gate, verify = asyncio.Event(), asyncio.Event(), system.desk._hasher.verify

    async def slow(password: str, phc: str):
        verdict = await verify(password, phc)
        checked.set()
        await gate.wait()
        return verdict

    system.desk._hasher.verify = slow
    login = asyncio.create_task(manager.login("tess", PASSWORD, None, SOMEWHERE))
    await checked.wait()
    await manager.set_password(HOME_TENANT, user_id, ADMIN)
    gate.set()

    with pytest.raises(NotAuthenticated):
        await login


async def test_sessions_of_one_user_have_a_limit_and_the_least_used_gives_way() -> None:
    async with identity_system(IdentityLimits(user_sessions_max=2)) as (_, manager):
        await trader(manager)
        first = await manager.login("tess", PASSWORD, None, SOMEWHERE)
        second = await manager.login("tess", PASSWORD, None, SOMEWHERE)
        first = await manager.refresh(first.refresh_token, None, SOMEWHERE)
        await manager.login("tess", PASSWORD, None, SOMEWHERE)

        with pytest.raises(NotAuthenticated):
            await manager.refresh(second.refresh_token, None, SOMEWHERE)
        assert await manager.refresh(first.refresh_token, None, SOMEWHERE)


async def test_a_session_ends_in_any_case_and_its_tokens_with_it() -> None:
    async with identity_system(IdentityLimits(session_ns=100 * NS_PER_S)) as (system, manager):
        await trader(manager)
        tokens = await manager.login("tess", PASSWORD, None, SOMEWHERE)
        assert 98 <= tokens.expires_in_s <= 100

        system.clock.offset_ns += 101 * NS_PER_S
        await until(lambda: manager.follower.silent_ns() < NS_PER_S)

        assert refuses(manager, tokens.access_token)
        with pytest.raises(NotAuthenticated):
            await manager.refresh(tokens.refresh_token, None, SOMEWHERE)
