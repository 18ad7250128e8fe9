"""``/oauth/token``, ``/oauth/revoke``, ``/oauth/introspect``: what clients ask, not browsers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable

import msgspec

from serve.exchange import Exchange, Header, Reply
from serve.form_body import form_body
from serve.oauth_client import CallingClient, calling_client
from serve.oauth_error import oauth_error_reply, oauth_refusal
from serve.operation import Answer, Handler, Operation
from serve.origins import Origins
from serve.wire.decimals import encode
from serve.wire.identity_body import TokensBody, tokens_body
from serve.wire.oauth_body import IntrospectionBody, OAuthErrorBody, TokenForm, TokenQueryForm
from tradeplane.auth.answers import Tokens
from tradeplane.auth.principal import Origin, Principal
from tradeplane.auth.service import IdentityService
from tradeplane.auth.tokens import Claims
from tradeplane.auth.wanted import CodeRedemption
from tradeplane.errors import (
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    RequestRefused,
)

_TAG = "oauth"
_FORM = "application/x-www-form-urlencoded"
_NO_CACHE: tuple[Header, ...] = ((b"pragma", b"no-cache"),)
_INACTIVE = Reply(200, encode(IntrospectionBody(active=False)), headers=_NO_CACHE)
_Grant = Callable[[CallingClient, dict[str, str], Origin], Awaitable[Tokens]]
_Form = dict[str, str]


class OAuthTokenRoutes:
    """The operations of OAuth that need no browser.

    Args:
        identity: gives, ends and knows tokens.
    """

    def __init__(self, identity: IdentityService) -> None:
        self._identity = identity
        self._origins = Origins(identity)
        self._grants: dict[str, _Grant] = {
            "authorization_code": self._redeem,
            "refresh_token": self._refresh,
            "client_credentials": self._client_credentials,
        }

    async def token(self, exchange: Exchange) -> Reply:
        """Give tokens for a grant."""
        form = await form_body(exchange)
        grant_type = _field(form, "grant_type")
        grant = self._grants.get(grant_type)
        if grant is None:
            supported = ", ".join(self._grants)
            raise oauth_refusal("unsupported_grant_type", f"grant_type must be one of {supported}")
        caller = calling_client(exchange, form, self._identity)
        if grant_type not in caller.client.grant_types:
            raise NotAllowed(f"this client may not use {grant_type}")
        tokens = await grant(caller, form, self._origins.of(exchange))
        if "refresh_token" not in caller.client.grant_types:
            tokens = msgspec.structs.replace(tokens, refresh_token="")
        return Reply(200, encode(tokens_body(tokens)), headers=_NO_CACHE)

    async def _redeem(self, caller: CallingClient, form: _Form, origin: Origin) -> Tokens:
        redemption = CodeRedemption(
            caller.client.client_id,
            caller.secret,
            _field(form, "code"),
            _field(form, "redirect_uri"),
            _field(form, "code_verifier"),
        )
        return await self._identity.redeem_code(redemption, origin)

    async def _refresh(self, caller: CallingClient, form: _Form, origin: Origin) -> Tokens:
        token = _field(form, "refresh_token")
        try:
            return await self._identity.refresh(token, caller.client.client_id, origin)
        except NotAuthenticated:
            raise oauth_refusal("invalid_grant", "the refresh token is not valid") from None

    async def _client_credentials(
        self, caller: CallingClient, form: _Form, origin: Origin
    ) -> Tokens:
        if caller.secret is None:
            raise NotAllowed("client_credentials needs a client with a secret")
        try:
            return await self._identity.client_credentials(
                caller.client.client_id, caller.secret, form.get("scope", ""), origin
            )
        except InvalidRequest as error:
            raise oauth_refusal("invalid_scope", error.message) from error

    async def revoke(self, exchange: Exchange) -> Reply:
        """End a token of the client's own; one that is none is ended already (RFC 7009)."""
        form = await form_body(exchange)
        token = _field(form, "token")
        caller = calling_client(exchange, form, self._identity)
        client_id = caller.client.client_id
        await self._identity.revoke_token(client_id, token, self._origins.of(exchange))
        return Reply(200, headers=_NO_CACHE)

    async def introspect(self, exchange: Exchange) -> Reply:
        """Say whether an access token of the client's own firm is good now (RFC 7662)."""
        form = await form_body(exchange)
        token = _field(form, "token")
        caller = calling_client(exchange, form, self._identity)
        if not caller.client.confidential:
            raise NotAuthenticated("only a client with a secret may look at tokens")
        try:
            principal = self._identity.authenticate_token(token)
        except (NotAuthenticated, NotFound):
            return _INACTIVE
        if principal.tenant_id != caller.client.tenant_id:
            return _INACTIVE
        return Reply(200, encode(_introspection(token, principal)), headers=_NO_CACHE)

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        return (
            self._row(
                "/oauth/token",
                self.token,
                "oauthToken",
                "Give tokens for a grant",
                Answer(200, "The tokens.", TokensBody),
                TokenForm,
            ),
            self._row(
                "/oauth/revoke",
                self.revoke,
                "oauthRevoke",
                "Revoke a token",
                Answer(200, "It is good for nothing."),
                TokenQueryForm,
            ),
            self._row(
                "/oauth/introspect",
                self.introspect,
                "oauthIntrospect",
                "Look at an access token",
                Answer(200, "What is known of it.", IntrospectionBody),
                TokenQueryForm,
            ),
        )

    def _row(  # noqa: PLR0913, PLR0917  # the columns of a row
        self,
        path: str,
        handler: Handler,
        operation_id: str,
        summary: str,
        answer: Answer,
        form: type,
    ) -> Operation:
        return Operation(
            "POST",
            path,
            _in_oauth_words(handler),
            operation_id,
            summary,
            _TAG,
            (answer,),
            errors=(400, 401, 413),
            body=form,
            body_media_type=_FORM,
            error_body=OAuthErrorBody,
            public=True,
        )


def _in_oauth_words(handler: Handler) -> Handler:
    async def answered(exchange: Exchange) -> Reply:
        try:
            return await handler(exchange)
        except RequestRefused as error:
            return oauth_error_reply(error)

    return answered


def _field(form: _Form, name: str) -> str:
    value = form.get(name)
    if value is None:
        raise oauth_refusal("invalid_request", f"{name} is required")
    return value


def _introspection(token: str, principal: Principal) -> IntrospectionBody:
    """Return what *token* says, which has been checked a moment ago."""
    claims = _claims(token)
    return IntrospectionBody(
        active=True,
        scope=claims.scope,
        client_id=claims.client_id,
        sub=principal.subject_id,
        token_type="Bearer",  # noqa: S106  # the name of the scheme
        iss=claims.iss,
        aud=claims.aud,
        exp=claims.exp,
        iat=claims.iat,
        nbf=claims.nbf,
        jti=claims.jti,
    )


def _claims(token: str) -> Claims:
    try:
        body = token.split(".")[1]
        raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
        return msgspec.json.decode(raw, type=Claims)
    except (IndexError, binascii.Error, msgspec.DecodeError) as error:
        raise AssertionError("a checked token is well formed") from error
