"""``/admin/clients``: a firm's OAuth clients."""

from __future__ import annotations

from serve.exchange import Exchange, Reply
from serve.json_body import json_body
from serve.operation import Answer, Operation, text_parameter
from serve.origins import REASON_PARAMETER, Origins
from serve.page import PAGE_PARAMETERS, page
from serve.query import Query, uuid_of
from serve.request_key import KEY_PARAMETER, REPLAYED, RequestKey, require_same
from serve.submissions import Submissions
from serve.tenancy import TENANT_PARAMETER, tenant_of
from serve.wire.decimals import encode
from serve.wire.identity_body import ClientPage, NewClientBody, client_body
from serve.wire.identity_request import ClientRequest
from tradeplane.auth.answers import ClientFound
from tradeplane.auth.service import IdentityService
from tradeplane.auth.wanted import ClientWanted
from tradeplane.errors import InvalidRequest

_TAG = "administration"
_MANAGE = "tenant:manage"


class AdminClientRoutes:
    """The operations on a firm's OAuth clients.

    Args:
        identity: does them.
        submissions: the writes under way.
    """

    def __init__(self, identity: IdentityService, submissions: Submissions) -> None:
        self._identity = identity
        self._submissions = submissions
        self._origins = Origins(identity)

    async def clients(self, exchange: Exchange) -> Reply:
        """List OAuth clients by their ids."""
        clients = await self._identity.clients(await tenant_of(exchange, self._identity))
        found, following = page(Query(exchange.query), clients, lambda each: each.client_id)
        return Reply(200, encode(ClientPage([client_body(each) for each in found], following)))

    async def create_client(self, exchange: Exchange) -> Reply:
        """Make an OAuth client."""
        tenant_id = await tenant_of(exchange, self._identity)
        origin = self._origins.with_reason(exchange)
        request = await json_body(exchange, ClientRequest)
        wanted = ClientWanted(
            name=request.name,
            redirect_uris=request.redirect_uris,
            grant_types=request.grant_types,
            scopes=request.scopes,
            confidential=request.confidential,
            role=request.role,
            account_id=uuid_of("account_id", request.account_id) if request.account_id else "",
        )
        request_key = RequestKey(exchange, f"client {tenant_id}")
        client_id = f"tpc_{request_key.id_bytes(12).hex()}"
        known = self._identity.client(client_id) if request_key.given else None
        if known is not None:
            return _made_before(known, wanted)
        try:
            made = await self._submissions.submit(
                exchange,
                self._identity.create_client_named(client_id, tenant_id, wanted, origin),
                {"client_id": client_id},
            )
        except InvalidRequest:
            # The same request may have come twice at once; then the other one has made it.
            known = self._identity.client(client_id) if request_key.given else None
            if known is None:
                raise
            return _made_before(known, wanted)
        body = NewClientBody(client_body(made.client), made.client_secret or None)
        return Reply(201, encode(body))

    async def delete_client(self, exchange: Exchange) -> Reply:
        """End an OAuth client with all that it holds."""
        tenant_id = await tenant_of(exchange, self._identity)
        origin = self._origins.with_reason(exchange)
        client_id = exchange.params["client_id"]
        await self._submissions.submit(
            exchange,
            self._identity.delete_client(tenant_id, client_id, origin),
            {"client_id": client_id[:80]},
        )
        return Reply(204)

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        client_id = text_parameter("client_id", "The client's id.", place="path")
        return (
            Operation(
                "GET",
                "/admin/clients",
                self.clients,
                "listClients",
                "List OAuth clients",
                _TAG,
                (Answer(200, "The clients.", ClientPage),),
                errors=(404, 422),
                parameters=(*PAGE_PARAMETERS, TENANT_PARAMETER),
                action=_MANAGE,
            ),
            Operation(
                "POST",
                "/admin/clients",
                self.create_client,
                "createClient",
                "Make an OAuth client",
                _TAG,
                (
                    Answer(200, "The client of the first request.", NewClientBody),
                    Answer(201, "The client, and its secret, the only time.", NewClientBody),
                ),
                errors=(400, 404, 413, 422),
                parameters=(TENANT_PARAMETER, REASON_PARAMETER, KEY_PARAMETER),
                body=ClientRequest,
                action=_MANAGE,
            ),
            Operation(
                "DELETE",
                "/admin/clients/{client_id}",
                self.delete_client,
                "deleteClient",
                "End an OAuth client with all of its sessions and tokens",
                _TAG,
                (Answer(204, "It has ended."),),
                errors=(404, 422),
                parameters=(client_id, TENANT_PARAMETER, REASON_PARAMETER),
                action=_MANAGE,
            ),
        )


def _made_before(known: ClientFound, wanted: ClientWanted) -> Reply:
    require_same("client", same=_same(known, wanted))
    return Reply(200, encode(NewClientBody(client_body(known), None)), headers=REPLAYED)


def _same(known: ClientFound, wanted: ClientWanted) -> bool:
    return (
        known.name == wanted.name
        and known.redirect_uris == wanted.redirect_uris
        and known.grant_types == wanted.grant_types
        and set(known.scopes) == set(wanted.scopes)
        and known.confidential == wanted.confidential
        and (known.role, known.account_id) == (wanted.role, wanted.account_id)
    )
