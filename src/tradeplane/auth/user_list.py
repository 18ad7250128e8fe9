"""What there is to know about users, one by one, all, or page by page."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from tradeplane.auth.answers import UserFound
from tradeplane.auth.decision import require_user
from tradeplane.auth.queries import ListUsers, PageUsers
from tradeplane.auth.replies import UsersFound
from tradeplane.auth.state import IdentityState


def users_found(state: IdentityState, query: ListUsers) -> UsersFound:
    """Return the users of a tenant, oldest first, or one of them.

    Raises:
        NotFound: the tenant has no such user.
    """
    if query.user_id:
        require_user(state, query.tenant_id, query.user_id)
        return UsersFound((_user_found(state, query.user_id),))
    return UsersFound(
        tuple(
            _user_found(state, user_id)
            for user_id, entry in state.directory.users.items()
            if entry.tenant_id == query.tenant_id
        )
    )


def users_page(state: IdentityState, query: PageUsers) -> UsersFound:
    """Return some users of a tenant, in the order of their ids."""
    entries = state.directory.users
    asked: Iterable[str] = entries
    if query.username:
        named = state.usernames.get(query.username.lower())
        asked = () if named is None else (named,)
    following = (
        user_id
        for user_id in asked
        if user_id > query.after and entries[user_id].tenant_id == query.tenant_id
    )
    found = heapq.nsmallest(query.limit, following)
    return UsersFound(tuple(_user_found(state, user_id) for user_id in found))


def _user_found(state: IdentityState, user_id: str) -> UserFound:
    profile, entry = state.profiles[user_id], state.directory.users[user_id]
    return UserFound(
        user_id,
        entry.tenant_id,
        profile.username,
        profile.email,
        entry.role,
        entry.disabled,
        profile.mfa is not None,
        profile.temporary,
        entry.accounts,
        tuple(issuer for issuer, _ in profile.externals),
        profile.created_ns,
    )
