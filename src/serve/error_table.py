"""What each error looks like on the wire: one table, and the body that Alpaca's clients expect."""

from __future__ import annotations

from typing import Any

import msgspec

from serve.exchange import Header, Reply
from tradeplane import errors
from tradeplane.errors import Details, TradeplaneError

_encode = msgspec.json.Encoder().encode


class ErrorRow(msgspec.Struct, frozen=True):
    """How a class of errors is answered.

    Attributes:
        status: the HTTP status; never 504, because clients repeat a POST on it.
        code: Alpaca's number: the status, then four digits.
        retry_after_s: what Retry-After says, or None where a repetition cannot help or may harm.
        public: False for errors whose message is for the operator alone.
    """

    status: int
    code: int
    retry_after_s: int | None = None
    public: bool = True


_UNPROCESSABLE = ErrorRow(422, 42210000)
_FORBIDDEN = ErrorRow(403, 40310000)
_UNAVAILABLE = ErrorRow(503, 50310000, retry_after_s=1)
_INTERNAL = ErrorRow(500, 50010000, public=False)

ERROR_TABLE: dict[type[TradeplaneError], ErrorRow] = {
    errors.TradeplaneError: _INTERNAL,
    errors.RequestRefused: ErrorRow(422, 40010001),
    errors.InvalidRequest: ErrorRow(422, 40010001),
    errors.MalformedBody: ErrorRow(400, 40010000),
    errors.BodyTooLarge: ErrorRow(413, 41310000),
    errors.RequestTooSlow: ErrorRow(408, 40810000),
    errors.InvalidOrder: _UNPROCESSABLE,
    errors.InvalidGrant: ErrorRow(400, 40010002),
    errors.InvalidPolicy: ErrorRow(422, 42210001),
    errors.ProofRefused: _UNPROCESSABLE,
    errors.NotAuthenticated: ErrorRow(401, 40110000),
    errors.MfaRequired: ErrorRow(401, 40110001),
    errors.TooManyAttempts: ErrorRow(429, 42910001, retry_after_s=30),
    errors.NotAllowed: _FORBIDDEN,
    errors.InsufficientBuyingPower: _FORBIDDEN,
    errors.InsufficientQuantity: _FORBIDDEN,
    errors.WashTrade: _FORBIDDEN,
    errors.LimitReached: _FORBIDDEN,
    errors.NotFound: ErrorRow(404, 40410000),
    errors.UnknownAsset: _UNPROCESSABLE,
    errors.MethodNotAllowed: ErrorRow(405, 40510000),
    errors.OrderNotCancelable: _UNPROCESSABLE,
    errors.DuplicateClientOrderId: ErrorRow(422, 40010001),
    errors.RateLimited: ErrorRow(429, 42910000, retry_after_s=60),
    errors.ServiceFailed: _INTERNAL,
    errors.Overloaded: _UNAVAILABLE,
    errors.ComponentUnavailable: _UNAVAILABLE,
    errors.OutcomeUnknown: ErrorRow(503, 50310001),
    errors.JournalUnavailable: _UNAVAILABLE,
    errors.RootKeyUnavailable: _UNAVAILABLE,
    errors.SealBroken: _INTERNAL,
    errors.Fenced: _UNAVAILABLE,
    errors.CorruptJournal: _INTERNAL,
    errors.ObjectStoreUnavailable: _UNAVAILABLE,
    errors.AuditLogDamaged: _INTERNAL,
    errors.Misconfigured: _INTERNAL,
}
"""The row of every class of the error tree."""


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every answer that is not a success.

    Named facts, such as ``buying_power`` or ``existing_qty``, stand beside the two fields.

    Attributes:
        code: Alpaca's error number.
        message: what was wrong and what would be right.
    """

    code: int
    message: str


def row_of(error: TradeplaneError) -> ErrorRow:
    """Return the row of *error*'s class, or of its nearest ancestor."""
    for ancestor in type(error).__mro__:
        row = ERROR_TABLE.get(ancestor)
        if row is not None:
            return row
    return _INTERNAL


def error_document(error: TradeplaneError) -> dict[str, Any]:
    """Return the body of *error*: its details, then ``code`` and ``message``."""
    row = row_of(error)
    if not row.public:
        return {"code": row.code, "message": "internal server error"}
    details: Details = error.details
    return {**details, "code": row.code, "message": error.message}


def error_reply(error: TradeplaneError, retry_after_s: int | None = None) -> Reply:
    """Return the answer to *error*.

    Args:
        error: what went wrong.
        retry_after_s: overrides the table's, where it has one; what *error* itself says of it in
            its details overrides both.
    """
    row = row_of(error)
    headers: list[Header] = []
    if row.retry_after_s is not None:
        wait_s = row.retry_after_s if retry_after_s is None else retry_after_s
        told = error.details.get("retry_after_s")
        if isinstance(told, str) and told.isascii() and told.isdigit():
            wait_s = int(told)
        headers.append((b"retry-after", b"%d" % wait_s))
    if row.status == 401:
        headers.append((b"www-authenticate", b'Basic realm="tradeplane", Bearer'))
    if row.status in {408, 413}:
        # What is left of the body is not read, so the connection cannot be used again.
        headers.append((b"connection", b"close"))
    return Reply(row.status, _encode(error_document(error)), headers=tuple(headers))


def internal_error_reply() -> Reply:
    """Return the answer to a mistake of our own, which says nothing about it."""
    return error_reply(TradeplaneError("internal server error"))
