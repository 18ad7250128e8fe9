"""What a command comes to, and the checks that many share."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

import msgspec

from tradeplane.auth.principal import ROLES, Origin
from tradeplane.auth.replies import Done
from tradeplane.errors import InvalidRequest, LimitReached, NotAuthenticated, NotFound

if TYPE_CHECKING:
    from tradeplane.auth.records import Profile
    from tradeplane.auth.state import IdentityState

REASON_MAX = 500
REFUSED = "unauthorized."


class Decision(msgspec.Struct, frozen=True):
    """A reply, and the events that make it true; none when nothing happens."""

    reply: Any = Done()
    events: tuple[Any, ...] = ()


def require_reason(by: Origin) -> None:
    """Refuse an administrator's command without a reason; the system needs none.

    Raises:
        InvalidRequest: the reason is missing, too long or not printable.
    """
    if by.kind == "system":
        return
    if not 1 <= len(by.reason) <= REASON_MAX or not by.reason.isprintable():
        raise InvalidRequest(f"give a reason of 1 to {REASON_MAX} printable characters")


def require_role(role: str) -> None:
    """Refuse a role that there is not.

    Raises:
        InvalidRequest: it is none of them.
    """
    if role not in ROLES:
        raise InvalidRequest(f"role {role[:40]!r} is unknown; known are {', '.join(ROLES)}")


def require_tenant(state: IdentityState, tenant_id: str) -> None:
    """Refuse a tenant that there is not.

    Raises:
        NotFound: it does not exist.
    """
    if tenant_id not in state.directory.tenants:
        raise NotFound(f"tenant not found for {tenant_id[:80]}")


def require_user(state: IdentityState, tenant_id: str, user_id: str) -> Profile:
    """Return the profile of a user of the tenant.

    Raises:
        NotFound: the tenant has no such user, whoever else may.
    """
    entry = state.directory.users.get(user_id)
    if entry is None or entry.tenant_id != tenant_id:
        raise NotFound(f"user not found for {user_id[:80]}")
    return state.profiles[user_id]


def require_room(what: str, count: int, count_max: int) -> None:
    """Refuse one more.

    Raises:
        LimitReached: there are *count_max* already.
    """
    if count >= count_max:
        raise LimitReached(f"there are {count} {what}, and {count_max} is the limit")


def require_text(what: str, text: str, length_max: int) -> None:
    """Refuse a text that is empty, too long, or not printable.

    Raises:
        InvalidRequest: it is.
    """
    if not 1 <= len(text) <= length_max or not text.isprintable():
        raise InvalidRequest(f"{what} must have 1 to {length_max} printable characters")


def not_authenticated() -> NotAuthenticated:
    """Return the one refusal of credentials, which does not say which of them was wrong."""
    return NotAuthenticated(REFUSED)


def sha256_hex(text: str) -> str:
    """Return the SHA-256 of *text* in hex."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def same(one: str, other: str) -> bool:
    """Compare two ASCII strings in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode())
