"""Decisions about sessions and their families of refresh tokens.

A refresh secret is good once. Its successor is made from it, so an honest client whose answer was
lost can ask again and gets the same one; who comes with a used one later has stolen it, or was
stolen from, and the session ends. A secret that was never given out changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import msgspec

from tradeplane.auth.answers import SessionFound
from tradeplane.auth.commands import EndAllSessions, EndSession, RefreshSession, RevokeRefresh
from tradeplane.auth.decision import (
    Decision,
    not_authenticated,
    require_room,
    require_user,
    same,
    sha256_hex,
)
from tradeplane.auth.events import SessionEnded
from tradeplane.auth.life_cycles import PRESENTED, SESSION_ENDS
from tradeplane.auth.limits import HOUR_NS, IdentityLimits
from tradeplane.auth.principal import Origin
from tradeplane.auth.private_events import RefreshRotated, SessionOpened
from tradeplane.auth.records import Session
from tradeplane.auth.replies import (
    Counted,
    SessionGranted,
    SessionRefreshed,
    SessionsFound,
    refused,
)
from tradeplane.auth.state import IdentityState
from tradeplane.errors import NotFound, Overloaded

ACCESS_NS_MAX = HOUR_NS
"""The longest life that an access token may have had under any settings, earlier ones too."""


class Opening(msgspec.Struct, frozen=True):
    """A session about to be opened; see ``SessionFound`` for the fields."""

    session_id: str
    user_id: str
    method: str
    secret_sha256: str
    client_id: str = ""
    scope: str = ""


def first_secret(random: bytes) -> str:
    """Return the first refresh secret of a session: 32 random bytes as text."""
    assert len(random) == 32, "a secret takes all of its randomness from the caller"
    return base64.urlsafe_b64encode(random).rstrip(b"=").decode()


def successor(pepper: bytes, secret: str, generation: int) -> str:
    """Return the refresh secret of *generation* that follows *secret*."""
    message = f"{secret}.{generation}".encode("utf-8", "surrogatepass")
    return first_secret(hmac.digest(pepper, message, hashlib.sha256))


def open_session(
    state: IdentityState, opening: Opening, by: Origin, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Open a session; the user's least recently used one gives way when there are too many.

    Raises:
        LimitReached: the installation has too many sessions.
        Overloaded: too many have ended within the life of an access token.
    """
    if len(state.sessions) >= limits.sessions_max:
        oldest = next(iter(state.sessions.values()))
        if oldest.expires_ns > now_ns:
            require_room("sessions", len(state.sessions), limits.sessions_max)
    if len(state.directory.ended) >= limits.revoked_max:
        raise Overloaded("too many sessions have ended just now; nothing was done, try again")
    tenant_id = state.directory.users[opening.user_id].tenant_id
    opened = SessionOpened(
        at_ns=now_ns,
        by=by,
        session_id=opening.session_id,
        user_id=opening.user_id,
        tenant_id=tenant_id,
        client_id=opening.client_id,
        scope=opening.scope,
        method=opening.method,
        secret_sha256=opening.secret_sha256,
        idle_expires_ns=min(now_ns + limits.idle_ns, now_ns + limits.session_ns),
        expires_ns=now_ns + limits.session_ns,
    )
    own = state.user_sessions.get(opening.user_id, ())
    surplus = own[: max(0, len(own) + 1 - limits.user_sessions_max)]
    ends = tuple(_end(state, name, "displaced", by, now_ns, limits) for name in surplus)
    return Decision(granted(opened), (opened, *ends))


def granted(opened: SessionOpened) -> SessionGranted:
    """Return the reply to what *opened* reports."""
    return SessionGranted(
        opened.session_id,
        opened.user_id,
        opened.tenant_id,
        opened.client_id,
        opened.scope,
        opened.expires_ns,
    )


