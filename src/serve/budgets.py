"""How often who may ask: the limits of one replica, on counts that all replicas share."""

from __future__ import annotations

import msgspec

from policies.rate_limits import RateLimiter, RequestCounts
from serve.edge_settings import EdgeSettings


class Budgets(msgspec.Struct, frozen=True):
    """The limiters; None where the limit is off.

    Attributes:
        keys: of each credential.
        addresses: of each address, for what comes without good credentials.
        logins: of each address, for attempts to get credentials.
    """

    keys: RateLimiter | None
    addresses: RateLimiter | None
    logins: RateLimiter | None


def budgets(settings: EdgeSettings, counts: RequestCounts | None = None) -> Budgets:
    """Return the limiters that *settings* describe.

    Args:
        settings: the limits.
        counts: where requests are counted; by default in this process alone.
    """

    def limiter(limit: int, name: str) -> RateLimiter | None:
        return RateLimiter(limit, counts, name=name) if limit else None

    return Budgets(
        limiter(settings.rate_limit_per_minute, "key "),
        limiter(settings.address_limit_per_minute, "address "),
        limiter(settings.login_limit_per_minute, "login "),
    )
