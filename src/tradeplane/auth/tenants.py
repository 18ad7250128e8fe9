"""Decisions about firms and the trading accounts in them."""

from __future__ import annotations

import re

from tradeplane.auth.commands import CreateTenant, RegisterAccount
from tradeplane.auth.decision import (
    Decision,
    require_reason,
    require_room,
    require_tenant,
    require_text,
    require_user,
)
from tradeplane.auth.directory import AccountEntry
from tradeplane.auth.events import AccountRegistered, TenantCreated
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.state import IdentityState
from tradeplane.errors import InvalidRequest

_TENANT_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
_NAME_MAX = 100


def create_tenant(
    state: IdentityState, command: CreateTenant, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Make a firm.

    Raises:
        InvalidRequest: the id or the name is malformed, or the id is taken.
        LimitReached: the installation is full.
    """
    require_reason(command.by)
    if not _TENANT_ID.fullmatch(command.tenant_id):
        raise InvalidRequest(
            "a tenant's id has 1 to 40 lower-case letters, digits and hyphens, none at its ends"
        )
    require_text("a tenant's name", command.name, _NAME_MAX)
    tenants = state.directory.tenants
    if command.tenant_id in tenants:
        raise InvalidRequest(f"tenant {command.tenant_id} exists")
    require_room("tenants", len(tenants), limits.tenants_max)
    event = TenantCreated(
        at_ns=now_ns, by=command.by, tenant_id=command.tenant_id, name=command.name
    )
    return Decision(events=(event,))


def register_account(
    state: IdentityState, command: RegisterAccount, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Note whose an account is; the same again changes nothing.

    Raises:
        InvalidRequest: the account is registered with other contents.
        NotFound: the tenant or the user does not exist.
        LimitReached: the installation is full.
    """
    require_reason(command.by)
    require_tenant(state, command.tenant_id)
    require_user(state, command.tenant_id, command.user_id)
    accounts = state.directory.accounts
    known = accounts.get(command.account_id)
    if known == AccountEntry(command.tenant_id, command.user_id, command.shard):
        return Decision()
    if known is not None:
        raise InvalidRequest(f"account {command.account_id} exists with other contents")
    require_room("accounts", len(accounts), limits.accounts_max)
    event = AccountRegistered(
        at_ns=now_ns,
        by=command.by,
        account_id=command.account_id,
        tenant_id=command.tenant_id,
        user_id=command.user_id,
        shard=command.shard,
    )
    return Decision(events=(event,))
