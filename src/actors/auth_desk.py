"""The desk of identity: checks passwords, signs tokens, and tells the component what came of it.

It keeps nothing. A request that comes twice has one effect, because the commands that it becomes
carry the same ids.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import structlog

from actors.shell import Shell
from actors.token_mint import REFRESH_PREFIX, TokenMint
from adapters.passwords import PasswordHasher
from tradeplane.auth import commands, desk
from tradeplane.auth.answers import MfaEnrollment, NewUser
from tradeplane.auth.decision import sha256_hex
from tradeplane.auth.mfa import DIGITS, STEP_S
from tradeplane.auth.password_policy import LENGTH_MAX, check_password, normalized
from tradeplane.auth.principal import Origin
from tradeplane.auth.queries import FindPassword, ListUsers
from tradeplane.auth.replies import (
    ClientGranted,
    MfaEnrolling,
    PasswordFound,
    Refused,
    SessionRefreshed,
    UsersFound,
)
from tradeplane.auth.sessions import first_secret
from tradeplane.errors import (
    InvalidRequest,
    NotAuthenticated,
    ServiceFailed,
    TradeplaneError,
    from_wire,
    to_wire,
)
from tradeplane.protocol import Result, SubmitReply, SubmitRequest

log = structlog.get_logger()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(desk.DeskRequest).decode
_USERNAME_MAX = 64
_ISSUER_NAME = "Tradeplane"


class AuthDesk:
    """Answers what needs a password, a secret or a signature.

    Args:
        shell: hosts the component.
        hasher: makes and checks password hashes.
        mint: signs tokens.
        peppers: returns the keys that refresh secrets are derived with, newest first.
    """

    def __init__(
        self,
        shell: Shell,
        hasher: PasswordHasher,
        mint: TokenMint,
        peppers: Callable[[], Awaitable[Sequence[bytes]]],
    ) -> None:
        self._shell = shell
        self._hasher = hasher
        self._peppers = peppers
        self._mint = mint
        self._answers: dict[type, Callable[[Any], Awaitable[Any]]] = {
            desk.SignIn: self._sign_in,
            desk.SignInExternal: self._sign_in_external,
            desk.Exchange: self._exchange,
            desk.Redeem: self._redeem,
            desk.GrantClient: self._grant_client,
            desk.ReplacePassword: self._replace_password,
            desk.BeginMfa: self._begin_mfa,
            desk.EndMfa: self._end_mfa,
            desk.AddUser: self._add_user,
            desk.GivePassword: self._give_password,
        }

    async def submit(self, payload: bytes) -> bytes:
        """Take a :class:`SubmitRequest` of desk requests, return its :class:`SubmitReply`."""
        request = msgspec.msgpack.decode(payload, type=SubmitRequest)
        results = await asyncio.gather(*(self._result(one.command) for one in request.envelopes))
        return _encode(SubmitReply(self._shell.ownership.epoch, 0, tuple(results)))

    async def _result(self, raw: msgspec.Raw) -> Result:
        try:
            request = _decode(raw)
            reply = await self._answers[type(request)](request)
        except msgspec.DecodeError:
            return Result(error=to_wire(InvalidRequest("this is no request of identity")))
        except TradeplaneError as error:
            return Result(error=to_wire(error))
        except Exception:
            log.exception("identity failed")
            return Result(error=to_wire(ServiceFailed("internal error; it was logged")))
        return Result(reply=msgspec.Raw(_encode(reply)))

    async def _execute(self, command: Any) -> Any:
        reply = await self._shell.execute(command)
        if isinstance(reply, Refused):
            raise from_wire(reply.error)
        return reply

    async def _check(self, query: FindPassword, password: str) -> tuple[PasswordFound, bool]:
        """Return what *password* was checked against, and whether it was right.

        Somebody who does not exist costs the same time as somebody who does.
        """
        found: PasswordFound = await self._shell.look(query)
        if len(password) > LENGTH_MAX * 4:
            # Longer than any that was accepted; hashing it would be a gift to the sender.
            password = ""
        verdict = await self._hasher.verify(normalized(password), found.password_phc)
        if verdict.correct and verdict.outdated:
            await self._upgrade(found, normalized(password))
            found = await self._shell.look(query)
        return found, verdict.correct

    async def _upgrade(self, found: PasswordFound, password: str) -> None:
        phc = await self._hasher.hash(password)
        command = commands.UpgradePassword(
            by=Origin("system"),
            user_id=found.user_id,
            checked=found.generation,
            password_phc=phc,
        )
        await self._execute(command)

    async def _sign_in(self, request: desk.SignIn) -> desk.TokensGiven:
        username = request.username[:_USERNAME_MAX]
        found, correct = await self._check(FindPassword(username=username), request.password)
        secret = first_secret(request.random)
        granted = await self._execute(
            commands.LogIn(
                by=request.by,
                session_id=request.session_id,
                username=username,
                checked=found.generation,
                correct=correct,
                otp=request.otp,
                secret_sha256=sha256_hex(secret),
            )
        )
        return desk.TokensGiven(await self._mint.for_session(granted, secret))

    async def _sign_in_external(self, request: desk.SignInExternal) -> desk.TokensGiven:
        secret = first_secret(request.random)
        granted = await self._execute(
            commands.LogInExternal(
                by=request.by,
                session_id=request.session_id,
                issuer=request.issuer,
                subject=request.subject,
                secret_sha256=sha256_hex(secret),
            )
        )
        return desk.TokensGiven(await self._mint.for_session(granted, secret))

    async def _exchange(self, request: desk.Exchange) -> desk.TokensGiven:
        session_id, secret = split_refresh_token(request.refresh_token)
        refreshed = await self._execute(
            commands.RefreshSession(
                by=request.by,
                session_id=session_id,
                secret=secret,
                peppers=tuple(await self._peppers()),
                client_id=request.client_id,
            )
        )
        assert isinstance(refreshed, SessionRefreshed), "a refresh is answered by a session"
        return desk.TokensGiven(await self._mint.for_session(refreshed.granted, refreshed.secret))

    async def _redeem(self, request: desk.Redeem) -> desk.TokensGiven:
        secret = first_secret(request.random)
        granted = await self._execute(
            commands.RedeemCode(
                by=request.by,
                session_id=request.session_id,
                redemption=request.redemption,
                secret_sha256=sha256_hex(secret),
            )
        )
        return desk.TokensGiven(await self._mint.for_session(granted, secret))

    async def _grant_client(self, request: desk.GrantClient) -> desk.TokensGiven:
        granted = await self._execute(
            commands.IssueClientToken(
                by=request.by,
                command_id=request.token_id,
                client_id=request.client_id,
                client_secret=request.client_secret,
                scope=request.scope,
                token_id=request.token_id,
            )
        )
        assert isinstance(granted, ClientGranted), "a client's grant is answered by a grant"
        return desk.TokensGiven(await self._mint.for_client(granted))

    async def _replace_password(self, request: desk.ReplacePassword) -> Any:
        found, correct = await self._check(FindPassword(user_id=request.user_id), request.old)
        phc = ""
        if correct:
            if normalized(request.old) == normalized(request.new):
                raise InvalidRequest("the new password must differ from the old one")
            check_password(request.new, found.username, found.email)
            phc = await self._hasher.hash(normalized(request.new))
        return await self._execute(
            commands.ChangePassword(
                by=request.by,
                command_id=request.command_id,
                user_id=request.user_id,
                checked=found.generation,
                correct=correct,
                password_phc=phc,
                session_id=request.session_id,
            )
        )

    async def _begin_mfa(self, request: desk.BeginMfa) -> desk.MfaBegun:
        found, correct = await self._check(FindPassword(user_id=request.user_id), request.password)
        enrolling = await self._execute(
            commands.EnrollMfa(
                by=request.by,
                command_id=request.command_id,
                user_id=request.user_id,
                session_id=request.session_id,
                checked=found.generation,
                correct=correct,
                secret=request.random,
            )
        )
        assert isinstance(enrolling, MfaEnrolling), "an enrolment is answered by its secret"
        label = quote(f"{_ISSUER_NAME}:{enrolling.username}")
        facts = {
            "secret": enrolling.secret,
            "issuer": _ISSUER_NAME,
            "algorithm": "SHA1",
            "digits": DIGITS,
            "period": STEP_S,
        }
        uri = f"otpauth://totp/{label}?{urlencode(facts)}"
        return desk.MfaBegun(MfaEnrollment(enrolling.secret, uri))

    async def _end_mfa(self, request: desk.EndMfa) -> Any:
        found, correct = await self._check(FindPassword(user_id=request.user_id), request.password)
        return await self._execute(
            commands.DisableMfa(
                by=request.by,
                command_id=request.command_id,
                user_id=request.user_id,
                session_id=request.session_id,
                checked=found.generation,
                correct=correct,
                code=request.code,
            )
        )

    async def _add_user(self, request: desk.AddUser) -> desk.UserAdded:
        wanted = request.wanted
        made = "" if wanted.password is not None else random_password(request.random)
        password = made or wanted.password or ""
        check_password(password, wanted.username, wanted.email)
        phc = await self._hasher.hash(normalized(password))
        await self._execute(
            commands.CreateUser(
                by=request.by,
                user_id=request.user_id,
                tenant_id=request.tenant_id,
                username=wanted.username,
                email=wanted.email,
                role=wanted.role,
                password_phc=phc,
                temporary=bool(made),
            )
        )
        found: UsersFound = await self._shell.look(ListUsers(request.tenant_id, request.user_id))
        kept: PasswordFound = await self._shell.look(FindPassword(user_id=request.user_id))
        if made and kept.password_phc != phc:
            # It was made before: by this very request, or by another whose password is its own.
            verdict = await self._hasher.verify(made, kept.password_phc)
            made = made if verdict.correct else ""
        return desk.UserAdded(NewUser(found.users[0], made))

    async def _give_password(self, request: desk.GivePassword) -> desk.PasswordGiven:
        password = random_password(request.random)
        phc = await self._hasher.hash(password)
        await self._execute(
            commands.ResetPassword(
                by=request.by,
                command_id=request.command_id,
                tenant_id=request.tenant_id,
                user_id=request.user_id,
                password_phc=phc,
            )
        )
        return desk.PasswordGiven(password)


def split_refresh_token(token: str) -> tuple[str, str]:
    """Return the session and the secret in ``tpr_<session_id>.<secret>``.

    Raises:
        NotAuthenticated: it has another form.
    """
    session_id, dot, secret = token.removeprefix(REFRESH_PREFIX).partition(".")
    if not token.startswith(REFRESH_PREFIX) or not dot or len(token) > 200:
        raise NotAuthenticated("unauthorized.")
    return session_id, secret


def random_password(random: bytes) -> str:
    """Return 100 bits of *random* as four groups of letters and digits, easy to type."""
    text = base64.b32encode(random[:13]).decode().lower().rstrip("=")[:20]
    return "-".join(text[at : at + 5] for at in range(0, 20, 5))
