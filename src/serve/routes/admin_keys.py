"""``/admin/keys``: a firm's API keys."""

from __future__ import annotations

from serve.exchange import Exchange, Reply
from serve.json_body import json_body
from serve.key_maker import KeyMaker
from serve.operation import Answer, Operation, text_parameter
from serve.origins import REASON_PARAMETER, Origins
from serve.page import PAGE_PARAMETERS, page
from serve.query import Query, uuid_of
from serve.request_key import KEY_PARAMETER
from serve.submissions import Submissions
from serve.tenancy import TENANT_PARAMETER, tenant_of
from serve.wire.decimals import encode
from serve.wire.identity_body import KeyPage, NewKeyBody, key_body
from serve.wire.identity_request import KeyRequest
from tradeplane.auth.service import IdentityService

_TAG = "administration"
_MANAGE = "tenant:manage"


class AdminKeyRoutes:
    """The operations on a firm's API keys.

    Args:
        identity: does them.
        keys: makes API keys.
        submissions: the writes under way.
    """

    def __init__(self, identity: IdentityService, keys: KeyMaker, submissions: Submissions) -> None:
        self._identity = identity
        self._keys = keys
        self._submissions = submissions
        self._origins = Origins(identity)

    async def keys(self, exchange: Exchange) -> Reply:
        """List API keys by their ids."""
        query = Query(exchange.query)
        account = query.text("account_id")
        account_id = None if account is None else uuid_of("account_id", account)
        keys = await self._identity.keys(await tenant_of(exchange, self._identity), account_id)
        found, following = page(query, keys, lambda key: key.key_id)
        return Reply(200, encode(KeyPage([key_body(key) for key in found], following)))

    async def create_key(self, exchange: Exchange) -> Reply:
        """Make an API key for an account of the firm."""
        tenant_id = await tenant_of(exchange, self._identity)
        origin = self._origins.with_reason(exchange)
        request = await json_body(exchange, KeyRequest)
        return await self._keys.make(exchange, tenant_id, request, origin)

    async def revoke_key(self, exchange: Exchange) -> Reply:
        """End an API key of the firm."""
        tenant_id = await tenant_of(exchange, self._identity)
        origin = self._origins.with_reason(exchange)
        key_id = exchange.params["key_id"]
        await self._submissions.submit(
            exchange,
            self._identity.revoke_key(tenant_id, key_id, origin),
            {"key_id": key_id[:80]},
        )
        return Reply(204)

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        key_id = text_parameter("key_id", "The key's id.", place="path")
        account_id = text_parameter("account_id", "Only the keys of this account.")
        return (
            Operation(
                "GET",
                "/admin/keys",
                self.keys,
                "listKeys",
                "List API keys",
                _TAG,
                (Answer(200, "The keys.", KeyPage),),
                errors=(404, 422),
                parameters=(*PAGE_PARAMETERS, account_id, TENANT_PARAMETER),
                action=_MANAGE,
            ),
            Operation(
                "POST",
                "/admin/keys",
                self.create_key,
                "createKey",
                "Make an API key for an account",
                _TAG,
                (
                    Answer(200, "The key of the first request, without its secret.", NewKeyBody),
                    Answer(201, "The key, with its secret, the only time.", NewKeyBody),
                ),
                errors=(400, 404, 413, 422),
                parameters=(TENANT_PARAMETER, REASON_PARAMETER, KEY_PARAMETER),
                body=KeyRequest,
                action=_MANAGE,
            ),
            Operation(
                "DELETE",
                "/admin/keys/{key_id}",
                self.revoke_key,
                "revokeKey",
                "End an API key",
                _TAG,
                (Answer(204, "It has ended."),),
                errors=(404, 422),
                parameters=(key_id, TENANT_PARAMETER, REASON_PARAMETER),
                action=_MANAGE,
            ),
        )
