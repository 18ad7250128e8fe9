"""Who is asking: the two ways in which Alpaca's clients send a key."""

from __future__ import annotations

import base64
import binascii

from tradeplane.auth.principal import Principal
from tradeplane.errors import NotAuthenticated
from tradeplane.ports import Keys

_REFUSED = "unauthorized."


def authenticate(headers: dict[bytes, bytes], keys: Keys) -> Principal:
    """Return who holds the key in *headers*: Alpaca's two headers, or HTTP Basic.

    Raises:
        NotAuthenticated: there is no key, or it is wrong; not said which.
        ComponentUnavailable: the keys have not arrived yet.
    """
    key_id = headers.get(b"apca-api-key-id")
    secret_key = headers.get(b"apca-api-secret-key")
    if key_id is None or secret_key is None:
        key_id, secret_key = _basic(headers.get(b"authorization", b""))
    return keys.authenticate(key_id.decode("latin-1"), secret_key.decode("latin-1"))


def _basic(authorization: bytes) -> tuple[bytes, bytes]:
    scheme, _, credentials = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        raise NotAuthenticated(_REFUSED)
    try:
        decoded = base64.b64decode(credentials.strip(), validate=True)
    except binascii.Error:
        raise NotAuthenticated(_REFUSED) from None
    key_id, colon, secret_key = decoded.partition(b":")
    if not colon:
        raise NotAuthenticated(_REFUSED)
    return key_id, secret_key
