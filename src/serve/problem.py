"""Problem details (RFC 9457), for every path whose error bodies no other protocol defines."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from serve.exchange import JSON, Reply

PROBLEM_JSON = b"application/problem+json"
_FOREIGN = ("/v2", "/v1/transit", "/oauth")
_encode = msgspec.json.Encoder().encode


class ProblemBody(msgspec.Struct, frozen=True):
    """The body of an answer that is not a success, outside the paths of other protocols.

    Named facts stand beside the fields, as they do in ``ErrorBody``.

    Attributes:
        type: always ``about:blank``: the problem is what the status says.
        title: the status in words.
        status: the status.
        detail: what was wrong and what would be right.
        code: the status, then four digits.
        message: the same as *detail*, where clients of the trading API look for it.
    """

    type: str
    title: str
    status: int
    detail: str
    code: int
    message: str


def speaks_problems(path: str) -> bool:
    """Return whether errors on *path* are problem details: not Alpaca's, Vault's or OAuth's."""
    return not any(path == root or path.startswith(f"{root}/") for root in _FOREIGN)


def as_problem(reply: Reply) -> Reply:
    """Return *reply*, if it is an error in JSON, as problem details."""
    if reply.status < 400 or reply.media_type != JSON:
        return reply
    body: dict[str, Any] = msgspec.json.decode(reply.body)
    detail = body.get("message", "")
    reply.body = _encode({**_fields(reply.status, detail), **body})
    reply.media_type = PROBLEM_JSON
    return reply


def problem_reply(status: int, code: int, message: str) -> Reply:
    """Return problem details for what never became a request."""
    body = {**_fields(status, message), "code": code, "message": message}
    return Reply(status, _encode(body), media_type=PROBLEM_JSON)


def _fields(status: int, detail: str) -> dict[str, str | int]:
    title = HTTPStatus(status).phrase
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}
