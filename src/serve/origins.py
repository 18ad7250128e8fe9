"""Where a command came from, as the journal and the audit log keep it."""

from __future__ import annotations

from serve.exchange import Exchange
from serve.operation import Parameter
from tradeplane.auth.decision import REASON_MAX
from tradeplane.auth.principal import HOME_TENANT, Origin
from tradeplane.auth.service import IdentityService
from tradeplane.errors import InvalidRequest

REASON_HEADER = "X-Tradeplane-Reason"
REASON_PARAMETER = Parameter(
    REASON_HEADER,
    {"type": "string", "minLength": 1, "maxLength": REASON_MAX},
    "Why; kept in the audit log.",
    "header",
    required=True,
)


class Origins:
    """Makes the origin of what a request asks for.

    Args:
        identity: makes the pseudonym of an address.
    """

    def __init__(self, identity: IdentityService) -> None:
        self._identity = identity

    def of(self, exchange: Exchange, reason: str = "") -> Origin:
        """Return the origin of *exchange*; of a public operation it names nobody."""
        request_id = exchange.request_id.decode()
        address = self._identity.pseudonym(exchange.address) if exchange.address else ""
        principal = exchange.principal
        if principal is None:
            return Origin("user", "", HOME_TENANT, request_id, address, reason)
        subject_id = principal.subject_id or principal.key_id
        return Origin(principal.kind, subject_id, principal.tenant_id, request_id, address, reason)

    def with_reason(self, exchange: Exchange) -> Origin:
        """Return the origin of an administrator's command.

        Raises:
            InvalidRequest: ``X-Tradeplane-Reason`` is missing, too long, or not printable UTF-8.
        """
        said = exchange.headers.get(b"x-tradeplane-reason", b"")
        try:
            reason = said.decode("utf-8").strip()
        except UnicodeDecodeError:
            reason = ""
        if not 1 <= len(reason) <= REASON_MAX or not reason.isprintable():
            raise InvalidRequest(
                f"{REASON_HEADER} must give a reason of 1 to {REASON_MAX} printable characters"
            )
        return self.of(exchange, reason)
