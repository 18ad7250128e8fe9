"""Decisions about API keys."""

from __future__ import annotations

from tradeplane.auth.commands import CreateKey, RevokeKey
from tradeplane.auth.decision import Decision, require_reason, require_role, require_room
from tradeplane.auth.events import KeyCreated, KeyRevoked
from tradeplane.auth.life_cycles import KEY_LIFE
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.roles import is_within
from tradeplane.auth.scopes import checked_scopes
from tradeplane.auth.state import IdentityState
from tradeplane.errors import InvalidRequest, NotAllowed, NotFound


def key_state(state: IdentityState, key_id: str, now_ns: int) -> str:
    """Return where a key is in its life: a state of ``life_cycles.KEY_LIFE``."""
    entry = state.directory.keys.get(key_id)
    if entry is None:
        return "absent"
    return "expired" if 0 < entry.expires_ns <= now_ns else "live"


def create_key(
    state: IdentityState, command: CreateKey, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Let a key open an account; the same again changes nothing.

    Raises:
        NotFound: the tenant has no such account.
        NotAllowed: the role does not lie within the owner's.
        InvalidRequest: an unknown scope, an end in the past, or the id is taken.
        LimitReached: the account, or the installation, has too many.
    """
    require_reason(command.by)
    directory, wanted = state.directory, command.wanted
    account = directory.accounts.get(wanted.account_id)
    if account is None or account.tenant_id != command.tenant_id:
        raise NotFound(f"account not found for {wanted.account_id[:80]}")
    owner_role = directory.users[account.user_id].role
    role = wanted.role or owner_role
    require_role(role)
    if not is_within(role, owner_role):
        raise NotAllowed(f"a key of role {role} is more than its owner, who is {owner_role}")
    scopes = checked_scopes(wanted.scopes)
    if wanted.expires_ns and wanted.expires_ns <= now_ns:
        raise InvalidRequest("a key must end in the future, or never")
    known = directory.keys.get(command.key_id)
    if known is not None:
        if (known.secret_sha256, known.account_id) == (command.secret_sha256, wanted.account_id):
            return Decision()
        raise InvalidRequest(f"key {command.key_id} exists with other contents")
    require_room("keys", len(directory.keys), limits.keys_max)
    own = sum(key.account_id == wanted.account_id for key in directory.keys.values())
    require_room("keys of this account", own, limits.account_keys_max)
    event = KeyCreated(
        at_ns=now_ns,
        by=command.by,
        key_id=command.key_id,
        secret_sha256=command.secret_sha256,
        tenant_id=command.tenant_id,
        account_id=wanted.account_id,
        user_id=account.user_id,
        role=role,
        scopes=scopes,
        expires_ns=wanted.expires_ns,
    )
    return Decision(events=(event,))


def revoke_key(
    state: IdentityState, command: RevokeKey, now_ns: int, limits: IdentityLimits
) -> Decision:
    """End a key for good.

    Raises:
        NotFound: the tenant has no such key any more.
    """
    del limits
    require_reason(command.by)
    entry = state.directory.keys.get(command.key_id)
    life = (key_state(state, command.key_id, now_ns), "KeyRevoked")
    if entry is None or entry.tenant_id != command.tenant_id or life not in KEY_LIFE:
        raise NotFound(f"key not found for {command.key_id[:80]}")
    event = KeyRevoked(
        at_ns=now_ns,
        by=command.by,
        key_id=command.key_id,
        tenant_id=entry.tenant_id,
        account_id=entry.account_id,
    )
    return Decision(events=(event,))
