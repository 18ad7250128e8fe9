"""What the audit log keeps of identity's journal: every event, in words, without a secret.

The journal is the outbox: a record commits with its cause because it *is* its cause.
"""

from __future__ import annotations

from typing import Any

from tradeplane.audit.entry import AuditEntry, Outcome
from tradeplane.auth import events as public
from tradeplane.auth import private_events as private
from tradeplane.auth.principal import HOME_TENANT

_ACTIONS: dict[type[public.Event], tuple[str, str, str]] = {
    # event: action, kind of target, the field with its id
    public.TenantCreated: ("tenant.created", "tenant", "tenant_id"),
    public.UserCreated: ("user.created", "user", "user_id"),
    public.UserRoleSet: ("user.role_set", "user", "user_id"),
    public.UserDisabled: ("user.disabled", "user", "user_id"),
    public.UserEnabled: ("user.enabled", "user", "user_id"),
    public.AccountRegistered: ("account.registered", "account", "account_id"),
    public.KeyCreated: ("key.created", "key", "key_id"),
    public.KeyRevoked: ("key.revoked", "key", "key_id"),
    public.ClientCreated: ("client.created", "client", "client_id"),
    public.ClientDeleted: ("client.deleted", "client", "client_id"),
    public.SessionEnded: ("session.ended", "session", "session_id"),
    public.TokenRevoked: ("token.revoked", "token", "token_id"),
    public.SigningKeyPublished: ("signing_key.published", "signing_key", "kid"),
    public.SigningKeyMoved: ("signing_key.moved", "signing_key", "kid"),
    public.PoliciesReplaced: ("policies.replaced", "policies", "version"),
    private.PasswordSet: ("password.set", "user", "user_id"),
    private.AttemptFailed: ("auth.failed", "user", "user_id"),
    private.SessionOpened: ("auth.login", "session", "session_id"),
    private.RefreshRotated: ("session.refreshed", "session", "session_id"),
    private.MfaEnrollmentStarted: ("mfa.enrollment_started", "user", "user_id"),
    private.MfaEnabled: ("mfa.enabled", "user", "user_id"),
    private.MfaCodeUsed: ("mfa.code_used", "user", "user_id"),
    private.RecoveryCodeUsed: ("mfa.recovery_code_used", "user", "user_id"),
    private.MfaDisabled: ("mfa.disabled", "user", "user_id"),
    private.CodeIssued: ("oauth.code_issued", "client", "client_id"),
    private.CodeRedeemed: ("oauth.code_redeemed", "session", "session_id"),
    private.ClientTokenIssued: ("oauth.client_token_issued", "client", "client_id"),
    private.ExternalLinked: ("external.linked", "user", "user_id"),
    private.ExternalUnlinked: ("external.unlinked", "user", "user_id"),
}
"""How each event is called."""

_UNRECORDED: tuple[type[public.Event], ...] = (
    private.UserIntroduced,  # the other half of UserCreated
    private.OnceClaimed,  # part of a login that is recorded itself
    private.SigningKeyStored,  # the other half of SigningKeyPublished
)
_DETAILS = (
    "role", "account_id", "user_id", "client_id", "reason", "state", "method", "scope", "how",
    "factor", "failures", "generation", "token_id", "issuer",
)  # fmt: skip
"""Fields that are facts for an auditor: ids, names of states, counts; never a hash or a secret."""
_THEFT = {"reuse", "code_reuse"}


def entries(event: Any, recorded_ns: int, source: str) -> tuple[AuditEntry, ...]:
    """Return the audit records of one journaled event of identity.

    Args:
        event: the event.
        recorded_ns: when the journal took it.
        source: where it is: the component, shard and sequence.
    """
    kind = type(event)
    if kind in _UNRECORDED:
        return ()
    action, target_kind, field = _ACTIONS[kind]
    details = {"source": source}
    for name in _DETAILS:
        value = getattr(event, name, None)
        if value not in {None, ""} and name != field:
            details[name] = str(value)
    if kind is public.PoliciesReplaced:
        details["files"] = " ".join(sorted(event.documents))
    return (
        AuditEntry(
            action=action,
            outcome=_outcome(event),
            at_ns=recorded_ns,
            by=event.by,
            tenant_id=getattr(event, "tenant_id", "") or HOME_TENANT,
            target_kind=target_kind,
            target_id=str(getattr(event, field)),
            details=details,
        ),
    )


def _outcome(event: Any) -> Outcome:
    if isinstance(event, private.AttemptFailed):
        return "failure"
    if isinstance(event, public.SessionEnded) and event.reason in _THEFT:
        return "failure"
    return "success"
