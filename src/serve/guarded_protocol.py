"""uvicorn's protocol with limits on what a client may send before a request has begun.

The parser underneath (llhttp, strict) refuses what two readers could understand in two ways: two
lengths, a length beside a transfer coding, folded headers, blanks before colons. This adds limits
of size and time, and answers in the words of the rest of the API.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serve.problem import problem_reply
from tradeplane.errors import InvalidRequest

HEAD_BYTES_MAX = 32_768
TARGET_BYTES_MAX = 16_384
HEADERS_MAX = 100
HEAD_S = 20.0
MESSAGE_S = 120.0
_VERSIONS = frozenset({"1.1", "1.0"})
_LINE_BYTES = 4  # colon, blank and line end
_LIST = b"LIST /v1/transit/"
_REQUEST_LINE = re.compile(rb"LIST (/[!-~]*) HTTP/1\.1\r\n")


class GuardedProtocol(HttpToolsProtocol):
    """One connection.

    A request's head must be complete :data:`HEAD_S` after the connection was made or after its
    first byte, and its body :data:`MESSAGE_S` after the head, whether anyone reads it or not. No
    timer is set for it, which each request would pay for; the listener asks :meth:`is_late` of
    every connection now and then.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._refusal = (400, "the request is not valid HTTP/1.1")
        self._head_since: float | None = None
        self._body_since: float | None = None
        self._head_bytes = 0
        self._fed = 0
        self._hosts = 0

    def is_late(self, now: float) -> bool:
        """Return whether the client takes too long to send a request."""
        if self._head_since is not None:
            return now - self._head_since > HEAD_S
        return self._body_since is not None and now - self._body_since > MESSAGE_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's own narrowing
        """Begin, and expect a head soon."""
        super().connection_made(transport)
        self._head_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Take some bytes; those of a head that does not end are counted."""
        if data.startswith(_LIST) and self._is_between_requests():
            data = _as_get(data)
        super().data_received(data)
        if self._head_since is None or self.transport.is_closing():
            return
        self._fed += len(data)
        if self._fed > HEAD_BYTES_MAX:
            self._refusal = (431, f"the head must have at most {HEAD_BYTES_MAX} bytes")
            self.send_400_response("")

    def _is_between_requests(self) -> bool:
        return self._body_since is None and (self._head_since is None or self._fed == 0)

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._head_since = self.loop.time()
        self._head_bytes = self._fed = self._hosts = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        super().on_url(url)
        if len(self.url) > TARGET_BYTES_MAX:
            self._refuse(414, f"the target must have at most {TARGET_BYTES_MAX} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value) + _LINE_BYTES
        if len(self.headers) > HEADERS_MAX:
            self._refuse(431, f"a request must have at most {HEADERS_MAX} headers")
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(431, f"the head must have at most {HEAD_BYTES_MAX} bytes")
        if self.headers[-1][0] == b"host":
            self._hosts += 1

    def on_headers_complete(self) -> None:
        """Hand the request over, or refuse it for its version or Host (RFC 9112, section 3.2)."""
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            self._refuse(400, "the request is not valid HTTP/1.1")
        if self._hosts != 1 and (self._hosts or version == "1.1"):
            self._refuse(400, "a request must have one Host header")
        self._body_since, self._head_since = self._head_since, None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End a request."""
        self._body_since = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request, and close."""
        del msg
        if self.transport.is_closing():
            return
        status, message = self._refusal
        reply = problem_reply(status, 40010000, message)
        head = [STATUS_LINE[status]]
        head += [b"%b: %b\r\n" % header for header in self.server_state.default_headers]
        head += [
            b"content-type: %b\r\n" % reply.media_type,
            b"content-length: %d\r\n" % len(reply.body),
            b"connection: close\r\n\r\n",
            reply.body,
        ]
        self._head_since = None
        self.transport.write(b"".join(head))
        self.transport.close()

    def _refuse(self, status: int, message: str) -> None:
        """Stop the parser; it turns any error into the call of :meth:`send_400_response`."""
        self._refusal = (status, message)
        raise InvalidRequest(message)


def _as_get(data: bytes) -> bytes:
    """Return a request of Vault's method LIST, which llhttp does not know, as Vault's other form.

    Only a complete request line is taken; anything else stays what it was, and is refused.
    """
    line = _REQUEST_LINE.match(data)
    if line is None:
        return data
    target = line[1]
    joined = b"&" if b"?" in target else b"?"
    return b"GET %b%blist=true HTTP/1.1\r\n%b" % (target, joined, data[line.end() :])
