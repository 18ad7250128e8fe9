"""The limits of the HTTP edge."""

from __future__ import annotations

import msgspec


class EdgeSettings(msgspec.Struct, frozen=True):
    """What an operator chooses about one replica's edge.

    Attributes:
        rate_limit_per_minute: requests a minute for each key; 0 is off.
        body_bytes_max: largest request body.
        request_timeout_ms: longest time that a request may take.
        in_flight_max: requests that are worked on at the same time; the next is answered 503.
    """

    rate_limit_per_minute: int = 200
    body_bytes_max: int = 65_536
    request_timeout_ms: int = 10_000
    in_flight_max: int = 512
