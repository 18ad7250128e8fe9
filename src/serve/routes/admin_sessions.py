"""``/admin/users/{user_id}/sessions``, ``/admin/sessions``: the logins of a firm's users."""

from __future__ import annotations

from serve.exchange import Exchange, Reply
from serve.operation import Answer, Operation, text_parameter
from serve.origins import REASON_PARAMETER, Origins
from serve.query import uuid_of
from serve.routes.admin_users import USER_PARAMETER, user_id_of
from serve.submissions import Submissions
from serve.tenancy import TENANT_PARAMETER, tenant_of
from serve.wire.decimals import encode
from serve.wire.identity_body import EndedBody, SessionBody, session_body
from tradeplane.auth.principal import Principal
from tradeplane.auth.service import IdentityService

_TAG = "administration"
_MANAGE = "tenant:manage"


class AdminSessionRoutes:
    """The operations on the logins of a firm's users.

    Args:
        identity: does them.
        submissions: the writes under way.
    """

    def __init__(self, identity: IdentityService, submissions: Submissions) -> None:
        self._identity = identity
        self._submissions = submissions
        self._origins = Origins(identity)

    async def sessions(self, exchange: Exchange) -> Reply:
        """List a user's sessions."""
        tenant_id = await tenant_of(exchange, self._identity)
        found = await self._identity.user_sessions(tenant_id, user_id_of(exchange))
        current = _principal(exchange).session_id
        return Reply(200, encode([session_body(each, current) for each in found]))

    async def end_sessions(self, exchange: Exchange) -> Reply:
        """End all sessions of a user."""
        principal = await self._within(exchange)
        origin = self._origins.with_reason(exchange)
        user_id = user_id_of(exchange)
        count = await self._submissions.submit(
            exchange,
            self._identity.end_all_sessions(principal, user_id, origin),
            {"user_id": user_id},
        )
        return Reply(200, encode(EndedBody(count)))

    async def end_session(self, exchange: Exchange) -> Reply:
        """End one session of the firm."""
        principal = await self._within(exchange)
        origin = self._origins.with_reason(exchange)
        session_id = uuid_of("session_id", exchange.params["session_id"])
        await self._submissions.submit(
            exchange,
            self._identity.end_session(principal, session_id, origin),
            {"session_id": session_id},
        )
        return Reply(204)

    async def _within(self, exchange: Exchange) -> Principal:
        """Return an administrator of the firm that is meant, in the caller's name.

        The policies have let the caller manage it, whatever the caller's role is called.
        """
        principal = _principal(exchange)
        tenant_id = await tenant_of(exchange, self._identity)
        return Principal(
            principal.key_id,
            tenant_id,
            "",
            principal.kind,
            principal.subject_id,
            principal.user_id,
            "admin",
        )

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        session_id = text_parameter("session_id", "The session's UUID.", place="path")
        return (
            Operation(
                "GET",
                "/admin/users/{user_id}/sessions",
                self.sessions,
                "listUserSessions",
                "List a user's sessions",
                _TAG,
                (Answer(200, "The sessions.", list[SessionBody]),),
                errors=(404, 422),
                parameters=(USER_PARAMETER, TENANT_PARAMETER),
                action=_MANAGE,
            ),
            Operation(
                "DELETE",
                "/admin/users/{user_id}/sessions",
                self.end_sessions,
                "endUserSessions",
                "End all sessions of a user",
                _TAG,
                (Answer(200, "How many there were.", EndedBody),),
                errors=(404, 422),
                parameters=(USER_PARAMETER, TENANT_PARAMETER, REASON_PARAMETER),
                action=_MANAGE,
            ),
            Operation(
                "DELETE",
                "/admin/sessions/{session_id}",
                self.end_session,
                "endSession",
                "End a session",
                _TAG,
                (Answer(204, "It has ended."),),
                errors=(404, 422),
                parameters=(session_id, TENANT_PARAMETER, REASON_PARAMETER),
                action=_MANAGE,
            ),
        )


def _principal(exchange: Exchange) -> Principal:
    assert exchange.principal is not None, "the operation needs a credential"
    return exchange.principal
