"""Who is asking: an API key as Alpaca's clients send it, or an access token.

A request shows one kind of credential. Two that differ would let one reader see one caller and the
next reader another, so they are refused, whatever they are worth.
"""

from __future__ import annotations

import base64
import binascii
import re

from tradeplane.auth.principal import Principal
from tradeplane.auth.service import IdentityService
from tradeplane.errors import InvalidRequest, NotAuthenticated, NotFound
from tradeplane.ports import Keys

ACCOUNT_HEADER = "X-Tradeplane-Account"
_REFUSED = "unauthorized."
_AUTHORIZATION_BYTES_MAX = 4_096 + len("Bearer ")
_VAULT_PATHS = "/v1/transit/"
_UUID = re.compile(rb"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_Headers = dict[bytes, bytes]


def authenticate(
    headers: _Headers, keys: Keys, identity: IdentityService | None = None, path: str = ""
) -> Principal:
    """Return who holds the credential in *headers*.

    That is an API key in Alpaca's two headers or in HTTP Basic, an access token as Bearer
    (RFC 6750), or, for the routes of Vault's clients alone, an access token in ``X-Vault-Token``.
    ``X-Tradeplane-Account`` picks one of the accounts within a token's reach; a key opens one.

    Args:
        headers: of the request, by lower-case name.
        keys: knows who holds which key.
        identity: knows who holds which token; without it no token is good.
        path: the template of the route.

    Raises:
        NotAuthenticated: there is no credential, it is wrong, or there are two; not said which.
        InvalidRequest: the account is no UUID.
        NotFound: the account is not within reach.
        ComponentUnavailable: the keys have not arrived yet.
    """
    authorization = headers.get(b"authorization")
    key_id = headers.get(b"apca-api-key-id")
    secret_key = headers.get(b"apca-api-secret-key")
    vault_token = headers.get(b"x-vault-token")
    with_key = key_id is not None or secret_key is not None
    if with_key + (authorization is not None) + (vault_token is not None) != 1:
        raise NotAuthenticated(_REFUSED)
    if vault_token is not None:
        if not path.startswith(_VAULT_PATHS):
            raise NotAuthenticated(_REFUSED)
        return _by_token(vault_token, headers, identity)
    if authorization is not None:
        if len(authorization) > _AUTHORIZATION_BYTES_MAX:
            raise NotAuthenticated(_REFUSED)
        scheme, _, credentials = authorization.partition(b" ")
        if scheme.lower() == b"bearer":
            return _by_token(credentials, headers, identity)
        key_id, secret_key = _basic(scheme, credentials)
    if key_id is None or secret_key is None:
        raise NotAuthenticated(_REFUSED)
    principal = keys.authenticate(key_id.decode("latin-1"), secret_key.decode("latin-1"))
    account_id = _account(headers)
    if account_id not in {"", principal.account_id}:
        raise NotFound(f"account not found for {account_id}")
    return principal


def _by_token(token: bytes, headers: _Headers, identity: IdentityService | None) -> Principal:
    if identity is None:
        raise NotAuthenticated(_REFUSED)
    try:
        text = token.decode("ascii")
    except UnicodeDecodeError:
        raise NotAuthenticated(_REFUSED) from None
    return identity.authenticate_token(text, _account(headers))


def _account(headers: _Headers) -> str:
    """Return the account that the caller picks; empty for none."""
    wanted = headers.get(b"x-tradeplane-account")
    if wanted is None:
        return ""
    if _UUID.fullmatch(wanted) is None:
        raise InvalidRequest(f"{ACCOUNT_HEADER} must be the UUID of an account")
    return wanted.decode("ascii").lower()


def _basic(scheme: bytes, credentials: bytes) -> tuple[bytes, bytes]:
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
