"""External logins as the settings describe them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx

from adapters.oidc.bounded_http import BoundedHttp
from adapters.oidc.login_state import LoginStates
from adapters.oidc.logins import OidcLogins
from adapters.oidc.provider import Client, OidcProvider
from tradeplane.clock import Clock
from tradeplane.encryption.sealer import Sealer
from tradeplane.errors import Misconfigured
from tradeplane.settings import Settings, issuer

CALLBACK_PATH = "/auth/oidc/callback"
SEAL_PURPOSE = "external-login"
"""The data key that seals logins under way."""
_SECRET_MAX = 4_096


def open_logins(
    settings: Settings,
    sealer: Sealer,
    claim_once: Callable[[str, int], Awaitable[None]],
    clock: Clock,
    transport: httpx.AsyncBaseTransport | None = None,
) -> OidcLogins:
    """Return the logins at the provider that *settings* name; whoever opens them closes them.

    Args:
        settings: with a provider.
        sealer: of :data:`SEAL_PURPOSE`, the same on every replica.
        claim_once: uses a key up on every replica, until a time.
        clock: wall and monotonic time.
        transport: takes the place of the network.

    Raises:
        Misconfigured: the file of the client's secret cannot be read, or holds none.
    """
    public_url = issuer(settings)
    client = Client(
        settings.oidc_client_id,
        _secret(settings.oidc_client_secret_file),
        public_url + CALLBACK_PATH,
    )
    return OidcLogins(
        OidcProvider(
            settings.oidc_issuer, client, BoundedHttp(settings.oidc_issuer, transport), clock
        ),
        LoginStates(sealer, settings.oidc_issuer, client.client_id),
        claim_once,
        clock,
        secure=public_url.startswith("https:"),
    )


def _secret(path: str) -> str:
    name = "TRADEPLANE_OIDC_CLIENT_SECRET_FILE"
    try:
        text = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{name}: {path} cannot be read: {error}") from error
    if not 0 < len(text) <= _SECRET_MAX or not text.isprintable():
        raise Misconfigured(f"{name}: {path} must hold the client's secret, in one line")
    return text
