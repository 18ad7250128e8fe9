"""Which OCSF 1.6 class and activity a record belongs to (schema.ocsf.io)."""

from __future__ import annotations

VERSION = "1.6.0"

ACCOUNT_CHANGE = 3001
AUTHENTICATION = 3002
USER_ACCESS = 3005
API_ACTIVITY = 6003

OTHER = 99

_ACTIVITIES: dict[str, tuple[int, int]] = {
    "auth.login": (AUTHENTICATION, 1),
    "auth.failed": (AUTHENTICATION, 1),
    "access.refused": (AUTHENTICATION, 1),
    "session.ended": (AUTHENTICATION, 2),
    "oauth.client_token_issued": (AUTHENTICATION, 3),
    "oauth.code_issued": (AUTHENTICATION, OTHER),
    "oauth.code_redeemed": (AUTHENTICATION, OTHER),
    "session.refreshed": (AUTHENTICATION, OTHER),
    "token.revoked": (AUTHENTICATION, OTHER),
    "mfa.code_used": (AUTHENTICATION, OTHER),
    "mfa.recovery_code_used": (AUTHENTICATION, OTHER),
    "user.created": (ACCOUNT_CHANGE, 1),
    "user.enabled": (ACCOUNT_CHANGE, 2),
    "password.set": (ACCOUNT_CHANGE, 3),
    "user.disabled": (ACCOUNT_CHANGE, 5),
    "mfa.enabled": (ACCOUNT_CHANGE, 10),
    "mfa.disabled": (ACCOUNT_CHANGE, 11),
    "mfa.enrollment_started": (ACCOUNT_CHANGE, OTHER),
    "external.linked": (ACCOUNT_CHANGE, OTHER),
    "external.unlinked": (ACCOUNT_CHANGE, OTHER),
    "user.role_set": (USER_ACCESS, 1),
}
_VERBS = {
    "accepted": 1,
    "created": 1,
    "opened": 1,
    "registered": 1,
    "read": 2,
    "used": 2,
    "changed": 3,
    "configured": 3,
    "filled": 3,
    "replaced": 3,
    "rotated": 3,
    "trimmed": 3,
    "canceled": 4,
    "deleted": 4,
    "expired": 4,
    "revoked": 4,
}


def classify(action: str) -> tuple[int, int]:
    """Return the class and the activity of *action*; what has no class of its own is API Activity.

    So a record of a new kind is kept, and can be found by its action, before this table knows it.
    """
    known = _ACTIVITIES.get(action)
    if known is not None:
        return known
    verb = action.rpartition(".")[2]
    return API_ACTIVITY, _VERBS.get(verb, OTHER)
