"""``/auth``: log in, refresh, log out; who one is, and one's own sessions."""

from __future__ import annotations

from serve.exchange import Exchange, Reply
from serve.json_body import json_body
from serve.operation import Answer, Operation, text_parameter
from serve.origins import Origins
from serve.query import uuid_of
from serve.wire.decimals import encode
from serve.wire.identity_body import (
    EndedBody,
    SessionBody,
    TokensBody,
    UserBody,
    session_body,
    tokens_body,
    user_body,
)
from serve.wire.identity_request import LoginRequest, RefreshRequest
from tradeplane.auth.principal import Principal
from tradeplane.auth.service import IdentityService
from tradeplane.errors import NotAllowed, NotFound

_TAG = "identity"
_SELF = "self:manage"


def person_of(exchange: Exchange) -> Principal:
    """Return who asks, when it is a user after a login, and no key or client.

    Raises:
        NotAllowed: it is not.
    """
    principal = exchange.principal
    assert principal is not None, "only operations that need a credential ask for the person"
    if principal.kind != "user" or not principal.user_id:
        raise NotAllowed("only the user in person may do this, after a login")
    return principal


class LoginRoutes:
    """The operations on one's own logins.

    Args:
        identity: does them.
    """

    def __init__(self, identity: IdentityService) -> None:
        self._identity = identity
        self._origins = Origins(identity)

    async def login(self, exchange: Exchange) -> Reply:
        """Open a session."""
        request = await json_body(exchange, LoginRequest)
        tokens = await self._identity.login(
            request.username, request.password, request.otp, self._origins.of(exchange)
        )
        return Reply(200, encode(tokens_body(tokens)))

    async def refresh(self, exchange: Exchange) -> Reply:
        """Exchange a refresh token of a direct login."""
        request = await json_body(exchange, RefreshRequest)
        origin = self._origins.of(exchange)
        tokens = await self._identity.refresh(request.refresh_token, None, origin)
        return Reply(200, encode(tokens_body(tokens)))

    async def logout(self, exchange: Exchange) -> Reply:
        """End the session that the token belongs to."""
        await self._identity.logout(person_of(exchange), self._origins.of(exchange))
        return Reply(204)

    async def me(self, exchange: Exchange) -> Reply:
        """Return the user behind the credential."""
        principal = exchange.principal
        assert principal is not None, "the operation needs a credential"
        return Reply(200, encode(user_body(await self._identity.me(principal))))

    async def sessions(self, exchange: Exchange) -> Reply:
        """List one's own sessions."""
        principal = person_of(exchange)
        found = await self._identity.sessions(principal)
        return Reply(200, encode([session_body(each, principal.session_id) for each in found]))

    async def end_session(self, exchange: Exchange) -> Reply:
        """End one of one's own sessions."""
        principal = person_of(exchange)
        session_id = uuid_of("session_id", exchange.params["session_id"])
        own = await self._identity.sessions(principal)
        if all(session.session_id != session_id for session in own):
            raise NotFound(f"session not found for {session_id}")
        await self._identity.end_session(principal, session_id, self._origins.of(exchange))
        return Reply(204)

    async def end_sessions(self, exchange: Exchange) -> Reply:
        """End all of one's own sessions, this one included."""
        principal = person_of(exchange)
        count = await self._identity.end_all_sessions(
            principal, principal.user_id, self._origins.of(exchange)
        )
        return Reply(200, encode(EndedBody(count)))

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        return (*self._public(), *self._own())

    def _public(self) -> tuple[Operation, ...]:
        tokens = (Answer(200, "The tokens.", TokensBody),)
        return (
            Operation(
                "POST",
                "/auth/login",
                self.login,
                "login",
                "Log in with a password and, where there is a second factor, a code",
                _TAG,
                tokens,
                errors=(400, 401, 413, 422, 429),
                body=LoginRequest,
                public=True,
                budget="login",
            ),
            Operation(
                "POST",
                "/auth/refresh",
                self.refresh,
                "refresh",
                "Exchange a refresh token for new tokens",
                _TAG,
                tokens,
                errors=(400, 401, 413, 422),
                body=RefreshRequest,
                public=True,
            ),
        )

    def _own(self) -> tuple[Operation, ...]:
        session_id = text_parameter("session_id", "The session's UUID.", place="path")
        return (
            Operation(
                "POST",
                "/auth/logout",
                self.logout,
                "logout",
                "End this session",
                _TAG,
                (Answer(204, "It has ended."),),
                action=_SELF,
            ),
            Operation(
                "GET",
                "/auth/me",
                self.me,
                "getMe",
                "Get the user behind the credential",
                _TAG,
                (Answer(200, "The user.", UserBody),),
                errors=(404,),
                action=_SELF,
            ),
            Operation(
                "GET",
                "/auth/sessions",
                self.sessions,
                "listOwnSessions",
                "List your own sessions",
                _TAG,
                (Answer(200, "The sessions.", list[SessionBody]),),
                errors=(404,),
                action=_SELF,
            ),
            Operation(
                "DELETE",
                "/auth/sessions",
                self.end_sessions,
                "endOwnSessions",
                "End all of your own sessions",
                _TAG,
                (Answer(200, "How many there were.", EndedBody),),
                errors=(404,),
                action=_SELF,
            ),
            Operation(
                "DELETE",
                "/auth/sessions/{session_id}",
                self.end_session,
                "endOwnSession",
                "End one of your own sessions",
                _TAG,
                (Answer(204, "It has ended."),),
                errors=(404, 422),
                parameters=(session_id,),
                action=_SELF,
            ),
        )
