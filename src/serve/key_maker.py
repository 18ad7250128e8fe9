"""Makes API keys for whoever may: their owner, or an administrator."""

from __future__ import annotations

import os
from collections.abc import Callable

from serve.exchange import Exchange, Reply
from serve.query import uuid_of
from serve.request_key import REPLAYED, RequestKey, require_same
from serve.submissions import Submissions
from serve.wire.decimals import encode
from serve.wire.identity_body import NewKeyBody, key_body
from serve.wire.identity_request import KeyRequest
from serve.wire.timestamps import parse_instant
from tradeplane.auth.answers import KeyFound
from tradeplane.auth.api_key import RANDOM_BYTES, ApiKey, api_key_from
from tradeplane.auth.principal import Origin
from tradeplane.auth.service import IdentityService
from tradeplane.auth.wanted import KeyWanted
from tradeplane.errors import InvalidRequest

_ID_BYTES = 12
"""How many of a key's random bytes make its id; the others make its secret."""


class KeyMaker:
    """Makes keys.

    Args:
        identity: keeps them.
        submissions: the writes under way.
        random: makes random bytes.
    """

    def __init__(
        self,
        identity: IdentityService,
        submissions: Submissions,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._identity = identity
        self._submissions = submissions
        self._random = random

    async def make(
        self, exchange: Exchange, tenant_id: str, request: KeyRequest, origin: Origin
    ) -> Reply:
        """Make the key that *request* describes, or find the one that it has made before.

        Raises:
            InvalidRequest: a field is malformed, or the ``Idempotency-Key`` made another key.
            NotFound, NotAllowed, LimitReached: as ``IdentityService.create_key``.
        """
        expires_ns = parse_instant("expires_at", request.expires_at) if request.expires_at else 0
        wanted = KeyWanted(
            uuid_of("account_id", request.account_id),
            request.role or "",
            tuple(request.scopes),
            expires_ns,
        )
        request_key = RequestKey(exchange, f"key {tenant_id}", self._random)
        key = self._key(request_key)
        found = await self._made(tenant_id, key.key_id) if request_key.given else None
        if found is not None:
            return _made_before(found, wanted)
        try:
            made = await self._submissions.submit(
                exchange,
                self._identity.create_key_named(key, tenant_id, wanted, origin),
                {"key_id": key.key_id},
            )
        except InvalidRequest:
            # The same request may have come twice at once; then the other one has made it.
            found = await self._made(tenant_id, key.key_id) if request_key.given else None
            if found is None:
                raise
            return _made_before(found, wanted)
        return Reply(201, encode(NewKeyBody(key_body(made.key), made.secret_key)))

    def _key(self, request_key: RequestKey) -> ApiKey:
        secret = self._random(RANDOM_BYTES - _ID_BYTES)
        return api_key_from(request_key.id_bytes(_ID_BYTES) + secret)

    async def _made(self, tenant_id: str, key_id: str) -> KeyFound | None:
        for key in await self._identity.keys(tenant_id):
            if key.key_id == key_id:
                return key
        return None


def _made_before(found: KeyFound, wanted: KeyWanted) -> Reply:
    require_same("key", same=_same(found, wanted))
    return Reply(200, encode(NewKeyBody(key_body(found), None)), headers=REPLAYED)


def _same(found: KeyFound, wanted: KeyWanted) -> bool:
    return (
        found.account_id == wanted.account_id
        and wanted.role in {"", found.role}
        and set(found.scopes) == set(wanted.scopes)
        and found.expires_ns == wanted.expires_ns
    )
