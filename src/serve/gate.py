"""Between the route and its handler: who asks, how often, and whether it may."""

from __future__ import annotations

from collections.abc import Callable

from policies.rate_limits import RateLimiter
from serve.budgets import Budgets
from serve.client_address import ClientAddresses, budget_name
from serve.credentials import authenticate
from serve.exchange import Exchange
from serve.operation import Budget, Operation
from tradeplane.audit.entry import AuditEntry
from tradeplane.auth.authorizer import Authorizer
from tradeplane.auth.principal import HOME_TENANT, Origin
from tradeplane.auth.service import IdentityService
from tradeplane.clock import Clock
from tradeplane.errors import InvalidRequest, NotAllowed, NotAuthenticated, NotFound, RateLimited
from tradeplane.ports import AuditSink, Keys


class Gate:
    """Lets a request through to its handler, or refuses it. Makes no call.

    The order is: who, how often, whether. So a budget is counted to whom it belongs, and a refusal
    by policy costs the caller's own budget.

    Args:
        keys: knows who holds which credential.
        authorizer: the policies in force.
        budgets: how often who may ask.
        addresses: find out where a request comes from.
        clock: wall time.
        identity: knows who holds which token; without it only keys are good.
        audit_sink: is told about refused credentials and denied actions.
        pseudonym: returns what stands for a client's address in records.
    """

    def __init__(  # noqa: PLR0913  # its parts, given once
        self,
        keys: Keys,
        authorizer: Authorizer,
        budgets: Budgets,
        addresses: ClientAddresses,
        clock: Clock,
        *,
        identity: IdentityService | None = None,
        audit_sink: AuditSink | None = None,
        pseudonym: Callable[[str], str] = lambda _: "",
    ) -> None:
        self._keys = keys
        self._identity = identity
        self._authorizer = authorizer
        self._budgets = budgets
        self._addresses = addresses
        self._clock = clock
        self._audit_sink = audit_sink
        self._pseudonym = pseudonym

    def admit(self, exchange: Exchange, operation: Operation) -> None:
        """Find out who asks, and let the request through or raise.

        Raises:
            NotAuthenticated: no credentials, or wrong ones.
            RateLimited: over the budget of the key, or, without a good one, of the address;
                *exchange* has the decision.
            NotAllowed: the policies or the credential's scopes do not permit it.
            ComponentUnavailable: what is needed to decide has not arrived: closed, not open.
        """
        exchange.address = self._addresses.of(exchange.scope)
        try:
            principal = authenticate(exchange.headers, self._keys, self._identity, operation.path)
        except NotAuthenticated:
            # First the budget: what is beyond it is not even recorded, or the record would drown.
            self._count(exchange, self._budgets.addresses)
            self._record(exchange, operation, "access.refused")
            raise
        except (InvalidRequest, NotFound):
            # Good credentials for an account that is not in their reach: a guess has its price.
            self._count(exchange, self._budgets.addresses)
            raise
        exchange.principal = principal
        limiter = self._budgets.keys
        if limiter is not None:
            exchange.rate = limiter.check(principal.key_id, self._clock.wall_ns())
            if not exchange.rate.allowed:
                raise RateLimited("rate limit exceeded")
        try:
            self._authorizer.authorize(principal, operation.action)
        except NotAllowed:
            self._record(exchange, operation, "access.denied")
            raise

    def admit_unknown(self, exchange: Exchange, budget: Budget = "address") -> None:
        """Let a request through that shows no credentials, or raise.

        Raises:
            RateLimited: over the budget of the address; *exchange* has the decision.
        """
        exchange.address = self._addresses.of(exchange.scope)
        if budget == "none":
            return
        self._count(exchange, self._budgets.addresses)
        if budget == "login":
            self._count(exchange, self._budgets.logins)

    def _count(self, exchange: Exchange, limiter: RateLimiter | None) -> None:
        if limiter is None:
            return
        exchange.address = self._addresses.of(exchange.scope)
        decision = limiter.check(budget_name(exchange.address), self._clock.wall_ns())
        if not decision.allowed:
            exchange.rate = decision
            raise RateLimited("rate limit of this address exceeded")

    def _record(self, exchange: Exchange, operation: Operation, action: str) -> None:
        if self._audit_sink is None:
            return
        principal = exchange.principal
        request_id = exchange.request_id.decode()
        exchange.address = self._addresses.of(exchange.scope)
        address = self._pseudonym(exchange.address) if exchange.address else ""
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
