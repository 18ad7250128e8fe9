"""``/auth/password``, ``/auth/mfa``, ``/auth/keys``: one's own password, second factor and keys."""

from __future__ import annotations

from serve.exchange import Exchange, Reply
from serve.json_body import json_body
from serve.key_maker import KeyMaker
from serve.operation import Answer, Operation, text_parameter
from serve.origins import Origins
from serve.page import PAGE_PARAMETERS, page
from serve.query import Query, uuid_of
from serve.request_key import KEY_PARAMETER
from serve.routes.logins import person_of
from serve.wire.decimals import encode
from serve.wire.identity_body import (
    EnrollmentBody,
    KeyPage,
    NewKeyBody,
    RecoveryBody,
    key_body,
)
from serve.wire.identity_request import (
    KeyRequest,
    MfaConfirmRequest,
    MfaEndRequest,
    MfaRequest,
    PasswordRequest,
)
from tradeplane.auth.answers import KeyFound
from tradeplane.auth.principal import Principal
from tradeplane.auth.service import IdentityService
from tradeplane.errors import NotAllowed, NotFound

_TAG = "identity"
_SELF = "self:manage"
_OWN_REASON = "by the owner"


def _without_limit(exchange: Exchange) -> Principal:
    """Return the person of a session that may do all that the person may.

    A session within scopes must not make a key without them.
    """
    principal = person_of(exchange)
    if principal.scopes:
        raise NotAllowed("only a full session of the user's own may make or end keys")
    return principal


class OwnCredentialRoutes:
    """The operations on one's own credentials.

    Args:
        identity: does them.
        keys: makes keys.
    """

    def __init__(self, identity: IdentityService, keys: KeyMaker) -> None:
        self._identity = identity
        self._keys = keys
        self._origins = Origins(identity)

    async def change_password(self, exchange: Exchange) -> Reply:
        """Change one's own password; the other sessions end."""
        principal = person_of(exchange)
        request = await json_body(exchange, PasswordRequest)
        await self._identity.change_password(
            principal, request.old_password, request.new_password, self._origins.of(exchange)
        )
        return Reply(204)

    async def enable_mfa(self, exchange: Exchange) -> Reply:
        """Begin to enrol a second factor."""
        principal = person_of(exchange)
        request = await json_body(exchange, MfaRequest)
        begun = await self._identity.enable_mfa(
            principal, request.password, self._origins.of(exchange)
        )
        return Reply(200, encode(EnrollmentBody(begun.secret_base32, begun.otpauth_uri)))

    async def confirm_mfa(self, exchange: Exchange) -> Reply:
        """Put the enrolled factor in force."""
        principal = person_of(exchange)
        request = await json_body(exchange, MfaConfirmRequest)
        codes = await self._identity.confirm_mfa(
            principal, request.code, self._origins.of(exchange)
        )
        return Reply(200, encode(RecoveryBody(tuple(codes))))

    async def disable_mfa(self, exchange: Exchange) -> Reply:
        """Take one's own second factor away."""
        principal = person_of(exchange)
        request = await json_body(exchange, MfaEndRequest)
        await self._identity.disable_mfa(
            principal, request.password, request.code, self._origins.of(exchange)
        )
        return Reply(204)

    async def list_keys(self, exchange: Exchange) -> Reply:
        """List the keys of one's own accounts."""
        own = await self._own_keys(person_of(exchange))
        found, following = page(Query(exchange.query), own, lambda key: key.key_id)
        return Reply(200, encode(KeyPage([key_body(key) for key in found], following)))

    async def create_key(self, exchange: Exchange) -> Reply:
        """Make a key for one of one's own accounts."""
        principal = _without_limit(exchange)
        request = await json_body(exchange, KeyRequest)
        account_id = uuid_of("account_id", request.account_id)
        user = await self._identity.me(principal)
        if account_id not in user.accounts:
            raise NotFound(f"account not found for {account_id}")
        origin = self._origins.of(exchange, _OWN_REASON)
        return await self._keys.make(exchange, principal.tenant_id, request, origin)

    async def revoke_key(self, exchange: Exchange) -> Reply:
        """End a key of one of one's own accounts."""
        principal = _without_limit(exchange)
        key_id = exchange.params["key_id"]
        if all(key.key_id != key_id for key in await self._own_keys(principal)):
            raise NotFound(f"key not found for {key_id[:80]}")
        origin = self._origins.of(exchange, _OWN_REASON)
        await self._identity.revoke_key(principal.tenant_id, key_id, origin)
        return Reply(204)

    async def _own_keys(self, principal: Principal) -> list[KeyFound]:
        keys = await self._identity.keys(principal.tenant_id)
        return [key for key in keys if key.user_id == principal.user_id]

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        return (*self._secrets(), *self._own_key_rows())

    def _secrets(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "POST",
                "/auth/password",
                self.change_password,
                "changePassword",
                "Change your own password; your other sessions end",
                _TAG,
                (Answer(204, "It is changed."),),
                errors=(400, 413, 422),
                body=PasswordRequest,
                action=_SELF,
            ),
            Operation(
                "POST",
                "/auth/mfa",
                self.enable_mfa,
                "enableMfa",
                "Begin to enrol a second factor (TOTP)",
                _TAG,
                (Answer(200, "The secret, the only time.", EnrollmentBody),),
                errors=(400, 413, 422),
                body=MfaRequest,
                action=_SELF,
            ),
            Operation(
                "POST",
                "/auth/mfa/confirm",
                self.confirm_mfa,
                "confirmMfa",
                "Put the second factor in force with its first code",
                _TAG,
                (Answer(200, "The recovery codes, the only time.", RecoveryBody),),
                errors=(400, 404, 413, 422),
                body=MfaConfirmRequest,
                action=_SELF,
            ),
            Operation(
                "DELETE",
                "/auth/mfa",
                self.disable_mfa,
                "disableMfa",
                "Take your second factor away",
                _TAG,
                (Answer(204, "It is gone."),),
                errors=(400, 404, 413, 422),
                body=MfaEndRequest,
                action=_SELF,
            ),
        )

    def _own_key_rows(self) -> tuple[Operation, ...]:
        key_id = text_parameter("key_id", "The key's id.", place="path")
        return (
            Operation(
                "GET",
                "/auth/keys",
                self.list_keys,
                "listOwnKeys",
                "List the API keys of your accounts",
                _TAG,
                (Answer(200, "The keys.", KeyPage),),
                errors=(422,),
                parameters=PAGE_PARAMETERS,
                action=_SELF,
            ),
            Operation(
                "POST",
                "/auth/keys",
                self.create_key,
                "createOwnKey",
                "Make an API key for one of your accounts",
                _TAG,
                (
                    Answer(200, "The key of the first request, without its secret.", NewKeyBody),
                    Answer(201, "The key, with its secret, the only time.", NewKeyBody),
                ),
                errors=(400, 404, 413, 422),
                parameters=(KEY_PARAMETER,),
                body=KeyRequest,
                action=_SELF,
            ),
            Operation(
                "DELETE",
                "/auth/keys/{key_id}",
                self.revoke_key,
                "revokeOwnKey",
                "End an API key of one of your accounts",
                _TAG,
                (Answer(204, "It has ended."),),
                errors=(404,),
                parameters=(key_id,),
                action=_SELF,
            ),
        )
