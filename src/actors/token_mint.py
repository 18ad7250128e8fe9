"""Where access tokens are signed, and where the signing keys are looked after."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable

from actors.shell import Shell
from tradeplane.auth.answers import Tokens
from tradeplane.auth.commands import TendSigningKeys
from tradeplane.auth.identity import Identity
from tradeplane.auth.principal import Origin
from tradeplane.auth.queries import FindSigningSecret
from tradeplane.auth.replies import ClientGranted, SessionGranted, SigningSecretFound
from tradeplane.auth.signing import is_due
from tradeplane.auth.tokens import AUDIENCE, Claims, make_token
from tradeplane.clock import NS_PER_S, Clock
from tradeplane.errors import TradeplaneError

REFRESH_PREFIX = "tpr_"
_TEND_S = 1.0


class TokenMint:
    """Signs tokens for what the component has granted.

    Args:
        shell: hosts the component.
        issuer: the URL of this installation, which tokens name.
        clock: wall time.
        random: makes random bytes.
    """

    def __init__(
        self,
        shell: Shell,
        issuer: str,
        clock: Clock,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._shell = shell
        self._issuer = issuer
        self._clock = clock
        self._random = random

    async def for_session(self, granted: SessionGranted, secret: str) -> Tokens:
        """Return tokens for a session whose refresh secret is *secret*.

        Raises:
            ServiceFailed: no key signs yet, or the component is away.
        """
        now_ns = self._clock.wall_ns()
        claims = Claims(
            iss=self._issuer,
            aud=AUDIENCE,
            sub=granted.user_id,
            client_id=granted.client_id,
            sid=granted.session_id,
            tid=granted.tenant_id,
            scope=granted.scope,
            iat=now_ns // NS_PER_S,
            nbf=now_ns // NS_PER_S,
            exp=min(now_ns + self._identity.limits.access_ns, granted.expires_ns) // NS_PER_S,
            jti=self._random(16).hex(),
        )
        refresh_token = f"{REFRESH_PREFIX}{granted.session_id}.{secret}"
        return await self._tokens(claims, refresh_token)

    async def for_client(self, granted: ClientGranted) -> Tokens:
        """Return a token for a client that acts for itself.

        Raises:
            ServiceFailed: no key signs yet, or the component is away.
        """
        now_ns = self._clock.wall_ns()
        claims = Claims(
            iss=self._issuer,
            aud=AUDIENCE,
            sub=granted.client_id,
            client_id=granted.client_id,
            sid="",
            tid=granted.tenant_id,
            scope=granted.scope,
            iat=now_ns // NS_PER_S,
            nbf=now_ns // NS_PER_S,
            exp=(now_ns + self._identity.limits.access_ns) // NS_PER_S,
            jti=granted.token_id,
        )
        return await self._tokens(claims, "")

    async def _tokens(self, claims: Claims, refresh_token: str) -> Tokens:
        key: SigningSecretFound = await self._shell.look(FindSigningSecret())
        token = make_token(key.kid, bytes.fromhex(key.seed), claims)
        return Tokens(token, refresh_token, max(claims.exp - claims.iat, 0), claims.scope)

    async def tend(self) -> None:
        """Do with the signing keys what is due, for ever."""
        while True:
            with contextlib.suppress(TradeplaneError):
                await self.tend_once()
            await asyncio.sleep(_TEND_S)

    async def tend_once(self) -> None:
        """Do with the signing keys what is due now.

        Raises:
            ServiceFailed: the component cannot take commands.
        """
        identity = self._identity
        if is_due(identity.state, self._clock.wall_ns(), identity.limits):
            await self._shell.execute(TendSigningKeys(by=Origin("system"), seed=self._random(32)))

    @property
    def _identity(self) -> Identity:
        component = self._shell.component
        assert isinstance(component, Identity), "the mint stands beside identity"
        return component
