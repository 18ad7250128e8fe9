"""Logins at an OpenID provider: one whole, from the first redirect to a proven identity."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable

from adapters.oidc.login_state import LIFE_S, RANDOM_BYTES, LoginStates
from adapters.oidc.provider import OidcProvider
from tradeplane.auth.external_login import ExternalIdentity, LoginBegun, ProviderAnswer
from tradeplane.clock import Clock
from tradeplane.errors import ComponentUnavailable, NotAuthenticated

_CODE = re.compile(r"[\x21-\x7e]{1,2048}", re.ASCII)
_FOR_A_WHILE = {"server_error", "temporarily_unavailable"}
_REASONS = {
    "access_denied",
    "account_selection_required",
    "consent_required",
    "interaction_required",
    "login_required",
}
"""The errors whose name is shown; other text is not repeated to whoever follows a link."""


class OidcLogins:
    """Satisfies :class:`tradeplane.auth.external_login.ExternalLogins`.

    Args:
        provider: who vouches.
        states: what is remembered meanwhile.
        claim_once: uses a key up on every replica, until a time.
        clock: wall time.
        secure: whether browsers come by https.
        random: makes random bytes.
    """

    def __init__(  # noqa: PLR0913  # each is an independent collaborator
        self,
        provider: OidcProvider,
        states: LoginStates,
        claim_once: Callable[[str, int], Awaitable[None]],
        clock: Clock,
        *,
        secure: bool,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._provider = provider
        self._states = states
        self._claim_once = claim_once
        self._clock = clock
        self._random = random
        self._secure = secure

    @property
    def secure(self) -> bool:
        """Whether browsers reach this installation by https."""
        return self._secure

    async def begin(self) -> LoginBegun:
        """Begin a login; see the protocol."""
        # In a thread, because the key that seals may have to come from the database.
        login, state, browser_secret = await asyncio.to_thread(
            self._states.begin, self._random(RANDOM_BYTES), self._clock.wall_ns()
        )
        url = await self._provider.authorization_url(login, state)
        return LoginBegun(url, browser_secret, LIFE_S)

    async def finish(self, answer: ProviderAnswer, browser_secret: str) -> ExternalIdentity:
        """Return who has logged in; see the protocol."""
        login = await asyncio.to_thread(
            self._states.open, answer.state, browser_secret, self._clock.wall_ns()
        )
        await self._provider.check_issuer(answer.issuer)
        _check(answer)
        # Before anything is asked: a second request with the same state gets no further.
        await self._claim_once(f"external-login:{login.login_id}", login.expires_ns)
        subject = await self._provider.subject(answer.code, login)
        return ExternalIdentity(self._provider.issuer, subject)

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self._provider.close()


def _check(answer: ProviderAnswer) -> None:
    """Refuse an answer that carries no code."""
    if answer.error in _FOR_A_WHILE:
        raise ComponentUnavailable("the OpenID provider cannot log anybody in just now")
    if answer.error:
        reason = answer.error if answer.error in _REASONS else "another error"
        raise NotAuthenticated(f"the OpenID provider did not log you in: {reason}")
    if _CODE.fullmatch(answer.code) is None:
        raise NotAuthenticated("the OpenID provider's answer has no code")
