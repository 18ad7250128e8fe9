"""``/admin``: firms, policies and signing keys of the installation."""

from __future__ import annotations

from serve.exchange import Exchange, Reply
from serve.json_body import json_body
from serve.operation import Answer, Operation
from serve.origins import REASON_PARAMETER, Origins
from serve.page import PAGE_PARAMETERS, page
from serve.query import Query
from serve.request_key import KEY_PARAMETER, REPLAYED, RequestKey
from serve.submissions import Submissions
from serve.wire.decimals import encode
from serve.wire.identity_body import (
    PoliciesBody,
    RotatedBody,
    SigningKeyBody,
    TenantBody,
    TenantPage,
    signing_key_body,
    tenant_body,
)
from serve.wire.identity_request import PoliciesRequest, TenantRequest
from tradeplane.auth.answers import PoliciesFound
from tradeplane.auth.service import IdentityService

_TAG = "administration"
_MANAGE = "platform:manage"


class AdminPlatformRoutes:
    """The operations on the whole installation.

    Args:
        identity: does them.
        submissions: the writes under way.
    """

    def __init__(self, identity: IdentityService, submissions: Submissions) -> None:
        self._identity = identity
        self._submissions = submissions
        self._origins = Origins(identity)

    async def tenants(self, exchange: Exchange) -> Reply:
        """List firms by their ids."""
        tenants = await self._identity.tenants()
        found, following = page(Query(exchange.query), tenants, lambda each: each.tenant_id)
        return Reply(200, encode(TenantPage([tenant_body(each) for each in found], following)))

    async def create_tenant(self, exchange: Exchange) -> Reply:
        """Make a firm."""
        origin = self._origins.with_reason(exchange)
        request = await json_body(exchange, TenantRequest)
        request_key = RequestKey(exchange, "tenant")
        before = {tenant.tenant_id for tenant in await self._identity.tenants()}
        made = await self._submissions.submit(
            exchange,
            self._identity.create_tenant(
                request.tenant_id, request.name, origin, request_key.uuid()
            ),
            {"tenant_id": request.tenant_id},
        )
        body = encode(tenant_body(made))
        if made.tenant_id in before:
            return Reply(200, body, headers=REPLAYED)
        return Reply(201, body)

    async def policies(self, exchange: Exchange) -> Reply:
        """Return the policies in force."""
        del exchange
        return Reply(200, encode(_policies(self._identity.policies())))

    async def replace_policies(self, exchange: Exchange) -> Reply:
        """Put other policies in force."""
        origin = self._origins.with_reason(exchange)
        request = await json_body(exchange, PoliciesRequest)
        found = await self._submissions.submit(
            exchange,
            self._identity.replace_policies(request.documents, request.version, origin),
            {"version": str(request.version + 1)},
        )
        return Reply(200, encode(_policies(found)))

    async def signing_keys(self, exchange: Exchange) -> Reply:
        """List the signing keys."""
        del exchange
        keys = await self._identity.signing_keys()
        return Reply(200, encode([signing_key_body(key) for key in keys]))

    async def rotate_signing_key(self, exchange: Exchange) -> Reply:
        """Publish a new signing key."""
        origin = self._origins.with_reason(exchange)
        request_key = RequestKey(exchange, "signing key")
        before = {key.kid for key in await self._identity.signing_keys()}
        kid = await self._submissions.submit(
            exchange,
            self._identity.rotate_signing_key(origin, request_key.uuid()),
            {"state": "published"},
        )
        body = encode(RotatedBody(kid))
        return Reply(200, body, headers=REPLAYED) if kid in before else Reply(201, body)

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        return (*self._tenant_rows(), *self._policy_rows(), *self._signing_rows())

    def _tenant_rows(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "GET",
                "/admin/tenants",
                self.tenants,
                "listTenants",
                "List firms",
                _TAG,
                (Answer(200, "The firms.", TenantPage),),
                errors=(422,),
                parameters=PAGE_PARAMETERS,
                action=_MANAGE,
            ),
            Operation(
                "POST",
                "/admin/tenants",
                self.create_tenant,
                "createTenant",
                "Make a firm",
                _TAG,
                (
                    Answer(200, "The firm of the first request.", TenantBody),
                    Answer(201, "The firm.", TenantBody),
                ),
                errors=(400, 413, 422),
                parameters=(REASON_PARAMETER, KEY_PARAMETER),
                body=TenantRequest,
                action=_MANAGE,
            ),
        )

    def _policy_rows(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "GET",
                "/admin/policies",
                self.policies,
                "getPolicies",
                "Get the authorization policies in force",
                _TAG,
                (Answer(200, "The policies.", PoliciesBody),),
                action=_MANAGE,
            ),
            Operation(
                "PUT",
                "/admin/policies",
                self.replace_policies,
                "replacePolicies",
                "Put other authorization policies in force, on every replica",
                _TAG,
                (Answer(200, "The policies.", PoliciesBody),),
                errors=(400, 413, 422),
                parameters=(REASON_PARAMETER,),
                body=PoliciesRequest,
                action=_MANAGE,
            ),
        )

    def _signing_rows(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "GET",
                "/admin/signing-keys",
                self.signing_keys,
                "listSigningKeys",
                "List the keys that sign access tokens",
                _TAG,
                (Answer(200, "The keys.", list[SigningKeyBody]),),
                action=_MANAGE,
            ),
            Operation(
                "POST",
                "/admin/signing-keys",
                self.rotate_signing_key,
                "rotateSigningKey",
                "Publish a new signing key; it signs once every replica knows it",
                _TAG,
                (
                    Answer(200, "The key of the first request.", RotatedBody),
                    Answer(201, "The key.", RotatedBody),
                ),
                errors=(422,),
                parameters=(REASON_PARAMETER, KEY_PARAMETER),
                action=_MANAGE,
            ),
        )


def _policies(found: PoliciesFound) -> PoliciesBody:
    return PoliciesBody(found.version, dict(found.documents))
