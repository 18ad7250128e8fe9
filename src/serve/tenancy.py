"""Which firm an administrator means."""

from __future__ import annotations

from serve.exchange import Exchange
from serve.operation import text_parameter
from serve.query import Query
from tradeplane.auth.service import IdentityService
from tradeplane.errors import NotAllowed, NotFound

TENANT_PARAMETER = text_parameter(
    "tenant_id", "The firm; by default your own. Another one needs platform:manage."
)
_ID_MAX = 40


async def tenant_of(exchange: Exchange, identity: IdentityService) -> str:
    """Return the firm that the request is about.

    Raises:
        NotFound: it is not the caller's, and it does not exist or the caller does not manage the
            platform. So nobody finds out which firms there are.
    """
    principal = exchange.principal
    assert principal is not None, "only operations that need a credential ask for the firm"
    wanted = Query(exchange.query).text("tenant_id") or principal.tenant_id
    if wanted == principal.tenant_id:
        return wanted
    try:
        identity.authorize(principal, "platform:manage")
    except NotAllowed:
        raise _unknown(wanted) from None
    if all(tenant.tenant_id != wanted for tenant in await identity.tenants()):
        raise _unknown(wanted)
    return wanted


def _unknown(tenant_id: str) -> NotFound:
    return NotFound(f"tenant not found for {tenant_id[:_ID_MAX]}")
