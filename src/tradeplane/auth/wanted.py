"""What is asked of identity, where it takes more than an id."""

from __future__ import annotations

import msgspec

from tradeplane.auth.answers import GrantType
from tradeplane.auth.secretive import Secretive


class UserWanted(Secretive, frozen=True, forbid_unknown_fields=True):
    """A login to be made.

    Attributes:
        username: 1 to 64 letters, digits and ``._@+-``; letters' case does not tell users apart.
        email: for people; may be empty.
        role: one of ``tradeplane.auth.principal.ROLES``.
        password: None for a random, temporary one.
    """

    username: str
    email: str = ""
    role: str = "trader"
    password: str | None = None


class KeyWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An API key to be made.

    Attributes:
        account_id: the account that it opens.
        role: within its owner's; empty for the owner's.
        scopes: actions that it is limited to; empty for no limit beyond the role's.
        expires_ns: when it ends; 0 for never.
    """

    account_id: str
    role: str = ""
    scopes: tuple[str, ...] = ()
    expires_ns: int = 0


class ClientWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An OAuth client to be made; see ``ClientFound`` for the fields."""

    name: str
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[GrantType, ...] = ("authorization_code", "refresh_token")
    scopes: tuple[str, ...] = ()
    confidential: bool = False
    role: str = "researcher"
    account_id: str = ""


class CodeWanted(msgspec.Struct, frozen=True):
    """An authorization code to be issued.

    Attributes:
        client_id: who may redeem it; of the user's tenant.
        redirect_uri: one of the client's, letter by letter.
        scope: what the user has consented to, within the client's scopes; empty for all of them.
        code_challenge: S256 of the verifier (RFC 7636).
    """

    client_id: str
    redirect_uri: str
    scope: str
    code_challenge: str


class CodeRedemption(Secretive, frozen=True):
    """What a client shows to redeem a code; *client_secret* is None for a public client."""

    client_id: str
    client_secret: str | None
    code: str
    redirect_uri: str
    code_verifier: str
