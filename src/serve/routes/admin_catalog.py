"""Every operation of administrators."""

from __future__ import annotations

from serve.key_maker import KeyMaker
from serve.operation import Operation
from serve.routes.admin_accounts import AdminAccountRoutes
from serve.routes.admin_clients import AdminClientRoutes
from serve.routes.admin_keys import AdminKeyRoutes
from serve.routes.admin_platform import AdminPlatformRoutes
from serve.routes.admin_sessions import AdminSessionRoutes
from serve.routes.admin_users import AdminUserRoutes
from serve.submissions import Submissions
from tradeplane.auth.service import IdentityService
from tradeplane.ports import Trading


def admin_operations(
    identity: IdentityService, trading: Trading, submissions: Submissions
) -> tuple[Operation, ...]:
    """Return the operations of administrators.

    Args:
        identity: does them.
        trading: knows what accounts were opened with.
        submissions: the writes under way.
    """
    keys = KeyMaker(identity, submissions)
    return (
        *AdminPlatformRoutes(identity, submissions).operations(),
        *AdminUserRoutes(identity, submissions).operations(),
        *AdminSessionRoutes(identity, submissions).operations(),
        *AdminAccountRoutes(identity, trading, submissions).operations(),
        *AdminKeyRoutes(identity, keys, submissions).operations(),
        *AdminClientRoutes(identity, submissions).operations(),
    )
