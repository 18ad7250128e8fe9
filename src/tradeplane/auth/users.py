"""Decisions about users and their passwords."""

from __future__ import annotations

import re

from tradeplane.auth import attempts
from tradeplane.auth.commands import (
    ChangePassword,
    Checked,
    CreateUser,
    DisableUser,
    EnableUser,
    ResetPassword,
    SetRole,
    UpgradePassword,
)
from tradeplane.auth.decision import (
    Decision,
    not_authenticated,
    require_reason,
    require_role,
    require_room,
    require_tenant,
    require_text,
    require_user,
    sha256_hex,
)
from tradeplane.auth.events import UserCreated, UserDisabled, UserEnabled, UserRoleSet
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.principal import HOME_TENANT
from tradeplane.auth.private_events import PasswordSet, UserIntroduced
from tradeplane.auth.queries import FindPassword
from tradeplane.auth.records import Attempts
from tradeplane.auth.replies import PasswordFound, refused
from tradeplane.auth.sessions import ends_of_user
from tradeplane.auth.state import IdentityState
from tradeplane.errors import InvalidRequest, NotAllowed

_USERNAME = re.compile(r"[A-Za-z0-9._@+-]{1,64}")
_EMAIL_MAX = 254


def create_user(
    state: IdentityState, command: CreateUser, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Make a login.

    Raises:
        InvalidRequest: the name, the e-mail address or the role is malformed, or the name is taken.
        NotFound: no such tenant.
        LimitReached: the installation is full.
    """
    require_reason(command.by)
    require_tenant(state, command.tenant_id)
    require_role(command.role)
    if not _USERNAME.fullmatch(command.username):
        raise InvalidRequest("a username has 1 to 64 letters, digits and . _ @ + -")
    if command.email:
        require_text("an e-mail address", command.email, _EMAIL_MAX)
    if command.user_id in state.profiles:
        raise InvalidRequest(f"user {command.user_id} exists")
    if command.username.lower() in state.usernames:
        raise InvalidRequest("this username is taken; choose another")
    require_room("users", len(state.profiles), limits.users_max)
    created = UserCreated(
        at_ns=now_ns,
        by=command.by,
        user_id=command.user_id,
        tenant_id=command.tenant_id,
        role=command.role,
    )
    introduced = UserIntroduced(
        at_ns=now_ns,
        by=command.by,
        user_id=command.user_id,
        username=command.username,
        email=command.email,
        password_phc=command.password_phc,
        temporary=command.temporary,
    )
    return Decision(events=(created, introduced))


def set_role(
    state: IdentityState, command: SetRole, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Change what a user may do; what the user holds already follows at once.

    Raises:
        NotAllowed: it would leave the installation without an administrator.
    """
    del limits
    require_reason(command.by)
    require_role(command.role)
    require_user(state, command.tenant_id, command.user_id)
    if state.directory.users[command.user_id].role == command.role:
        return Decision()
    if command.role != "admin":
        _keep_an_administrator(state, command.user_id)
    event = UserRoleSet(
        at_ns=now_ns,
        by=command.by,
        user_id=command.user_id,
        tenant_id=command.tenant_id,
        role=command.role,
    )
    return Decision(events=(event,))


def disable_user(
    state: IdentityState, command: DisableUser, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Lock a user out; every session ends.

    Raises:
        NotAllowed: it would leave the installation without an administrator.
    """
    require_reason(command.by)
    require_user(state, command.tenant_id, command.user_id)
    if state.directory.users[command.user_id].disabled:
        return Decision()
    _keep_an_administrator(state, command.user_id)
    event = UserDisabled(
        at_ns=now_ns, by=command.by, user_id=command.user_id, tenant_id=command.tenant_id
    )
    ends = ends_of_user(state, command.user_id, "disabled", command.by, now_ns, limits)
    return Decision(events=(event, *ends))


def enable_user(
    state: IdentityState, command: EnableUser, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Let a user in again."""
    del limits
    require_reason(command.by)
    require_user(state, command.tenant_id, command.user_id)
    if not state.directory.users[command.user_id].disabled:
        return Decision()
    event = UserEnabled(
        at_ns=now_ns, by=command.by, user_id=command.user_id, tenant_id=command.tenant_id
    )
    return Decision(events=(event,))


def _keep_an_administrator(state: IdentityState, user_id: str) -> None:
    """Refuse to lose the last administrator of the installation: nobody could undo it."""
    users = state.directory.users
    entry = users[user_id]
    if entry.tenant_id != HOME_TENANT or entry.role != "admin" or entry.disabled:
        return
    others = any(
        other.tenant_id == HOME_TENANT and other.role == "admin" and not other.disabled
        for other_id, other in users.items()
        if other_id != user_id
    )
    if not others:
        raise NotAllowed("this is the last administrator of the installation; make another first")


def find_password(state: IdentityState, query: FindPassword, now_ns: int) -> PasswordFound:
    """Return what a password is to be checked against.

    Raises:
        TooManyAttempts: nothing is to be checked now.
    """
    user_id = query.user_id or state.usernames.get(query.username.lower(), "")
    profile = state.profiles.get(user_id)
    if profile is None:
        name = sha256_hex(query.username.lower())
        attempts.refuse_when_waiting(state.strangers.get(name, Attempts()), now_ns)
        return PasswordFound("", query.username, "", "", 0)
    attempts.refuse_when_waiting(profile.passwords, now_ns)
    return PasswordFound(
        user_id, profile.username, profile.email, profile.password_phc, profile.generation
    )


def wrong_password(
    state: IdentityState, command: Checked, now_ns: int, limits: IdentityLimits
) -> Decision | None:
    """Return the refusal of a known user's wrong password, or None for a right one.

    A password that was checked against a hash that has been replaced since is a wrong one.

    Raises:
        TooManyAttempts: nothing is looked at now.
        NotAuthenticated: there is no such user, or it is locked out.
        NotAllowed: the session is a client's.
    """
    require_own_session(state, command.session_id)
    entry = state.directory.users.get(command.user_id)
    if entry is None or entry.disabled:
        raise not_authenticated()
    profile = state.profiles[command.user_id]
    attempts.refuse_when_waiting(profile.passwords, now_ns)
    if command.correct and command.checked == profile.generation:
        return None
    event = attempts.failed(
        profile.passwords,
        limits,
        now_ns=now_ns,
        by=command.by,
        user_id=command.user_id,
        tenant_id=entry.tenant_id,
    )
    return Decision(refused(not_authenticated()), (event,))


def require_own_session(state: IdentityState, session_id: str) -> None:
    """Refuse what only the user in person may do, from a session that an OAuth client holds.

    Raises:
        NotAllowed: it is a client's.
    """
    session = state.sessions.get(session_id)
    if session is not None and session.client_id:
        raise NotAllowed("only the user in person may do this, after a login")


def change_password(
    state: IdentityState, command: ChangePassword, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Change one's own password; every other session ends.

    Raises:
        TooManyAttempts: nothing is looked at now.
        NotAuthenticated: there is no such user, or it is locked out.
    """
    wrong = wrong_password(state, command, now_ns, limits)
    if wrong is not None:
        return wrong
    event = PasswordSet(
        at_ns=now_ns,
        by=command.by,
        user_id=command.user_id,
        tenant_id=state.directory.users[command.user_id].tenant_id,
        password_phc=command.password_phc,
        temporary=False,
        how="changed",
    )
    ends = ends_of_user(
        state, command.user_id, "password", command.by, now_ns, limits, keep=command.session_id
    )
    return Decision(events=(event, *ends))


def reset_password(
    state: IdentityState, command: ResetPassword, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Set a temporary password; every session ends, the second factor stays (ASVS 6.4.3)."""
    require_reason(command.by)
    require_user(state, command.tenant_id, command.user_id)
    event = PasswordSet(
        at_ns=now_ns,
        by=command.by,
        user_id=command.user_id,
        tenant_id=command.tenant_id,
        password_phc=command.password_phc,
        temporary=True,
        how="reset",
    )
    ends = ends_of_user(state, command.user_id, "password", command.by, now_ns, limits)
    return Decision(events=(event, *ends))


def upgrade_password(
    state: IdentityState, command: UpgradePassword, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Keep the same password under newer parameters, unless it was changed meanwhile."""
    del limits
    profile = state.profiles.get(command.user_id)
    if profile is None or profile.generation != command.checked:
        return Decision()
    event = PasswordSet(
        at_ns=now_ns,
        by=command.by,
        user_id=command.user_id,
        tenant_id=state.directory.users[command.user_id].tenant_id,
        password_phc=command.password_phc,
        temporary=profile.temporary,
        how="rehashed",
    )
    return Decision(events=(event,))