def refresh(
    state: IdentityState, command: RefreshSession, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Exchange a refresh token by the table ``life_cycles.PRESENTED``.

    Raises:
        NotAuthenticated: the session has ended, the secret is nobody's, or the client another.
    """
    session = state.sessions.get(command.session_id)
    if session is None or session.client_id != command.client_id:
        raise not_authenticated()
    answer = PRESENTED[_presented(session, command.secret, now_ns, limits)]
    if answer == "refuse":
        raise not_authenticated()
    if answer == "end":
        return _ended(state, command, "reuse", now_ns, limits)
    if now_ns >= min(session.idle_expires_ns, session.expires_ns):
        return _ended(state, command, "expired", now_ns, limits)
    reply = SessionGranted(
        command.session_id,
        session.user_id,
        session.tenant_id,
        session.client_id,
        session.scope,
        session.expires_ns,
    )
    if answer == "repeat":
        for pepper in command.peppers:
            secret = successor(pepper, command.secret, session.generation)
            if same(sha256_hex(secret), session.current_sha256):
                return Decision(SessionRefreshed(reply, secret))
        raise not_authenticated()
    generation = session.generation + 1
    secret = successor(command.peppers[0], command.secret, generation)
    event = RefreshRotated(
        at_ns=now_ns,
        by=command.by,
        session_id=command.session_id,
        user_id=session.user_id,
        tenant_id=session.tenant_id,
        generation=generation,
        secret_sha256=sha256_hex(secret),
        idle_expires_ns=min(now_ns + limits.idle_ns, session.expires_ns),
    )
    return Decision(SessionRefreshed(reply, secret), (event,))


def _presented(session: Session, secret: str, now_ns: int, limits: IdentityLimits) -> str:
    """Return what *secret* is to *session*: a key of ``life_cycles.PRESENTED``."""
    digest = sha256_hex(secret)
    if same(digest, session.current_sha256):
        return "current"
    if session.previous_sha256 and same(digest, session.previous_sha256):
        return "previous" if now_ns - session.used_ns <= limits.grace_ns else "late"
    return "ancestor" if digest[:32] in session.ancestors else "unknown"


def _ended(
    state: IdentityState, command: RefreshSession, reason: str, now_ns: int, limits: IdentityLimits
) -> Decision:
    event = _end(state, command.session_id, reason, command.by, now_ns, limits)
    return Decision(refused(not_authenticated()), (event,))


def revoke_refresh(
    state: IdentityState, command: RevokeRefresh, now_ns: int, limits: IdentityLimits
) -> Decision:
    """End the session of a refresh token; one that is not right, or another's, changes nothing."""
    session = state.sessions.get(command.session_id)
    if session is None or session.client_id != command.client_id:
        return Decision()
    if _presented(session, command.secret, now_ns, limits) == "unknown":
        return Decision()
    event = _end(state, command.session_id, "revoked", command.by, now_ns, limits)
    return Decision(events=(event,))


def end_session(
    state: IdentityState, command: EndSession, now_ns: int, limits: IdentityLimits
) -> Decision:
    """End a session of the user, or of the tenant.

    Raises:
        NotFound: there is no such open session there.
    """
    session = state.sessions.get(command.session_id)
    if (
        session is None
        or (command.user_id and session.user_id != command.user_id)
        or (command.tenant_id and session.tenant_id != command.tenant_id)
    ):
        raise NotFound(f"session not found for {command.session_id[:80]}")
    event = _end(state, command.session_id, command.reason, command.by, now_ns, limits)
    return Decision(events=(event,))


def end_all_sessions(
    state: IdentityState, command: EndAllSessions, now_ns: int, limits: IdentityLimits
) -> Decision:
    """End every session of a user of the tenant.

    Raises:
        NotFound: the tenant has no such user.
    """
    require_user(state, command.tenant_id, command.user_id)
    ends = ends_of_user(state, command.user_id, "revoked", command.by, now_ns, limits)
    return Decision(Counted(len(ends)), ends)


def ends_of_user(  # noqa: PLR0913, PLR0917  # what ends, and why, and when
    state: IdentityState,
    user_id: str,
    reason: str,
    by: Origin,
    now_ns: int,
    limits: IdentityLimits,
    *,
    keep: str = "",
) -> tuple[SessionEnded, ...]:
    """Return the ends of every session of a user but *keep*."""
    own = state.user_sessions.get(user_id, ())
    return tuple(_end(state, name, reason, by, now_ns, limits) for name in own if name != keep)


def ends_of_client(
    state: IdentityState, client_id: str, by: Origin, now_ns: int, limits: IdentityLimits
) -> tuple[SessionEnded, ...]:
    """Return the ends of every session that an OAuth client holds."""
    return tuple(
        _end(state, name, "client", by, now_ns, limits)
        for name, session in state.sessions.items()
        if session.client_id == client_id
    )


def end_after_code_reuse(
    state: IdentityState, session_id: str, by: Origin, now_ns: int, limits: IdentityLimits
) -> tuple[SessionEnded, ...]:
    """Return the end of the session that a code has opened, if it is still open."""
    if session_id not in state.sessions:
        return ()
    return (_end(state, session_id, "code_reuse", by, now_ns, limits),)


def _end(  # noqa: PLR0913, PLR0917  # what ends, and why, and when
    state: IdentityState,
    session_id: str,
    reason: str,
    by: Origin,
    now_ns: int,
    limits: IdentityLimits,
) -> SessionEnded:
    assert reason in SESSION_ENDS, "the table says what can happen"
    session = state.sessions[session_id]
    return SessionEnded(
        at_ns=now_ns,
        by=by,
        session_id=session_id,
        user_id=session.user_id,
        tenant_id=session.tenant_id,
        reason=reason,
        until_ns=min(now_ns + max(limits.access_ns, ACCESS_NS_MAX), session.expires_ns),
    )


def sessions_found(state: IdentityState, user_id: str, now_ns: int) -> SessionsFound:
    """Return the sessions of a user that are going on, the most recently used last."""
    found = [(name, state.sessions[name]) for name in state.user_sessions.get(user_id, ())]
    return SessionsFound(
        tuple(
            SessionFound(
                name,
                session.user_id,
                session.client_id,
                session.scope,
                session.method,
                session.created_ns,
                session.used_ns,
                session.idle_expires_ns,
                session.expires_ns,
            )
            for name, session in found
            if now_ns < min(session.idle_expires_ns, session.expires_ns)
        )
    )
