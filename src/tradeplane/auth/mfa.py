"""Decisions about the second factor: TOTP (RFC 6238) and recovery codes, each good once."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tradeplane.auth import attempts
from tradeplane.auth.commands import ConfirmMfa, DisableMfa, EnrollMfa, ResetMfa
from tradeplane.auth.decision import (
    Decision,
    not_authenticated,
    require_reason,
    require_user,
    same,
    sha256_hex,
)
from tradeplane.auth.events import Event
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.principal import Origin
from tradeplane.auth.private_events import (
    MfaCodeUsed,
    MfaDisabled,
    MfaEnabled,
    MfaEnrollmentStarted,
    RecoveryCodeUsed,
)
from tradeplane.auth.replies import MfaEnrolling, refused
from tradeplane.auth.sessions import ends_of_user
from tradeplane.auth.state import IdentityState
from tradeplane.auth.users import require_own_session, wrong_password
from tradeplane.clock import NS_PER_S
from tradeplane.errors import NotAllowed, NotFound

STEP_S = 30
DIGITS = 6
SECRET_BYTES = 20
RECOVERY_CODES = 10
RECOVERY_BYTES = 10
_DRIFT_STEPS = (0, -1, 1)


def totp_code(secret: str, step: int) -> str:
    """Return the six digits of time step *step* under *secret*, base 32.

    SHA-1 is what authenticators know (RFC 6238, section 1.2); HMAC does not rest on what SHA-1 has
    lost.
    """
    totp = TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_S)  # noqa: S303  # see above
    return totp.generate(step * STEP_S).decode()


def step_of(now_ns: int) -> int:
    """Return the time step of *now_ns*."""
    return now_ns // (STEP_S * NS_PER_S)


def recovery_codes(random: bytes) -> tuple[str, ...]:
    """Return the recovery codes that ``RECOVERY_CODES * RECOVERY_BYTES`` random bytes make."""
    assert len(random) == RECOVERY_CODES * RECOVERY_BYTES, "all randomness is the caller's"
    codes = []
    for index in range(RECOVERY_CODES):
        part = random[index * RECOVERY_BYTES : (index + 1) * RECOVERY_BYTES]
        text = base64.b32encode(part).decode().lower()
        codes.append("-".join(text[at : at + 4] for at in range(0, len(text), 4)))
    return tuple(codes)


def _matching_step(secret: str, code: str, after: int, now_ns: int) -> int | None:
    """Return the time step whose code *code* is, later than *after* and one away at most."""
    if len(code) != DIGITS or not code.isascii() or not code.isdigit():
        return None
    now = step_of(now_ns)
    found = None
    for drift in _DRIFT_STEPS:
        step = now + drift
        if same(code, totp_code(secret, max(step, 0))) and step > after:
            found = step
    return found


def _matching_recovery(code: str, digests: Sequence[str]) -> str | None:
    digest = sha256_hex(code.strip().lower())
    return digest if digest in digests else None


def check_code(  # noqa: PLR0913, PLR0917  # what is checked, and where and when
    state: IdentityState,
    user_id: str,
    code: str,
    by: Origin,
    now_ns: int,
    limits: IdentityLimits,
) -> tuple[bool, Event]:
    """Return whether *code* is right, and the event that keeps it from being right again.

    Raises:
        TooManyAttempts: nothing is looked at now.
    """
    profile = state.profiles[user_id]
    assert profile.mfa is not None, "the caller has looked"
    tenant_id = state.directory.users[user_id].tenant_id
    attempts.refuse_when_waiting(profile.codes, now_ns)
    step = _matching_step(profile.mfa.secret, code, profile.mfa.step, now_ns)
    if step is not None:
        return True, MfaCodeUsed(
            at_ns=now_ns, by=by, user_id=user_id, tenant_id=tenant_id, step=step
        )
    digest = _matching_recovery(code, profile.mfa.recovery_sha256)
    if digest is not None:
        return True, RecoveryCodeUsed(
            at_ns=now_ns, by=by, user_id=user_id, tenant_id=tenant_id, code_sha256=digest
        )
    return False, attempts.failed(
        profile.codes,
        limits,
        now_ns=now_ns,
        by=by,
        user_id=user_id,
        tenant_id=tenant_id,
        factor="code",
    )


def enroll(
    state: IdentityState, command: EnrollMfa, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Begin with a second factor; an earlier enrolment that waits is forgotten.

    Raises:
        TooManyAttempts: nothing is looked at now.
        NotAllowed: a factor is in force already.
    """
    wrong = wrong_password(state, command, now_ns, limits)
    if wrong is not None:
        return wrong
    profile = state.profiles[command.user_id]
    if profile.mfa is not None:
        raise NotAllowed("a second factor is in force; disable it before another is enrolled")
    assert len(command.secret) == SECRET_BYTES, "RFC 4226 recommends 160 bits"
    secret = base64.b32encode(command.secret).decode()
    event = MfaEnrollmentStarted(
        at_ns=now_ns,
        by=command.by,
        user_id=command.user_id,
        tenant_id=state.directory.users[command.user_id].tenant_id,
        secret=secret,
        expires_ns=now_ns + limits.enrollment_ns,
    )
    return Decision(MfaEnrolling(secret, profile.username), (event,))


