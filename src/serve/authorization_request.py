"""What a client asks of ``/oauth/authorize`` (RFC 6749, section 4.1.1; RFC 7636; RFC 9207)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from serve.oauth_error import oauth_refusal
from tradeplane.auth.answers import ClientFound
from tradeplane.auth.scopes import scopes_of
from tradeplane.auth.service import IdentityService
from tradeplane.auth.wanted import CodeWanted
from tradeplane.errors import InvalidRequest

_STATE = re.compile(r"[ -~]{1,1024}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


class Target(msgspec.Struct, frozen=True):
    """Where an answer may go: proven to be the client's.

    Attributes:
        state: the client's own, given back as it came; empty for none.
    """

    client_id: str
    redirect_uri: str
    state: str

    def location(self, issuer: str, **answer: str) -> bytes:
        """Return the address that takes *answer* to the client."""
        facts = {**answer, **({"state": self.state} if self.state else {}), "iss": issuer}
        joint = "&" if "?" in self.redirect_uri else "?"
        return f"{self.redirect_uri}{joint}{urlencode(facts)}".encode("ascii")


def target_of(fields: Mapping[str, str], identity: IdentityService) -> tuple[Target, ClientFound]:
    """Return where the answer to a request may go, and which client asks.

    Raises:
        InvalidRequest: there is no such client, or the address is none of its own, letter by
            letter: no answer may go there, not even this one.
        ComponentUnavailable: what is known may be out of date.
    """
    client = identity.client(fields.get("client_id", ""))
    if client is None:
        raise InvalidRequest("client_id names no client of this installation")
    redirect_uri = fields.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris:
        raise InvalidRequest("redirect_uri is required, and must be one of the client's exactly")
    state = fields.get("state", "")
    if state and _STATE.fullmatch(state) is None:
        raise InvalidRequest("state must have at most 1024 printable ASCII characters")
    return Target(client.client_id, redirect_uri, state), client


def code_wanted(fields: Mapping[str, str], client: ClientFound, redirect_uri: str) -> CodeWanted:
    """Return what the client wants.

    Raises:
        InvalidRequest: it is malformed, or the client may not have it; details have ``error``.
    """
    if fields.get("response_type") != "code":
        raise oauth_refusal("unsupported_response_type", "response_type must be code")
    if "authorization_code" not in client.grant_types:
        raise oauth_refusal("unauthorized_client", "this client may not use authorization_code")
    if fields.get("response_mode", "query") != "query":
        raise oauth_refusal("invalid_request", "response_mode must be query")
    if "request" in fields or "request_uri" in fields:
        raise oauth_refusal("invalid_request", "request objects are not supported")
    challenge = fields.get("code_challenge", "")
    if fields.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise oauth_refusal("invalid_request", "a code_challenge with the method S256 is required")
    return CodeWanted(client.client_id, redirect_uri, _scope(fields, client), challenge)


def _scope(fields: Mapping[str, str], client: ClientFound) -> str:
    try:
        asked = scopes_of(fields.get("scope", "")) or client.scopes
    except InvalidRequest as error:
        raise oauth_refusal("invalid_scope", error.message) from error
    beyond = [scope for scope in asked if scope not in client.scopes]
    if beyond:
        raise oauth_refusal("invalid_scope", f"this client may not ask for {beyond[0]}")
    return " ".join(asked)
