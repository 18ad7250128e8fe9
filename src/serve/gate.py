"""Between the route and its handler: who asks, how often, and whether it may."""

from __future__ import annotations

from collections.abc import Callable

from policies.rate_limits import RateLimiter
from serve.credentials import authenticate
from serve.exchange import Exchange
from serve.operation import Operation
from tradeplane.audit.entry import AuditEntry
from tradeplane.auth.authorizer import Authorizer
from tradeplane.auth.principal import HOME_TENANT, Origin
from tradeplane.clock import Clock
from tradeplane.errors import NotAllowed, NotAuthenticated, RateLimited
from tradeplane.ports import AuditSink, Keys


class Gate:
    """Lets a request through to its handler, or refuses it. Makes no call.

    The order is: who, how often, whether. So a budget is counted to whom it belongs, and a refusal
    by policy costs the caller's own budget.

    Args:
        keys: knows who holds which credential.
        authorizer: the policies in force.
        limiter: the budget of each key; None for no limit.
        clock: wall time.
        audit_sink: is told about refused credentials and denied actions.
        pseudonym: returns what stands for a client's address in records.
    """

    def __init__(  # noqa: PLR0913  # its parts, given once
        self,
        keys: Keys,
        authorizer: Authorizer,
        limiter: RateLimiter | None,
        clock: Clock,
        *,
        audit_sink: AuditSink | None = None,
        pseudonym: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._keys = keys
        self._authorizer = authorizer
        self._limiter = limiter
        self._clock = clock
        self._audit_sink = audit_sink
        self._pseudonym = pseudonym

    def admit(self, exchange: Exchange, operation: Operation) -> None:
        """Find out who asks, and let the request through or raise.

        Raises:
            NotAuthenticated: no credentials, or wrong ones.
            RateLimited: over the budget; *exchange* has the decision.
            NotAllowed: the policies or the credential's scopes do not permit it.
            ComponentUnavailable: what is needed to decide has not arrived: closed, not open.
        """
        try:
            principal = authenticate(exchange.headers, self._keys)
        except NotAuthenticated:
            self._record(exchange, operation, "access.refused")
            raise
        exchange.principal = principal
        if self._limiter is not None:
            exchange.rate = self._limiter.check(principal.key_id, self._clock.wall_ns())
            if not exchange.rate.allowed:
                raise RateLimited("rate limit exceeded")
        try:
            self._authorizer.authorize(principal, operation.action)
        except NotAllowed:
            self._record(exchange, operation, "access.denied")
            raise

    def _record(self, exchange: Exchange, operation: Operation, action: str) -> None:
        if self._audit_sink is None:
            return
        principal = exchange.principal
        request_id = exchange.request_id.decode()
        address = self._pseudonym(exchange.address)
        by = Origin("system", "", HOME_TENANT, request_id, address)
        if principal is not None:
            subject_id = principal.subject_id or principal.key_id
            by = Origin(principal.kind, subject_id, principal.tenant_id, request_id, address)
        self._audit_sink.observe(
            AuditEntry(
                action=action,
                outcome="failure",
                at_ns=self._clock.wall_ns(),
                by=by,
                tenant_id=by.tenant_id,
                target_kind="operation",
                target_id=operation.operation_id,
                details={"action": operation.action, "role": principal.role if principal else ""},
            )
        )
