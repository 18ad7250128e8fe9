"""Decisions about OAuth clients."""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from tradeplane.auth.commands import (
    CreateClient,
    DeleteClient,
    IssueClientToken,
    RevokeToken,
)
from tradeplane.auth.decision import (
    Decision,
    require_reason,
    require_role,
    require_room,
    require_tenant,
    require_text,
)
from tradeplane.auth.events import ClientCreated, ClientDeleted, TokenRevoked
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.private_events import ClientTokenIssued
from tradeplane.auth.replies import ClientGranted
from tradeplane.auth.scopes import checked_scopes, scopes_of
from tradeplane.auth.sessions import ends_of_client
from tradeplane.auth.state import IdentityState
from tradeplane.auth.wanted import ClientWanted
from tradeplane.errors import InvalidRequest, NotAllowed, NotFound, Overloaded

_NAME_MAX = 100
_URIS_MAX = 10
_URI_MAX = 500
_LOOPBACK = ("127.0.0.1", "[::1]", "localhost")


def create_client(
    state: IdentityState, command: CreateClient, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Make an OAuth client.

    Raises:
        InvalidRequest: a name, URI, grant, scope or role is malformed, or they do not fit.
        NotFound: no such tenant, or no such account in it.
        LimitReached: the installation is full.
    """
    require_reason(command.by)
    require_tenant(state, command.tenant_id)
    wanted = command.wanted
    _check(state, command.tenant_id, wanted)
    scopes = checked_scopes(wanted.scopes)
    if command.client_id in state.directory.clients:
        raise InvalidRequest(f"client {command.client_id} exists")
    require_room("clients", len(state.directory.clients), limits.clients_max)
    return Decision(events=(_created(command, scopes, now_ns),))


def is_first_run(command: CreateClient, event: ClientCreated) -> bool:
    """Return whether *event* is what *command* comes to, whoever gave it and when."""
    same = _created(command, checked_scopes(command.wanted.scopes), event.at_ns)
    return msgspec.structs.replace(same, by=event.by) == event


def _created(command: CreateClient, scopes: tuple[str, ...], now_ns: int) -> ClientCreated:
    wanted = command.wanted
    return ClientCreated(
        at_ns=now_ns,
        by=command.by,
        client_id=command.client_id,
        tenant_id=command.tenant_id,
        secret_sha256=command.secret_sha256,
        name=wanted.name,
        redirect_uris=wanted.redirect_uris,
        grant_types=wanted.grant_types,
        scopes=scopes,
        role=wanted.role,
        account_id=wanted.account_id,
    )


def _check(state: IdentityState, tenant_id: str, wanted: ClientWanted) -> None:
    require_text("a client's name", wanted.name, _NAME_MAX)
    require_role(wanted.role)
    if not wanted.scopes:
        raise InvalidRequest("a client needs scopes: what it may ask for")
    if not wanted.grant_types or len(set(wanted.grant_types)) != len(wanted.grant_types):
        raise InvalidRequest("a client needs grant types, each once")
    if "client_credentials" in wanted.grant_types and not wanted.confidential:
        raise InvalidRequest("client_credentials needs a confidential client")
    if "authorization_code" in wanted.grant_types and not wanted.redirect_uris:
        raise InvalidRequest("authorization_code needs a redirect URI")
    if len(wanted.redirect_uris) > _URIS_MAX:
        raise InvalidRequest(f"a client has {_URIS_MAX} redirect URIs at most")
    for uri in wanted.redirect_uris:
        _check_redirect(uri)
    if wanted.account_id:
        account = state.directory.accounts.get(wanted.account_id)
        if account is None or account.tenant_id != tenant_id:
            raise NotFound(f"account not found for {wanted.account_id[:80]}")


def _check_redirect(uri: str) -> None:
    """Refuse what is not an absolute https URI, or http on the loopback (RFC 8252)."""
    require_text("a redirect URI", uri, _URI_MAX)
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidRequest("a redirect URI is malformed") from None
    del port
    authority = parts.netloc.rpartition("@")
    local = any(parts.netloc == name or parts.netloc.startswith(name + ":") for name in _LOOPBACK)
    if (
        not host
        or authority[1]
        or "#" in uri
        or "*" in uri
        or " " in uri
        or not uri.isascii()
        or not (parts.scheme == "https" or (parts.scheme == "http" and local))
    ):
        raise InvalidRequest(
            "a redirect URI is https, or http on 127.0.0.1, [::1] or localhost; absolute, in "
            "ASCII, without fragment, wildcard or user"
        )


def delete_client(
    state: IdentityState, command: DeleteClient, now_ns: int, limits: IdentityLimits
) -> Decision:
    """End a client; its sessions end, its tokens are refused.

    Raises:
        NotFound: the tenant has no such client.
    """
    require_reason(command.by)
    entry = state.directory.clients.get(command.client_id)
    if entry is None or entry.tenant_id != command.tenant_id:
        raise NotFound(f"client not found for {command.client_id[:80]}")
    ends = ends_of_client(state, command.client_id, command.by, now_ns, limits)
    event = ClientDeleted(
        at_ns=now_ns, by=command.by, client_id=command.client_id, tenant_id=entry.tenant_id
    )
    return Decision(events=(event, *ends))


def allowed_scope(scope: str, allowed: tuple[str, ...]) -> str:
    """Return the scopes that are asked for in *scope*, or all of *allowed* for an empty one.

    Raises:
        InvalidRequest: one of them is unknown, or not allowed.
    """
    asked = scopes_of(scope) or allowed
    beyond = [name for name in asked if name not in allowed]
    if beyond:
        raise InvalidRequest(f"the client may not have the scope {beyond[0]}")
    return " ".join(asked)


def issue_client_token(
    state: IdentityState, command: IssueClientToken, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Let a client have a token for itself.

    Raises:
        NotAuthenticated: the client is not who it says.
        NotAllowed: it may not use this grant.
        InvalidRequest: it may not have the scope.
    """
    del limits
    entry = state.directory.open_client(command.client_id, command.client_secret)
    if "client_credentials" not in entry.grant_types:
        raise NotAllowed("this client may not use client_credentials")
    scope = allowed_scope(command.scope, entry.scopes)
    event = ClientTokenIssued(
        at_ns=now_ns,
        by=command.by,
        client_id=command.client_id,
        tenant_id=entry.tenant_id,
        token_id=command.token_id,
        scope=scope,
    )
    reply = ClientGranted(command.client_id, entry.tenant_id, scope, command.token_id)
    return Decision(reply, (event,))


def revoke_token(
    state: IdentityState, command: RevokeToken, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Make one access token good for nothing.

    Raises:
        Overloaded: too many were revoked within their lifetime.
    """
    revoked = state.directory.revoked
    if command.until_ns <= now_ns or command.token_id in revoked:
        return Decision()
    if len(revoked) >= limits.revoked_max:
        raise Overloaded("too many tokens were revoked just now; nothing was done, try again")
    event = TokenRevoked(
        at_ns=now_ns,
        by=command.by,
        token_id=command.token_id,
        tenant_id=command.tenant_id,
        until_ns=command.until_ns,
    )
    return Decision(events=(event,))
