"""Sessions and refresh families beside a naive model that keeps every token it was ever given."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tradeplane.auth.commands import (
    CreateUser,
    DisableUser,
    EnableUser,
    EndAllSessions,
    EndSession,
    LogIn,
    RefreshSession,
    ResetPassword,
)
from tradeplane.auth.decision import sha256_hex
from tradeplane.auth.identity import Identity
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.principal import HOME_TENANT, Origin
from tradeplane.auth.replies import Counted, Refused, SessionGranted, SessionRefreshed
from tradeplane.clock import NS_PER_S
from tradeplane.errors import NotAuthenticated, NotFound

BY = Origin("user", "root", HOME_TENANT, reason="a test")
PEPPERS = (b"p" * 32,)
LIMITS = IdentityLimits(
    user_sessions_max=3, idle_ns=600 * NS_PER_S, grace_ns=30 * NS_PER_S, access_ns=300 * NS_PER_S
)
USERS = ("ann", "ben")


class Family(msgspec.Struct):
    """What the model knows of a session: every secret in order, and when the newest was made."""

    user: str
    secrets: list[str]
    rotated_ns: int
    alive: bool = True


class RefreshFamilies(RuleBasedStateMachine):
    """Whatever clients do with their tokens, the state machine answers as the model."""

    def __init__(self) -> None:
        super().__init__()
        self.identity = Identity(LIMITS)
        self.replayed = Identity(LIMITS)
        self.now_ns = 1_000 * NS_PER_S
        self.families: dict[str, Family] = {}
        self.used: dict[str, list[str]] = {name: [] for name in USERS}
        self.disabled: set[str] = set()
        self.generation = dict.fromkeys(USERS, 1)
        for name, role in (("root", "admin"), *((name, "trader") for name in USERS)):
            self.do(
                CreateUser(
                    by=BY, user_id=name, tenant_id=HOME_TENANT, username=name, email="",
                    role=role, password_phc="phc", temporary=False,
                )
            )  # fmt: skip

    def do(self, command: Any) -> Any:
        applied = self.identity.apply(command, self.now_ns)
        for event in applied.events:
            encoded = msgspec.json.encode(event)
            self.replayed.evolve(msgspec.json.decode(encoded, type=Identity.event_type))
        return applied.reply

    def end(self, name: str) -> None:
        family = self.families[name]
        family.alive = False
        if name in self.used[family.user]:
            self.used[family.user].remove(name)

    @rule(user=st.sampled_from(USERS))
    def log_in(self, user: str) -> None:
        if user in self.disabled:
            return
        name = f"session-{len(self.families)}"
        secret = f"first-{name}"
        reply = self.do(
            LogIn(
                by=BY, session_id=name, username=user, checked=self.generation[user],
                correct=True, otp="", secret_sha256=sha256_hex(secret),
            )
        )  # fmt: skip
        assert isinstance(reply, SessionGranted)
        self.families[name] = Family(user, [secret], self.now_ns)
        self.used[user].append(name)
        while len(self.used[user]) > LIMITS.user_sessions_max:
            self.end(self.used[user][0])

    @precondition(lambda self: self.families)
    @rule(data=st.data(), back=st.integers(0, 4), client=st.sampled_from(["", "", "", "other"]))
    def refresh(self, data: st.DataObject, back: int, client: str) -> None:
        self.present(data.draw(st.sampled_from(sorted(self.families))), back, client)

    def present(self, name: str, back: int, client: str) -> None:
        """Present the token that is *back* generations old, in the name of *client*."""
        family = self.families[name]
        index = max(len(family.secrets) - 1 - back, 0)
        back = len(family.secrets) - 1 - index
        presented = family.secrets[index]
        before = self.identity.to_bytes()
        command = RefreshSession(
            by=BY, session_id=name, secret=presented, peppers=PEPPERS, client_id=client
        )
        age_ns = self.now_ns - family.rotated_ns
        if not family.alive or client:
            self.refused(command)
            assert self.identity.to_bytes() == before
        elif back == 0 and age_ns < LIMITS.idle_ns:
            reply = self.do(command)
            assert isinstance(reply, SessionRefreshed)
            assert reply.secret not in family.secrets
            family.secrets.append(reply.secret)
            family.rotated_ns = self.now_ns
            self.used[family.user].remove(name)
            self.used[family.user].append(name)
        elif back == 1 and age_ns <= LIMITS.grace_ns:
            reply = self.do(command)
            assert isinstance(reply, SessionRefreshed)
            assert reply.secret == family.secrets[-1]
            assert self.identity.to_bytes() == before
        else:
            self.refused(command)
            self.end(name)

    @precondition(lambda self: any(family.alive for family in self.families.values()))
    @rule(data=st.data(), times=st.integers(1, 3))
    def refresh_again_and_again(self, data: st.DataObject, times: int) -> None:
        alive = sorted(name for name, family in self.families.items() if family.alive)
        name = data.draw(st.sampled_from(alive))
        for _ in range(times):
            self.present(name, 0, "")

    def refused(self, command: Any) -> None:
        try:
            reply = self.do(command)
        except NotAuthenticated:
            return
        assert isinstance(reply, Refused)
        assert reply.error[0] == "NotAuthenticated"

    @precondition(lambda self: self.families)
    @rule(data=st.data(), secret=st.text(max_size=20))
    def guess(self, data: st.DataObject, secret: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.families)))
        if secret in self.families[name].secrets:
            return
        before = self.identity.to_bytes()
        self.refused(
            RefreshSession(by=BY, session_id=name, secret=secret, peppers=PEPPERS, client_id="")
        )
        assert self.identity.to_bytes() == before

    @precondition(lambda self: self.families)
    @rule(data=st.data(), user=st.sampled_from(USERS))
    def end_one(self, data: st.DataObject, user: str) -> None:
        name = data.draw(st.sampled_from(sorted(self.families)))
        command = EndSession(by=BY, session_id=name, user_id=user, tenant_id="", reason="logout")
        if self.families[name].alive and self.families[name].user == user:
            self.do(command)
            self.end(name)
            return
        try:
            self.do(command)
        except NotFound:
            return
        raise AssertionError("a session that is not there was ended")

    @rule(user=st.sampled_from(USERS), how=st.sampled_from(["end", "disable", "reset"]))
    def end_all(self, user: str, how: str) -> None:
        fields = {"by": BY, "tenant_id": HOME_TENANT, "user_id": user}
        if how == "end":
            assert self.do(EndAllSessions(**fields)) == Counted(len(self.used[user]))
        elif how == "reset":
            self.do(ResetPassword(**fields, password_phc="phc2"))
            self.generation[user] += 1
            # A temporary password narrows later sessions; that is another test's matter.
        elif user in self.disabled:
            self.do(EnableUser(**fields))
            self.disabled.discard(user)
            return
        else:
            self.do(DisableUser(**fields))
            self.disabled.add(user)
        for name in list(self.used[user]):
            self.end(name)

    @rule(seconds=st.sampled_from([1, 29, 31, 300, 599, 601]))
    def wait(self, seconds: int) -> None:
        self.now_ns += seconds * NS_PER_S

    @rule()
    def restart(self) -> None:
        state = self.identity.to_bytes()
        self.identity = Identity(LIMITS)
        self.identity.from_bytes(state)

    @invariant()
    def the_open_sessions_are_the_models(self) -> None:
        state = self.identity.state
        alive = {name for name, family in self.families.items() if family.alive}
        # What is older than a day is forgotten at the next login, without a word.
        day_ns = LIMITS.session_ns
        assert {
            name for name, one in state.sessions.items() if self.now_ns < one.created_ns + day_ns
        } <= alive
        for user in USERS:
            assert list(state.user_sessions.get(user, ())) == self.used[user]

    @invariant()
    def every_end_of_a_session_is_known_to_replicas_while_its_tokens_may_live(self) -> None:
        directory = self.identity.state.directory
        assert not set(directory.ended) & set(self.identity.state.sessions)

    @invariant()
    def a_replay_is_the_same_to_the_byte(self) -> None:
        assert self.replayed.to_bytes() == self.identity.to_bytes()


RefreshFamilies.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None
)
TestRefreshFamilies = RefreshFamilies.TestCase
