"""Decisions about logging in: with a password and a code, or with an external identity."""

from __future__ import annotations

from tradeplane.auth import attempts, mfa
from tradeplane.auth.commands import LinkExternal, LogIn, LogInExternal, UnlinkExternal
from tradeplane.auth.decision import (
    Decision,
    not_authenticated,
    require_reason,
    require_room,
    require_text,
    require_user,
    sha256_hex,
)
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.private_events import ExternalLinked, ExternalUnlinked
from tradeplane.auth.records import Attempts, Profile
from tradeplane.auth.replies import refused
from tradeplane.auth.sessions import Opening, open_session
from tradeplane.auth.state import IdentityState
from tradeplane.errors import InvalidRequest, MfaRequired, NotFound

_UNCHOSEN_SCOPE = "self:manage"
_EXTERNAL_MAX = 255


def log_in(state: IdentityState, command: LogIn, now_ns: int, limits: IdentityLimits) -> Decision:
    """Open a session with a password that was checked already.

    Raises:
        MfaRequired: the password is right and a code is needed.
        TooManyAttempts: nothing is looked at now.
    """
    user_id = state.usernames.get(command.username.lower(), "")
    profile = state.profiles.get(user_id)
    if profile is None:
        return _stranger(state, command, now_ns, limits)
    attempts.refuse_when_waiting(profile.passwords, now_ns)
    entry = state.directory.users[user_id]
    if not command.correct or command.checked != profile.generation or entry.disabled:
        event = attempts.failed(
            profile.passwords,
            limits,
            now_ns=now_ns,
            by=command.by,
            user_id=user_id,
            tenant_id=entry.tenant_id,
        )
        return Decision(refused(not_authenticated()), (event,))
    if profile.mfa is None:
        return _opened(state, command, user_id, profile, "password", now_ns, limits)
    if not command.otp:
        raise MfaRequired(
            "a code of the second factor is needed as well: otp", {"factors": ["otp", "recovery"]}
        )
    right, event = mfa.check_code(state, user_id, command.otp, command.by, now_ns, limits)
    if not right:
        return Decision(refused(not_authenticated()), (event,))
    opened = _opened(state, command, user_id, profile, "password+mfa", now_ns, limits)
    return Decision(opened.reply, (*opened.events, event))


def _stranger(
    state: IdentityState, command: LogIn, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Refuse a name that nobody has, exactly as a wrong password is refused."""
    name = sha256_hex(command.username.lower())
    known = state.strangers.get(name, Attempts())
    attempts.refuse_when_waiting(known, now_ns)
    event = attempts.failed(known, limits, now_ns=now_ns, by=command.by, name_sha256=name)
    return Decision(refused(not_authenticated()), (event,))


def _opened(  # noqa: PLR0913, PLR0917  # who, how and when
    state: IdentityState,
    command: LogIn,
    user_id: str,
    profile: Profile,
    method: str,
    now_ns: int,
    limits: IdentityLimits,
) -> Decision:
    scope = _UNCHOSEN_SCOPE if profile.temporary else ""
    opening = Opening(command.session_id, user_id, method, command.secret_sha256, scope=scope)
    return open_session(state, opening, command.by, now_ns, limits)


def log_in_external(
    state: IdentityState, command: LogInExternal, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Open a session for an external identity that was proven.

    Raises:
        NotAuthenticated: nobody is linked to it, or the user is locked out.
    """
    user_id = state.externals.get((command.issuer, command.subject))
    if user_id is None or state.directory.users[user_id].disabled:
        raise not_authenticated()
    opening = Opening(command.session_id, user_id, "external", command.secret_sha256)
    return open_session(state, opening, command.by, now_ns, limits)


def link_external(
    state: IdentityState, command: LinkExternal, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Let an external identity open sessions of a user.

    Raises:
        InvalidRequest: the issuer or the subject is malformed, or another user's.
    """
    require_reason(command.by)
    profile = require_user(state, command.tenant_id, command.user_id)
    require_text("an issuer", command.issuer, _EXTERNAL_MAX)
    require_text("a subject", command.subject, _EXTERNAL_MAX)
    identity = (command.issuer, command.subject)
    owner = state.externals.get(identity)
    if owner == command.user_id:
        return Decision()
    if owner is not None:
        raise InvalidRequest("this external identity is linked to another user")
    require_room("external identities", len(profile.externals), limits.externals_max)
    event = ExternalLinked(
        at_ns=now_ns,
        by=command.by,
        user_id=command.user_id,
        tenant_id=command.tenant_id,
        issuer=command.issuer,
        subject=command.subject,
    )
    return Decision(events=(event,))


def unlink_external(
    state: IdentityState, command: UnlinkExternal, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Take the identities of an issuer away from a user.

    Raises:
        NotFound: none of the issuer is linked.
    """
    del limits
    require_reason(command.by)
    profile = require_user(state, command.tenant_id, command.user_id)
    if all(issuer != command.issuer for issuer, _ in profile.externals):
        raise NotFound("no identity of this issuer is linked")
    event = ExternalUnlinked(
        at_ns=now_ns,
        by=command.by,
        user_id=command.user_id,
        tenant_id=command.tenant_id,
        issuer=command.issuer,
    )
    return Decision(events=(event,))
