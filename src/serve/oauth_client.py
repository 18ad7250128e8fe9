"""Which OAuth client calls: by HTTP Basic, or in the form (RFC 6749, section 2.3)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import unquote_plus

from serve.exchange import Exchange
from serve.oauth_error import oauth_refusal
from tradeplane.auth.answers import ClientFound
from tradeplane.auth.secretive import Secretive
from tradeplane.auth.service import IdentityService
from tradeplane.errors import NotAuthenticated

_REFUSED = "client authentication failed"
_HEADER_BYTES_MAX = 2_048


class CallingClient(Secretive, frozen=True):
    """A client that has shown who it is.

    Attributes:
        client: as this replica knows it.
        secret: what it has shown; None for a public client.
    """

    client: ClientFound
    secret: str | None


def calling_client(
    exchange: Exchange, form: Mapping[str, str], identity: IdentityService
) -> CallingClient:
    """Return the client that *exchange* comes from.

    Raises:
        NotAuthenticated: unknown, a wrong secret, or one where none belongs; not said which.
        InvalidRequest: it says who it is in two ways, or not at all.
        ComponentUnavailable: what is known may be out of date.
    """
    header = exchange.headers.get(b"authorization")
    client_id, secret = form.get("client_id", ""), form.get("client_secret")
    if header is not None:
        if secret is not None:
            raise oauth_refusal("invalid_request", "show the client's secret in one way")
        named, secret = _basic(header)
        if client_id not in {"", named}:
            raise oauth_refusal("invalid_request", "client_id names another client")
        client_id = named
    if not client_id:
        raise oauth_refusal("invalid_client", "say which client you are")
    try:
        return CallingClient(identity.authenticate_client(client_id, secret), secret)
    except NotAuthenticated:
        raise NotAuthenticated(_REFUSED) from None


def _basic(header: bytes) -> tuple[str, str]:
    scheme, _, credentials = header.partition(b" ")
    try:
        if scheme.lower() != b"basic" or len(header) > _HEADER_BYTES_MAX:
            raise ValueError("no Basic credentials")  # noqa: TRY301  # one refusal for all
        decoded = base64.b64decode(credentials.strip(), validate=True).decode("ascii")
        client_id, colon, secret = decoded.partition(":")
        if not colon or not client_id:
            raise ValueError("no colon")  # noqa: TRY301  # as above
        return unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (ValueError, binascii.Error):
        raise NotAuthenticated(_REFUSED) from None
