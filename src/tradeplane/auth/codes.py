"""Decisions about authorization codes (RFC 6749, PKCE of RFC 7636), and what is good once."""

from __future__ import annotations

import base64
import hashlib
import re

from tradeplane.auth.clients import allowed_scope
from tradeplane.auth.commands import ClaimOnce, IssueCode, RedeemCode
from tradeplane.auth.decision import (
    Decision,
    not_authenticated,
    require_text,
    same,
    sha256_hex,
)
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.private_events import CodeIssued, CodeRedeemed, OnceClaimed
from tradeplane.auth.records import Code
from tradeplane.auth.replies import refused
from tradeplane.auth.sessions import Opening, end_after_code_reuse, open_session
from tradeplane.auth.state import IdentityState
from tradeplane.auth.wanted import CodeRedemption
from tradeplane.errors import InvalidGrant, InvalidRequest, NotAllowed, NotFound, Overloaded

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_KEY_MAX = 500
_ONCE_NS_MAX = 3_600 * 10**9


def issue_code(
    state: IdentityState, command: IssueCode, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Issue a code to the user of a session.

    Raises:
        NotFound: the user's tenant has no such client.
        NotAllowed: the client may not use this grant, or the session may not consent.
        InvalidRequest: the redirect URI, the scope or the challenge is wrong.
    """
    wanted = command.wanted
    session = state.sessions.get(command.session_id)
    if session is None or session.user_id != command.user_id:
        raise not_authenticated()
    if session.client_id or session.scope:
        raise NotAllowed("only a full session of the user's own may consent")
    entry = state.directory.clients.get(wanted.client_id)
    if entry is None or entry.tenant_id != session.tenant_id:
        raise NotFound(f"client not found for {wanted.client_id[:80]}")
    if "authorization_code" not in entry.grant_types:
        raise NotAllowed("this client may not use authorization_code")
    if wanted.redirect_uri not in entry.redirect_uris:
        raise InvalidRequest("this redirect URI is none of the client's")
    if not _CHALLENGE.fullmatch(wanted.code_challenge):
        raise InvalidRequest("code_challenge must be an S256 challenge: 43 characters of base64url")
    scope = allowed_scope(wanted.scope, entry.scopes)
    if len(state.codes) >= limits.codes_max:
        raise Overloaded("too many codes were issued just now; nothing was done, try again")
    event = CodeIssued(
        at_ns=now_ns,
        by=command.by,
        code_sha256=command.code_sha256,
        client_id=wanted.client_id,
        redirect_uri=wanted.redirect_uri,
        user_id=command.user_id,
        tenant_id=session.tenant_id,
        scope=scope,
        code_challenge=wanted.code_challenge,
        expires_ns=now_ns + limits.code_ns,
    )
    return Decision(events=(event,))


def redeem_code(
    state: IdentityState, command: RedeemCode, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Open a client's session with a code; a code that comes again ends what it has opened.

    Raises:
        NotAuthenticated: the client is not who it says.
        InvalidGrant: the code is none, or not for this client, URI and verifier.
    """
    shown = command.redemption
    state.directory.open_client(shown.client_id, shown.client_secret)
    digest = sha256_hex(shown.code)
    code = state.codes.get(digest)
    if code is None or not _belongs(code, shown):
        raise invalid_grant()
    if code.session_id:
        ends = end_after_code_reuse(state, code.session_id, command.by, now_ns, limits)
        return Decision(refused(invalid_grant()), ends)
    if now_ns >= code.expires_ns or state.directory.users[code.user_id].disabled:
        raise invalid_grant()
    opening = Opening(
        command.session_id,
        code.user_id,
        "code",
        command.secret_sha256,
        shown.client_id,
        code.scope,
    )
    opened = open_session(state, opening, command.by, now_ns, limits)
    redeemed = CodeRedeemed(
        at_ns=now_ns, by=command.by, code_sha256=digest, session_id=command.session_id
    )
    return Decision(opened.reply, (*opened.events, redeemed))


def _belongs(code: Code, shown: CodeRedemption) -> bool:
    if not _VERIFIER.fullmatch(shown.code_verifier):
        return False
    hashed = hashlib.sha256(shown.code_verifier.encode()).digest()
    challenge = base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()
    return (
        same(challenge, code.code_challenge)
        and shown.client_id == code.client_id
        and shown.redirect_uri == code.redirect_uri
    )


def invalid_grant() -> InvalidGrant:
    """Return the one refusal of a code, which does not say why."""
    return InvalidGrant("the authorization code is not valid")


def claim_once(
    state: IdentityState, command: ClaimOnce, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Use a key up.

    Raises:
        NotAuthenticated: it was used before.
        InvalidRequest: the key or its end is out of range.
        Overloaded: too many keys are remembered.
    """
    require_text("a key", command.key, _KEY_MAX)
    if not now_ns < command.expires_ns <= now_ns + _ONCE_NS_MAX:
        raise InvalidRequest("a key that is good once ends within an hour")
    digest = sha256_hex(command.key)
    if state.once.get(digest, 0) > now_ns:
        raise not_authenticated()
    if len(state.once) >= limits.once_max:
        oldest = next(iter(state.once.values()))
        if oldest > now_ns:
            raise Overloaded("too many keys are in use; nothing was done, try again")
    event = OnceClaimed(
        at_ns=now_ns, by=command.by, key_sha256=digest, expires_ns=command.expires_ns
    )
    return Decision(events=(event,))
