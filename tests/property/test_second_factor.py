"""One-time codes beside a naive model: a code is right in its time, once, and guesses close it."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tradeplane.auth.attempts import FOREVER_NS
from tradeplane.auth.commands import (
    ConfirmMfa,
    CreateUser,
    DisableMfa,
    EnrollMfa,
    LogIn,
    ResetMfa,
    ResetPassword,
)
from tradeplane.auth.identity import Identity
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.mfa import recovery_codes
from tradeplane.auth.principal import HOME_TENANT, Origin
from tradeplane.auth.replies import Done, MfaEnrolling, Refused, SessionGranted
from tradeplane.clock import NS_PER_S
from tradeplane.errors import MfaRequired, NotAllowed, NotFound, TooManyAttempts

BY = Origin("user", "root", HOME_TENANT, reason="a test")
LIMITS = IdentityLimits(free_failures=3, failures_max=8)


def code_at(secret: str, step: int) -> str:
    return TOTP(base64.b32decode(secret), 6, SHA1(), 30).generate(step * 30).decode()


class SecondFactor(RuleBasedStateMachine):
    """The model knows the secret, the last step that was used, and how often was guessed wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.identity = Identity(LIMITS)
        self.replayed = Identity(LIMITS)
        self.now_ns = 1_000_000 * NS_PER_S
        self.secret = ""
        self.pending = ""
        self.pending_until_ns = 0
        self.last_step = -1
        self.codes: set[str] = set()
        self.failures = 0
        self.failed_ns = 0
        self.closed_until_ns = 0
        self.logins = 0
        self.enrolments = 0
        self.do(
            CreateUser(
                by=BY, user_id="ann", tenant_id=HOME_TENANT, username="ann", email="",
                role="admin", password_phc="phc", temporary=False,
            )
        )  # fmt: skip

    def do(self, command: Any) -> Any:
        applied = self.identity.apply(command, self.now_ns)
        for event in applied.events:
            encoded = msgspec.json.encode(event)
            self.replayed.evolve(msgspec.json.decode(encoded, type=Identity.event_type))
        return applied.reply

    @property
    def step(self) -> int:
        return self.now_ns // (30 * NS_PER_S)

    def fail(self) -> None:
        self.failures = self.failures + 1 if self.now_ns - self.failed_ns <= LIMITS.forget_ns else 1
        self.failed_ns = self.now_ns
        if self.failures >= LIMITS.failures_max:
            self.closed_until_ns = FOREVER_NS
        elif self.failures >= LIMITS.free_failures:
            wait_ns = LIMITS.wait_ns * 2 ** (self.failures - LIMITS.free_failures)
            self.closed_until_ns = self.now_ns + min(wait_ns, LIMITS.wait_max_ns)

    def succeed(self) -> None:
        self.failures = self.closed_until_ns = 0

    def log_in(self, otp: str) -> Any:
        self.logins += 1
        return self.do(
            LogIn(
                by=BY, session_id=f"s{self.logins}", username="ann", checked=1, correct=True,
                otp=otp, secret_sha256="f" * 64,
            )
        )  # fmt: skip

    def show(self, otp: str, *, right: bool) -> None:
        """Log in with *otp*, which the model holds to be right or wrong."""
        before = self.identity.to_bytes()
        try:
            reply = self.log_in(otp)
        except TooManyAttempts:
            assert self.now_ns < self.closed_until_ns
            assert self.identity.to_bytes() == before
            return
        assert self.now_ns >= self.closed_until_ns
        assert isinstance(reply, SessionGranted if right else Refused)
        if right:
            self.succeed()
        else:
            self.fail()

    @initialize(enrolled=st.sampled_from([True, True, False]))
    def begin(self, enrolled: bool) -> None:
        if enrolled:
            self.enroll()
            self.confirm(0)

    @precondition(lambda self: not self.secret)
    @rule()
    def enroll(self) -> None:
        self.enrolments += 1
        command = EnrollMfa(
            by=BY,
            user_id="ann",
            checked=1,
            correct=True,
            secret=bytes([self.enrolments % 256]) * 20,
        )
        reply = self.do(command)
        assert isinstance(reply, MfaEnrolling)
        self.pending = reply.secret
        self.pending_until_ns = self.now_ns + LIMITS.enrollment_ns

    @precondition(lambda self: self.pending and not self.secret)
    @rule(drift=st.integers(-2, 2))
    def confirm(self, drift: int) -> None:
        code = code_at(self.pending, self.step + drift)
        right = code in {code_at(self.pending, self.step + near) for near in (-1, 0, 1)}
        fresh = recovery_codes(bytes(range(100)))
        try:
            reply = self.do(ConfirmMfa(by=BY, user_id="ann", code=code, recovery_codes=fresh))
        except NotFound:
            assert self.now_ns >= self.pending_until_ns
            return
        except TooManyAttempts:
            assert self.now_ns < self.closed_until_ns
            return
        assert self.now_ns < self.pending_until_ns
        assert self.now_ns >= self.closed_until_ns
        if not right:
            assert isinstance(reply, Refused)
            self.fail()
            return
        assert reply == Done()
        self.secret, self.pending = self.pending, ""
        self.last_step = max(
            step
            for step in range(self.step - 1, self.step + 2)
            if code_at(self.secret, step) == code
        )
        self.codes = set(fresh)
        self.succeed()

    @precondition(lambda self: self.secret)
    @rule()
    def another_factor_is_not_enrolled(self) -> None:
        try:
            self.do(EnrollMfa(by=BY, user_id="ann", checked=1, correct=True, secret=bytes(20)))
        except NotAllowed:
            return
        raise AssertionError("a second factor replaced another")

    @rule()
    def log_in_without_a_code(self) -> None:
        try:
            reply = self.log_in("")
        except MfaRequired:
            assert self.secret
            return
        assert not self.secret
        assert isinstance(reply, SessionGranted)

    @precondition(lambda self: self.secret)
    @rule(drift=st.integers(-3, 3))
    def log_in_with_a_code(self, drift: int) -> None:
        code = code_at(self.secret, self.step + drift)
        steps = [
            step
            for step in range(self.step - 1, self.step + 2)
            if step > self.last_step and code_at(self.secret, step) == code
        ]
        right = bool(steps) and self.now_ns >= self.closed_until_ns
        self.show(code, right=right)
        if right:
            self.last_step = max(steps)

    @precondition(lambda self: self.secret)
    @rule(
        guess=st.sampled_from(
            ["000000", "12345", "1234567", "abcdef", "\u0661" * 6, " 12345", "-", "a-b"]
        )
    )
    def guess(self, guess: str) -> None:
        near = range(self.step - 1, self.step + 2)
        if guess not in {code_at(self.secret, step) for step in near}:
            self.show(guess, right=False)

    @precondition(lambda self: self.secret and self.closed_until_ns < FOREVER_NS)
    @rule(times=st.integers(1, 6))
    def guess_when_the_wait_ends(self, times: int) -> None:
        for _ in range(times):
            if self.closed_until_ns < FOREVER_NS:
                self.now_ns = max(self.now_ns, self.closed_until_ns - 1)
                self.show("-", right=False)
                self.now_ns = max(self.now_ns, self.closed_until_ns)
                self.show("-", right=False)

    @precondition(lambda self: self.codes)
    @rule(data=st.data())
    def use_a_recovery_code(self, data: st.DataObject) -> None:
        code = data.draw(st.sampled_from(sorted(self.codes)))
        right = self.now_ns >= self.closed_until_ns
        self.show(code, right=right)
        if right:
            self.codes.discard(code)
            self.show(code, right=False)

    @precondition(lambda self: self.secret)
    @rule()
    def disable_with_a_code_of_the_future(self) -> None:
        command = DisableMfa(
            by=BY, user_id="ann", checked=1, correct=True, code=code_at(self.secret, self.step + 1)
        )
        try:
            reply = self.do(command)
        except TooManyAttempts:
            assert self.now_ns < self.closed_until_ns
            return
        if isinstance(reply, Refused):
            assert self.last_step >= self.step + 1
            self.fail()
            return
        self.forget()

    @rule(really=st.sampled_from([False, False, True]))
    def reset(self, really: bool) -> None:
        if not really:
            return
        self.do(ResetMfa(by=BY, tenant_id=HOME_TENANT, user_id="ann"))
        if self.secret or self.pending:
            self.forget()

    def forget(self) -> None:
        self.secret = self.pending = ""
        self.codes = set()
        self.succeed()

    @rule()
    def a_password_reset_keeps_the_factor(self) -> None:
        before = self.identity.state.profiles["ann"].mfa
        copy = Identity(LIMITS)
        copy.from_bytes(self.identity.to_bytes())
        copy.apply(
            ResetPassword(by=BY, tenant_id=HOME_TENANT, user_id="ann", password_phc="x"),
            self.now_ns,
        )
        assert copy.state.profiles["ann"].mfa == before

    @rule(seconds=st.sampled_from([1, 15, 30, 60, 601, 1_000, 100_000]))
    def wait(self, seconds: int) -> None:
        self.now_ns += seconds * NS_PER_S

    @invariant()
    def a_replay_is_the_same_to_the_byte(self) -> None:
        assert self.replayed.to_bytes() == self.identity.to_bytes()


SecondFactor.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestSecondFactor = SecondFactor.TestCase
