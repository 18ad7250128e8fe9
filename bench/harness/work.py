"""The two kinds of request that are measured."""

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Work:
    """One kind of request, the same for product and peer.

    Attributes:
        name: its name in ``results.json``.
        method: HTTP method.
        path: path and query.
        body: request body; empty for none.
    """

    name: str
    method: str
    path: str
    body: str = ""


GET_POSITION = Work("get_position", "GET", "/v2/positions/AAPL")
POST_ORDER = Work(
    "post_order",
    "POST",
    "/v2/orders",
    json.dumps(
        {"symbol": "AAPL", "qty": 1, "side": "buy", "type": "market", "time_in_force": "day"}
    ),
)
WORKS = {"get": GET_POSITION, "post": POST_ORDER}
