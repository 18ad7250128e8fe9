"""One request and its reply, between the ASGI server and a handler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.datastructures import QueryParams
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from policies.rate_limits import RateDecision
from tradeplane.auth.principal import Principal
from tradeplane.errors import BodyTooLarge, InvalidRequest

JSON = b"application/json"
Header = tuple[bytes, bytes]


class Reply:
    """What a handler answers.

    Attributes:
        status: the HTTP status.
        body: the whole body; empty for 204.
        media_type: its content type.
        headers: further headers.
    """

    __slots__ = ("body", "headers", "media_type", "status")

    def __init__(
        self,
        status: int,
        body: bytes = b"",
        *,
        media_type: bytes = JSON,
        headers: tuple[Header, ...] = (),
    ) -> None:
        self.status = status
        self.body = body
        self.media_type = media_type
        self.headers = headers


class Exchange:
    """A request as a handler sees it.

    Attributes:
        method: the HTTP method, in capitals.
        headers: by lower-case name; of a repeated header the last.
        params: the variable parts of the path.
        principal: who asks; only handlers of public operations see None.
        rate: what the rate limiter said, when it is on.
        submitted: what the caller needs to ask about a write that is under way or has run.
        request_id: the id that the answer carries.
        reading: whether the body is still to arrive.
        address: where the request comes from; empty when not known.
    """

    __slots__ = (
        "_body_bytes_max",
        "_query",
        "_receive",
        "address",
        "headers",
        "method",
        "params",
        "principal",
        "rate",
        "reading",
        "request_id",
        "scope",
        "submitted",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        *,
        headers: dict[bytes, bytes],
        request_id: bytes,
        body_bytes_max: int,
    ) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.headers = headers
        self.request_id = request_id
        self.params: Mapping[str, str] = {}
        self.principal: Principal | None = None
        self.rate: RateDecision | None = None
        self.submitted: dict[str, str] | None = None
        self.address = ""
        self.reading = False
        self._receive = receive
        self._body_bytes_max = body_bytes_max
        self._query: Mapping[str, str] | None = None

    @property
    def account_id(self) -> str:
        """The account that the caller's key opens."""
        assert self.principal is not None, "only operations that need a key ask for the account"
        return self.principal.account_id

    @property
    def by(self) -> str:
        """Who asks, as orders name their authors: the kind of subject, a colon and its id."""
        principal = self.principal
        assert principal is not None, "only operations that need a key ask for the author"
        return f"{principal.kind}:{principal.subject_id or principal.key_id}"

    @property
    def query(self) -> Mapping[str, str]:
        """The query parameters, decoded; of a repeated one the last."""
        if self._query is None:
            text = self.scope["query_string"]
            self._query = QueryParams(text) if text else {}
        return self._query

    async def body(self) -> bytes:
        """Read the whole body; once.

        Raises:
            BodyTooLarge: it is larger than the limit; the rest is not read.
            InvalidRequest: Content-Length is no number.
            ClientDisconnect: the client went away.
        """
        limit = self._body_bytes_max
        declared = self.headers.get(b"content-length")
        if declared is not None:
            if not declared.isdigit() or len(declared) > 18:
                raise InvalidRequest("Content-Length must be a number")
            if int(declared) > limit:
                raise BodyTooLarge(f"the body must be at most {limit} bytes")
        self.reading = True
        body = await self._whole_body(limit)
        self.reading = False
        return body

    async def _whole_body(self, limit: int) -> bytes:
        message: Any = await self._receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message.get("body", b"")
            _check_size(body, limit)
            return body
        chunks = bytearray()
        while True:
            if message["type"] == "http.disconnect":
                raise ClientDisconnect
            chunks += message.get("body", b"")
            _check_size(chunks, limit)
            if not message.get("more_body", False):
                return bytes(chunks)
            message = await self._receive()


def _check_size(body: bytes | bytearray, limit: int) -> None:
    if len(body) > limit:
        raise BodyTooLarge(f"the body must be at most {limit} bytes")
