"""The identity component: one deterministic state machine behind the ``auth`` actor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import msgspec

from tradeplane.auth import (
    clients,
    codes,
    commands,
    keys,
    logins,
    mfa,
    policy_set,
    sessions,
    signing,
    tenants,
    user_list,
    users,
)
from tradeplane.auth.decision import Decision, not_authenticated, require_user
from tradeplane.auth.events import (
    AccountRegistered,
    ClientCreated,
    KeyCreated,
    SessionEnded,
    TenantCreated,
)
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.private_events import (
    AttemptFailed,
    ClientTokenIssued,
    IdentityEvent,
    MfaEnrollmentStarted,
    PrivateEvent,
    SessionOpened,
)
from tradeplane.auth.queries import (
    FindPassword,
    FindSigningSecret,
    GetDirectory,
    GetSequence,
    IdentityQuery,
    ListSessions,
    ListUsers,
    PageUsers,
    PrivateQuery,
)
from tradeplane.auth.replies import (
    ClientGranted,
    Counted,
    DirectoryFound,
    Done,
    IdentityReply,
    MfaEnrolling,
    Named,
    refused,
)
from tradeplane.auth.state import IdentityState
from tradeplane.component import Applied
from tradeplane.errors import InvalidRequest
from tradeplane.feed import PRIVATE_TOPIC

DIRECTORY_TOPIC = "directory"
_Decide: TypeAlias = Callable[[IdentityState, Any, int, IdentityLimits], Decision]

DECISIONS: dict[type[commands.Command], _Decide] = {
    commands.CreateTenant: tenants.create_tenant,
    commands.CreateUser: users.create_user,
    commands.SetRole: users.set_role,
    commands.DisableUser: users.disable_user,
    commands.EnableUser: users.enable_user,
    commands.ChangePassword: users.change_password,
    commands.ResetPassword: users.reset_password,
    commands.UpgradePassword: users.upgrade_password,
    commands.LogIn: logins.log_in,
    commands.LogInExternal: logins.log_in_external,
    commands.LinkExternal: logins.link_external,
    commands.UnlinkExternal: logins.unlink_external,
    commands.RefreshSession: sessions.refresh,
    commands.RevokeRefresh: sessions.revoke_refresh,
    commands.EndSession: sessions.end_session,
    commands.EndAllSessions: sessions.end_all_sessions,
    commands.RevokeToken: clients.revoke_token,
    commands.EnrollMfa: mfa.enroll,
    commands.ConfirmMfa: mfa.confirm,
    commands.DisableMfa: mfa.disable,
    commands.ResetMfa: mfa.reset,
    commands.RegisterAccount: tenants.register_account,
    commands.CreateKey: keys.create_key,
    commands.RevokeKey: keys.revoke_key,
    commands.CreateClient: clients.create_client,
    commands.DeleteClient: clients.delete_client,
    commands.IssueClientToken: clients.issue_client_token,
    commands.IssueCode: codes.issue_code,
    commands.RedeemCode: codes.redeem_code,
    commands.ClaimOnce: codes.claim_once,
    commands.TendSigningKeys: signing.tend,
    commands.RotateSigningKey: signing.rotate,
    commands.ReplacePolicies: policy_set.replace_policies,
}
"""Who decides which command."""


class Identity:
    """Tenants, users, accounts, sessions, keys, clients, signing keys and policies.

    Args:
        limits: how many, and how long.
    """

    name = "auth"
    command_type = commands.IdentityCommand
    query_type = IdentityQuery
    reply_type = IdentityReply
    event_type = IdentityEvent

    def __init__(self, limits: IdentityLimits | None = None) -> None:
        self.limits = limits or IdentityLimits()
        self.state = IdentityState()

    def apply(self, command: commands.IdentityCommand, now_ns: int) -> Applied:
        """Decide *command*, and evolve by what it comes to.

        Raises:
            RequestRefused: it is refused; each decision says why.
        """
        decision = DECISIONS[type(command)](self.state, command, now_ns, self.limits)
        for event in decision.events:
            self.state.evolve(event)
        return Applied(decision.reply, decision.events)

    def evolve(self, event: IdentityEvent) -> None:
        """Change the state by *event*."""
        self.state.evolve(event)

    def query(  # noqa: PLR0911  # one return a kind of query
        self, query: IdentityQuery | PrivateQuery, now_ns: int
    ) -> Any:
        """Answer *query*.

        Raises:
            NotFound: the tenant has no such user.
            TooManyAttempts: no password is to be checked now.
        """
        state = self.state
        match query:
            case GetDirectory():
                return DirectoryFound(state.directory)
            case GetSequence():
                return Done()
            case ListUsers():
                return user_list.users_found(state, query)
            case PageUsers():
                return user_list.users_page(state, query)
            case ListSessions():
                require_user(state, query.tenant_id, query.user_id)
                return sessions.sessions_found(state, query.user_id, now_ns)
            case FindPassword():
                return users.find_password(state, query, now_ns)
            case FindSigningSecret():
                return signing.signing_secret(state)

    def idempotency_key(self, command: commands.IdentityCommand) -> str | None:
        """Return the call's id, or what the command makes, if it makes something."""
        match command:
            case commands.CreateKey():
                return f"key:{command.key_id}"
            case commands.RegisterAccount():
                return f"account:{command.account_id}"
            case commands.CreateUser():
                return f"user:{command.user_id}"
            case commands.CreateClient():
                # So a client that was deleted does not come back, with what its old tokens open.
                return f"client:{command.client_id}"
            case commands.LogIn() | commands.LogInExternal() | commands.RedeemCode():
                return f"session:{command.session_id}"
            case _:
                return f"call:{command.command_id}" if command.command_id else None

    def repeat(  # noqa: PLR0911  # one return a kind of event
        self, command: commands.IdentityCommand, first_event: IdentityEvent
    ) -> Any:
        """Return the reply of the first run; the same id with other contents is refused.

        Raises:
            InvalidRequest: it has made something with other contents.
        """
        match first_event:
            case AttemptFailed():
                return refused(not_authenticated())
            case SessionEnded() if isinstance(command, commands.RedeemCode):
                return refused(codes.invalid_grant())
            case SessionOpened():
                return sessions.granted(first_event)
            case ClientTokenIssued():
                return ClientGranted(
                    first_event.client_id,
                    first_event.tenant_id,
                    first_event.scope,
                    first_event.token_id,
                )
            case MfaEnrollmentStarted():
                username = self.state.profiles[first_event.user_id].username
                return MfaEnrolling(first_event.secret, username)
        _require_same_contents(command, first_event)
        if isinstance(command, commands.EndAllSessions):
            return Counted(1)
        if isinstance(command, commands.RotateSigningKey):
            return Named(getattr(first_event, "kid", ""))
        return Done()

    def topic(self, event: IdentityEvent) -> str:
        """Return the one topic of the directory, or that of private events."""
        return PRIVATE_TOPIC if isinstance(event, PrivateEvent) else DIRECTORY_TOPIC

    def to_bytes(self) -> bytes:
        """Return the whole state; dictionaries keep the order of events, which counts."""
        return msgspec.msgpack.encode(self.state)

    def from_bytes(self, state: bytes) -> None:
        """Replace the state."""
        self.state = msgspec.msgpack.decode(state, type=IdentityState)


def _require_same_contents(command: commands.IdentityCommand, first_event: IdentityEvent) -> None:
    """Refuse a command whose first run has made something else."""
    match command, first_event:
        case commands.CreateKey(), KeyCreated():
            first = (first_event.secret_sha256, first_event.account_id)
            if first != (command.secret_sha256, command.wanted.account_id):
                raise InvalidRequest(f"key {command.key_id} exists with other contents")
        case commands.RegisterAccount(), AccountRegistered():
            if (first_event.tenant_id, first_event.user_id) != (command.tenant_id, command.user_id):
                raise InvalidRequest(f"account {command.account_id} exists with other contents")
        case commands.CreateClient(), ClientCreated():
            if not clients.is_first_run(command, first_event):
                raise InvalidRequest(f"client {command.client_id} exists with other contents")
        case commands.CreateTenant(), TenantCreated():
            if (first_event.tenant_id, first_event.name) != (command.tenant_id, command.name):
                raise InvalidRequest("this call has made another tenant")
