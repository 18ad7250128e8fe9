"""The limits of the HTTP edge."""

from __future__ import annotations

import msgspec


class EdgeSettings(msgspec.Struct, frozen=True):
    """What an operator chooses about one replica's edge.

    Attributes:
        rate_limit_per_minute: requests a minute for each key; 0 is off.
        address_limit_per_minute: requests a minute for each address that shows no good credentials;
            0 is off.
        login_limit_per_minute: logins a minute for each address; 0 is off.
        trusted_proxies: networks whose X-Forwarded-For is believed, separated by commas.
        body_bytes_max: largest request body.
        request_timeout_ms: longest time that a request may take.
        in_flight_max: requests that are worked on at the same time; the next is answered 503.
    """

    rate_limit_per_minute: int = 200
    address_limit_per_minute: int = 6_000
    login_limit_per_minute: int = 30
    trusted_proxies: str = ""
    body_bytes_max: int = 65_536
    request_timeout_ms: int = 10_000
    in_flight_max: int = 512
