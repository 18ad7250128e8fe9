"""Every operation of identity but those of administrators, built from its port."""

from __future__ import annotations

from adapters.system_clock import SystemClock
from serve.key_maker import KeyMaker
from serve.operation import Operation
from serve.routes.logins import LoginRoutes
from serve.routes.oauth_authorize import OAuthAuthorizeRoutes
from serve.routes.oauth_tokens import OAuthTokenRoutes
from serve.routes.own_credentials import OwnCredentialRoutes
from serve.routes.well_known import WellKnownRoutes
from serve.sealed_forms import SealedForms
from serve.submissions import Submissions
from tradeplane.auth.service import IdentityService
from tradeplane.clock import Clock
from tradeplane.encryption.sealer import Sealer


def identity_operations(
    identity: IdentityService,
    form_sealer: Sealer | None,
    submissions: Submissions,
    clock: Clock | None = None,
) -> tuple[Operation, ...]:
    """Return the operations on logins, one's own credentials, and tokens.

    Args:
        identity: does them.
        form_sealer: seals the login page's state; without it there is no such page.
        submissions: the writes under way.
        clock: wall time; the machine's by default.
    """
    keys = KeyMaker(identity, submissions)
    rows: list[Operation] = []
    for routes in (
        LoginRoutes(identity),
        OwnCredentialRoutes(identity, keys),
        OAuthTokenRoutes(identity),
        WellKnownRoutes(identity, identity.issuer),
    ):
        rows += routes.operations()
    if form_sealer is not None:
        forms = SealedForms(form_sealer, clock or SystemClock())
        rows += OAuthAuthorizeRoutes(identity, forms).operations()
    return tuple(rows)