def confirm(
    state: IdentityState, command: ConfirmMfa, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Put the enrolled factor in force with its first code.

    Raises:
        NotFound: no enrolment is waiting.
        TooManyAttempts: nothing is looked at now.
    """
    require_own_session(state, command.session_id)
    profile = state.profiles.get(command.user_id)
    if (
        profile is None
        or profile.enrollment is None
        or profile.mfa is not None
        or now_ns >= profile.enrollment.expires_ns
    ):
        raise NotFound("no enrolment of a second factor is waiting; begin anew")
    attempts.refuse_when_waiting(profile.codes, now_ns)
    tenant_id = state.directory.users[command.user_id].tenant_id
    step = _matching_step(profile.enrollment.secret, command.code, -1, now_ns)
    if step is None:
        event = attempts.failed(
            profile.codes,
            limits,
            now_ns=now_ns,
            by=command.by,
            user_id=command.user_id,
            tenant_id=tenant_id,
            factor="code",
        )
        return Decision(refused(not_authenticated()), (event,))
    enabled = MfaEnabled(
        at_ns=now_ns,
        by=command.by,
        user_id=command.user_id,
        tenant_id=tenant_id,
        step=step,
        recovery_sha256=tuple(sha256_hex(code) for code in command.recovery_codes),
    )
    return Decision(events=(enabled,))


def disable(
    state: IdentityState, command: DisableMfa, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Take one's own factor away, with the password and a code.

    Raises:
        NotFound: none is in force.
        TooManyAttempts: nothing is looked at now.
    """
    wrong = wrong_password(state, command, now_ns, limits)
    if wrong is not None:
        return wrong
    if state.profiles[command.user_id].mfa is None:
        raise NotFound("no second factor is in force")
    right, event = check_code(state, command.user_id, command.code, command.by, now_ns, limits)
    if not right:
        return Decision(refused(not_authenticated()), (event,))
    return Decision(events=(_disabled(state, command.user_id, "user", command.by, now_ns),))


def reset(state: IdentityState, command: ResetMfa, now_ns: int, limits: IdentityLimits) -> Decision:
    """Take a user's factor away, by an administrator; every session ends."""
    require_reason(command.by)
    profile = require_user(state, command.tenant_id, command.user_id)
    if profile.mfa is None and profile.enrollment is None:
        return Decision()
    event = _disabled(state, command.user_id, "reset", command.by, now_ns)
    ends = ends_of_user(state, command.user_id, "mfa", command.by, now_ns, limits)
    return Decision(events=(event, *ends))


def _disabled(state: IdentityState, user_id: str, how: str, by: Origin, now_ns: int) -> MfaDisabled:
    return MfaDisabled(
        at_ns=now_ns,
        by=by,
        user_id=user_id,
        tenant_id=state.directory.users[user_id].tenant_id,
        how=how,
    )
