"""Sessions and OAuth grants, as a replica asks the ``auth`` actor for them."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from actors.auth_desk import split_refresh_token
from actors.auth_link import AuthLink
from actors.auth_mirror import AuthMirror
from tradeplane.auth import commands, desk
from tradeplane.auth.answers import MfaEnrollment, SessionFound, Tokens, UserFound
from tradeplane.auth.decision import sha256_hex
from tradeplane.auth.mfa import RECOVERY_BYTES, RECOVERY_CODES, SECRET_BYTES, recovery_codes
from tradeplane.auth.principal import Origin, Principal
from tradeplane.auth.queries import ListSessions, ListUsers
from tradeplane.auth.replies import Counted, SessionsFound, UsersFound
from tradeplane.auth.wanted import CodeRedemption, CodeWanted
from tradeplane.clock import NS_PER_S
from tradeplane.errors import NotAllowed, NotAuthenticated, NotFound

_SECRET_BYTES = 32
_ADMINISTRATOR = "admin"


class SessionCalls:
    """Satisfies ``service.Sessions`` and the coroutines of ``service.OAuth``.

    Args:
        link: the calls.
        mirror: what is known here.
    """

    def __init__(self, link: AuthLink, mirror: AuthMirror) -> None:
        self._link = link
        self._mirror = mirror

    async def login(self, username: str, password: str, otp: str | None, origin: Origin) -> Tokens:
        """Open a session with a password and, where it is enabled, a code."""
        request = desk.SignIn(
            by=origin,
            session_id=self._link.new_id(),
            username=username,
            password=password,
            otp=otp or "",
            random=self._link.random(_SECRET_BYTES),
        )
        return await self._tokens(request)

    async def login_external(self, issuer: str, subject: str, origin: Origin) -> Tokens:
        """Open a session for the user who is linked to an external identity."""
        request = desk.SignInExternal(
            by=origin,
            session_id=self._link.new_id(),
            issuer=issuer,
            subject=subject,
            random=self._link.random(_SECRET_BYTES),
        )
        return await self._tokens(request)

    async def refresh(self, refresh_token: str, client_id: str | None, origin: Origin) -> Tokens:
        """Exchange a refresh token for new tokens."""
        request = desk.Exchange(by=origin, refresh_token=refresh_token, client_id=client_id or "")
        return await self._tokens(request)

    async def redeem_code(self, redemption: CodeRedemption, origin: Origin) -> Tokens:
        """Exchange a code for a session of the client in the user's name."""
        request = desk.Redeem(
            by=origin,
            session_id=self._link.new_id(),
            redemption=redemption,
            random=self._link.random(_SECRET_BYTES),
        )
        return await self._tokens(request)

    async def client_credentials(
        self, client_id: str, client_secret: str, scope: str, origin: Origin
    ) -> Tokens:
        """Give a client a token for itself."""
        request = desk.GrantClient(
            by=origin,
            client_id=client_id,
            client_secret=client_secret,
            scope=scope,
            token_id=self._link.new_id(),
        )
        return await self._tokens(request)

    async def _tokens(self, request: desk.DeskRequest) -> Tokens:
        reply = await self._link.request(request)
        assert isinstance(reply, desk.TokensGiven), "a grant is answered by tokens"
        return reply.tokens

    async def issue_code(self, principal: Principal, wanted: CodeWanted, origin: Origin) -> str:
        """Return an authorization code for the user of *principal*'s session."""
        random = self._link.random(_SECRET_BYTES)
        code = "tpo_" + base64.urlsafe_b64encode(random).rstrip(b"=").decode()
        command = commands.IssueCode(
            by=origin,
            command_id=self._link.new_id(),
            code_sha256=sha256_hex(code),
            user_id=principal.user_id,
            session_id=principal.session_id,
            wanted=wanted,
        )
        await self._link.execute(command)
        return code

    async def revoke_token(self, client_id: str | None, token: str, origin: Origin) -> None:
        """End what *token* gives."""
        if token.startswith("tpr_"):
            try:
                session_id, secret = split_refresh_token(token)
            except NotAuthenticated:
                return
            revoke = commands.RevokeRefresh(
                by=origin, session_id=session_id, secret=secret, client_id=client_id or ""
            )
            await self._link.execute(revoke)
            await self._link.catch_up(self._mirror.follower)
            return
        try:
            claims = self._mirror.claims(token)
        except NotAuthenticated:
            return
        if claims.client_id == (client_id or ""):
            command = commands.RevokeToken(
                by=origin,
                token_id=claims.jti,
                tenant_id=claims.tid,
                until_ns=claims.exp * NS_PER_S,
            )
            await self._link.execute(command)
            await self._link.catch_up(self._mirror.follower)

    async def logout(self, principal: Principal, origin: Origin) -> None:
        """End the session of *principal*."""
        if principal.session_id:
            await self._end(principal.session_id, principal.user_id, "", "logout", origin)

    async def me(self, principal: Principal) -> UserFound:
        """Return the user behind *principal*."""
        if not principal.user_id:
            raise NotFound("there is no user behind these credentials")
        reply = await self._link.ask(ListUsers(principal.tenant_id, principal.user_id))
        assert isinstance(reply, UsersFound), "a question for users is answered by users"
        return reply.users[0]

    async def sessions(self, principal: Principal) -> Sequence[SessionFound]:
        """Return the user's own sessions that are going on."""
        if not principal.user_id:
            return ()
        return await self.user_sessions(principal.tenant_id, principal.user_id)

    async def user_sessions(self, tenant_id: str, user_id: str) -> Sequence[SessionFound]:
        """Return the sessions of a user of the tenant."""
        reply = await self._link.ask(ListSessions(tenant_id, user_id))
        assert isinstance(reply, SessionsFound), "a question for sessions is answered by sessions"
        return reply.sessions

    async def end_session(self, principal: Principal, session_id: str, origin: Origin) -> None:
        """End one session of the user's own, or, for an administrator, of the tenant."""
        if principal.role == _ADMINISTRATOR:
            await self._end(session_id, "", principal.tenant_id, "revoked", origin)
        elif principal.user_id:
            await self._end(session_id, principal.user_id, "", "revoked", origin)
        else:
            raise NotFound("session not found")

    async def _end(
        self, session_id: str, user_id: str, tenant_id: str, reason: str, origin: Origin
    ) -> None:
        command = commands.EndSession(
            by=origin,
            command_id=self._link.new_id(),
            session_id=session_id,
            user_id=user_id,
            tenant_id=tenant_id,
            reason=reason,
        )
        await self._link.execute(command)
        await self._link.catch_up(self._mirror.follower)

    async def end_all_sessions(self, principal: Principal, user_id: str, origin: Origin) -> int:
        """End every session of a user: of oneself, or, for an administrator, of the tenant."""
        if user_id != principal.user_id and principal.role != _ADMINISTRATOR:
            raise NotFound(f"user not found for {user_id[:80]}")
        command = commands.EndAllSessions(
            by=origin,
            command_id=self._link.new_id(),
            tenant_id=principal.tenant_id,
            user_id=user_id,
        )
        reply = await self._link.execute(command)
        await self._link.catch_up(self._mirror.follower)
        return reply.count if isinstance(reply, Counted) else 0

    async def change_password(
        self, principal: Principal, old: str, new: str, origin: Origin
    ) -> None:
        """Change one's own password; every other session of the user ends."""
        request = desk.ReplacePassword(
            by=origin,
            user_id=_person(principal),
            session_id=principal.session_id,
            old=old,
            new=new,
            command_id=self._link.new_id(),
        )
        await self._link.request(request)
        await self._link.catch_up(self._mirror.follower)

    async def enable_mfa(
        self, principal: Principal, password: str, origin: Origin
    ) -> MfaEnrollment:
        """Begin to enrol a second factor."""
        request = desk.BeginMfa(
            by=origin,
            user_id=_person(principal),
            session_id=principal.session_id,
            password=password,
            random=self._link.random(SECRET_BYTES),
            command_id=self._link.new_id(),
        )
        reply = await self._link.request(request)
        assert isinstance(reply, desk.MfaBegun), "an enrolment is answered by its secret"
        return reply.enrollment

    async def confirm_mfa(self, principal: Principal, code: str, origin: Origin) -> Sequence[str]:
        """Put the enrolled factor in force; return the recovery codes."""
        codes = recovery_codes(self._link.random(RECOVERY_CODES * RECOVERY_BYTES))
        command = commands.ConfirmMfa(
            by=origin,
            command_id=self._link.new_id(),
            user_id=_person(principal),
            session_id=principal.session_id,
            code=code,
            recovery_codes=codes,
        )
        await self._link.execute(command)
        return codes

    async def disable_mfa(
        self, principal: Principal, password: str, code: str, origin: Origin
    ) -> None:
        """Take the second factor away."""
        request = desk.EndMfa(
            by=origin,
            user_id=_person(principal),
            session_id=principal.session_id,
            password=password,
            code=code,
            command_id=self._link.new_id(),
        )
        await self._link.request(request)

    async def claim_once(self, key: str, expires_ns: int) -> None:
        """Use *key* up, on every replica, until *expires_ns*."""
        command = commands.ClaimOnce(
            by=Origin("system"),
            command_id=self._link.new_id(),
            key=key,
            expires_ns=expires_ns,
        )
        await self._link.execute(command)


def _person(principal: Principal) -> str:
    """Return the user who acts in person.

    Raises:
        NotAllowed: it is a key, a client, or a client in the user's name within a scope.
    """
    if principal.kind != "user" or not principal.user_id:
        raise NotAllowed("only the user in person may do this, after a login")
    return principal.user_id
