"""Failed attempts: how many in a row, and how long nothing is looked at after them."""

from __future__ import annotations

from tradeplane.auth.events import Event
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.principal import Origin
from tradeplane.auth.private_events import AttemptFailed
from tradeplane.auth.records import Attempts
from tradeplane.clock import NS_PER_S
from tradeplane.errors import TooManyAttempts

FOREVER_NS = 1 << 62


def refuse_when_waiting(attempts: Attempts, now_ns: int) -> None:
    """Refuse to look at a password or code during a wait.

    Raises:
        TooManyAttempts: details say how long the wait is, in ``retry_after_s``.
    """
    if now_ns >= attempts.until_ns:
        return
    if attempts.until_ns == FOREVER_NS:
        raise TooManyAttempts("too many failed attempts; an administrator must reset it")
    wait_s = -(-(attempts.until_ns - now_ns) // NS_PER_S)
    raise TooManyAttempts(
        f"too many failed attempts; try again in {wait_s} s", {"retry_after_s": str(wait_s)}
    )


def failed(  # noqa: PLR0913  # whose, of what, and when
    attempts: Attempts,
    limits: IdentityLimits,
    *,
    now_ns: int,
    by: Origin,
    user_id: str = "",
    tenant_id: str = "",
    name_sha256: str = "",
    factor: str = "password",
) -> Event:
    """Return the event of one more failure after *attempts*."""
    failures = attempts.failures + 1
    if now_ns - attempts.last_ns > limits.forget_ns:
        failures = 1
    return AttemptFailed(
        at_ns=now_ns,
        by=by,
        user_id=user_id,
        tenant_id=tenant_id,
        name_sha256=name_sha256,
        factor=factor,
        failures=failures,
        until_ns=_until_ns(failures, limits, now_ns),
    )


def _until_ns(failures: int, limits: IdentityLimits, now_ns: int) -> int:
    if failures < limits.free_failures:
        return 0
    if failures >= limits.failures_max:
        return FOREVER_NS
    doublings = min(failures - limits.free_failures, 20)
    return now_ns + min(limits.wait_ns << doublings, limits.wait_max_ns)
