"""Refusals in the words of OAuth (RFC 6749, section 5.2), made in one place."""

from __future__ import annotations

from typing import Any

import msgspec

from serve.error_table import row_of
from serve.exchange import JSON, Header, Reply
from tradeplane.errors import (
    InvalidGrant,
    InvalidRequest,
    NotAllowed,
    NotAuthenticated,
    RequestRefused,
    TooManyAttempts,
)

_ENDPOINTS = ("/oauth/token", "/oauth/revoke", "/oauth/introspect")
_BY_STATUS = {
    401: "invalid_client",
    408: "invalid_request",
    413: "invalid_request",
    422: "invalid_request",
    429: "temporarily_unavailable",
    500: "server_error",
    503: "temporarily_unavailable",
}
_BY_CLASS: dict[type[RequestRefused], str] = {
    NotAuthenticated: "invalid_client",
    InvalidGrant: "invalid_grant",
    NotAllowed: "unauthorized_client",
    TooManyAttempts: "temporarily_unavailable",
}
_encode = msgspec.json.Encoder().encode


def oauth_refusal(code: str, message: str) -> InvalidRequest:
    """Return a refusal that OAuth has a word for.

    Args:
        code: the word, such as ``invalid_scope``.
        message: for the developer of the client.
    """
    return InvalidRequest(message, {"error": code})


def oauth_code(error: RequestRefused) -> str:
    """Return OAuth's word for *error* at the token endpoint, where clients say who they are."""
    said = error.details.get("error")
    if isinstance(said, str):
        return said
    for kind, code in _BY_CLASS.items():
        if isinstance(error, kind):
            return code
    return "invalid_request"


def oauth_error_reply(error: RequestRefused) -> Reply:
    """Return the answer of the token endpoint to *error*, which is the caller's fault."""
    code = oauth_code(error)
    headers: list[Header] = [(b"pragma", b"no-cache")]
    status = row_of(error).status
    if code == "invalid_client":
        status = 401
        headers.append((b"www-authenticate", b'Basic realm="tradeplane"'))
    elif status == 413:
        headers.append((b"connection", b"close"))
    elif status != 429:
        status = 400
    return Reply(status, _body(code, error.message), headers=tuple(headers))


def speaks_oauth(path: str) -> bool:
    """Return whether errors on *path* have OAuth's form."""
    return path in _ENDPOINTS


def as_oauth_error(reply: Reply) -> Reply:
    """Return *reply*, if it is an error of the edge itself, in OAuth's form."""
    if reply.media_type != JSON or not reply.body:
        return reply
    body: dict[str, Any] = msgspec.json.decode(reply.body)
    if "error" not in body:
        code = _BY_STATUS.get(reply.status, "invalid_request")
        reply.body = _body(code, str(body.get("message", "")))
    return reply


def plain_words(message: str) -> str:
    """Return *message* in the characters that an ``error_description`` may have."""
    return "".join(sign if " " <= sign <= "~" and sign not in '"\\' else "'" for sign in message)


def _body(code: str, message: str) -> bytes:
    return _encode({"error": code, "error_description": plain_words(message)})
