"""The one error tree of Tradeplane.

TradeplaneError
├── RequestRefused               the caller is wrong; nothing was changed; a retry is refused again
│   ├── InvalidRequest           a field is missing, malformed or out of its range
│   │   ├── MalformedBody        the body is not JSON, or not an object
│   │   ├── BodyTooLarge         the body exceeds the limit
│   │   ├── RequestTooSlow       the body did not arrive in time
│   │   ├── InvalidOrder         an order that is well formed and breaks a rule of the venue
│   │   ├── InvalidGrant         an authorization code that is unknown, used, or another's
│   │   ├── InvalidPolicy        an authorization policy that cannot be put in force
│   │   └── ProofRefused         a proof, or a checkpoint, does not show what it should
│   ├── NotAuthenticated         no credentials, or wrong ones
│   │   └── MfaRequired          the password is right, a one-time code is missing
│   ├── TooManyAttempts          too many wrong passwords or codes; nothing was checked
│   ├── NotAllowed               known caller, forbidden action
│   │   ├── InsufficientBuyingPower
│   │   ├── InsufficientQuantity
│   │   ├── WashTrade            would trade against an open order of the same account
│   │   └── LimitReached         a per-account limit, such as open orders
│   ├── NotFound                 it does not exist, or it is not the caller's
│   ├── UnknownAsset             no such symbol
│   ├── MethodNotAllowed         the path exists, the method does not
│   ├── OrderNotCancelable       the order is already in a terminal state
│   ├── DuplicateClientOrderId   the account has used this client_order_id before
│   └── RateLimited              over the caller's request budget; nothing was done
└── ServiceFailed                the system is wrong; the caller may try again
    ├── Overloaded               a queue is full; nothing was done
    ├── ComponentUnavailable     the component is restarting or unreachable; nothing was done
    ├── OutcomeUnknown           the call may have run: ask by its idempotency key
    ├── JournalUnavailable       the database refused or is gone; nothing was done
    │   └── RootKeyUnavailable   the root key cannot be used now; nothing was done
    ├── SealBroken               sealed data was changed, or is not what it is taken for
    ├── Fenced                   a newer copy of this component has taken over
    ├── CorruptJournal           the journal contradicts itself; starting would be unsafe
    ├── ObjectStoreUnavailable   the object store refused or is gone; perhaps nothing was written
    ├── AuditLogDamaged          the audit log's objects contradict its journal; signing is unsafe
    └── Misconfigured            a setting is unknown, missing or contradicts another

Every class takes ``(message, details)`` and nothing else, so each one survives pickling and the
wire form of :func:`to_wire`.
"""

from __future__ import annotations

from typing import ClassVar, TypeAlias

Details: TypeAlias = dict[str, str | list[str]]


class TradeplaneError(Exception):
    """The root; never raised itself.

    Attributes:
        message: what was wrong and what would be right, for a person.
        details: named facts that belong in the answer, for a program.
        retryable: whether the very same call can succeed later.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, details: Details | None = None) -> None:
        super().__init__(message, details)
        self.message = message
        self.details: Details = details or {}

    def __str__(self) -> str:
        return self.message


class RequestRefused(TradeplaneError):
    """The caller is wrong; nothing was changed."""


class InvalidRequest(RequestRefused):
    """A field is missing, malformed or out of its range."""


class MalformedBody(InvalidRequest):
    """The body is not JSON, or not an object."""


class BodyTooLarge(InvalidRequest):
    """The body exceeds the limit."""


class RequestTooSlow(InvalidRequest):
    """The body did not arrive in time; nothing was done."""


class InvalidOrder(InvalidRequest):
    """The order is well formed and breaks a rule of the venue."""


class InvalidGrant(InvalidRequest):
    """The authorization code is unknown, used, expired, or another's; not said which."""


class InvalidPolicy(InvalidRequest):
    """An authorization policy cannot be put in force; details have ``file`` and ``line``."""


class ProofRefused(InvalidRequest):
    """A proof, or a checkpoint, does not show what it should."""


class NotAuthenticated(RequestRefused):
    """No credentials, or wrong ones."""


class MfaRequired(NotAuthenticated):
    """The password is right; a one-time or recovery code is missing."""


class TooManyAttempts(RequestRefused):
    """Too many wrong passwords or codes; nothing was checked. Details have ``retry_after_s``."""

    retryable = True


class NotAllowed(RequestRefused):
    """The caller is known and may not do this."""


class InsufficientBuyingPower(NotAllowed):
    """The order would reserve more than the account's buying power."""


class InsufficientQuantity(NotAllowed):
    """The order would sell more shares than are free."""


class WashTrade(NotAllowed):
    """The order could trade against an open order of the same account."""


class LimitReached(NotAllowed):
    """A limit of the account, such as its open orders, is reached."""


class NotFound(RequestRefused):
    """It does not exist, or it is not the caller's: the answer is the same."""


class UnknownAsset(RequestRefused):
    """No asset has this symbol or id."""


class MethodNotAllowed(RequestRefused):
    """The path exists, the method does not."""


class OrderNotCancelable(RequestRefused):
    """The order is in a terminal state."""


class DuplicateClientOrderId(RequestRefused):
    """The account has used this client_order_id before."""


class RateLimited(RequestRefused):
    """Over the caller's request budget; nothing was done."""

    retryable = True


class ServiceFailed(TradeplaneError):
    """The system is wrong, not the caller."""

    retryable = True


class Overloaded(ServiceFailed):
    """A queue or a wait reached its limit; nothing was done."""


class ComponentUnavailable(ServiceFailed):
    """The component is restarting or unreachable; nothing was done."""


class OutcomeUnknown(ServiceFailed):
    """The call may have run; its idempotency key tells."""


class JournalUnavailable(ServiceFailed):
    """The database refused or is gone; nothing was done."""


class RootKeyUnavailable(JournalUnavailable):
    """The root key cannot be used now, so nothing sealed can be read or written."""


class SealBroken(ServiceFailed):
    """Sealed data was changed, or belongs to another place or key; not said which."""

    retryable = False


class Fenced(ServiceFailed):
    """A newer copy of this component has taken over; this one must stop."""

    retryable = False


class CorruptJournal(ServiceFailed):
    """The journal contradicts itself; starting from it would be unsafe."""

    retryable = False


class ObjectStoreUnavailable(ServiceFailed):
    """The object store refused or is gone; perhaps nothing was written."""


class AuditLogDamaged(ServiceFailed):
    """The audit log's objects contradict each other or its journal; signing would be unsafe."""

    retryable = False


class Misconfigured(ServiceFailed):
    """A setting is unknown, missing, malformed, or contradicts another."""

    retryable = False


def _tree(root: type[TradeplaneError]) -> dict[str, type[TradeplaneError]]:
    classes = {root.__name__: root}
    for child in root.__subclasses__():
        classes |= _tree(child)
    return classes


CLASSES: dict[str, type[TradeplaneError]] = _tree(TradeplaneError)
"""Every class of the tree by its name."""


def to_wire(error: TradeplaneError) -> tuple[str, str, Details]:
    """Return *error* as ``(class name, message, details)``."""
    return type(error).__name__, error.message, error.details


def from_wire(wire: tuple[str, str, Details]) -> TradeplaneError:
    """Return the error that :func:`to_wire` turned into *wire*."""
    name, message, details = wire
    return CLASSES.get(name, ServiceFailed)(message, details)
