"""The port of logins with an external identity, as an OpenID provider vouches for it."""

from __future__ import annotations

from typing import Protocol

import msgspec

from tradeplane.auth.secretive import Secretive


class LoginBegun(Secretive, frozen=True):
    """A login that the user goes on with at the provider.

    Attributes:
        url: where the browser goes.
        browser_secret: what the browser keeps in a cookie, so that no other one can finish.
        life_s: seconds that the user has.
    """

    url: str
    browser_secret: str
    life_s: int


class ProviderAnswer(Secretive, frozen=True):
    """What the browser brings back from the provider: query parameters, empty when absent.

    Attributes:
        state: which login it is.
        code: what the provider gives the identity for.
        error: why it does not, in a word of OAuth's.
        issuer: who answers (RFC 9207).
    """

    state: str
    code: str = ""
    error: str = ""
    issuer: str = ""


class ExternalIdentity(msgspec.Struct, frozen=True):
    """Who somebody is at the provider.

    Attributes:
        issuer: the provider.
        subject: the person; unique there and never given to another.
    """

    issuer: str
    subject: str


class ExternalLogins(Protocol):
    """Logins at one provider. Any replica can finish what another began."""

    @property
    def secure(self) -> bool:
        """Whether browsers reach this installation by https, so that its cookies need it."""

    async def begin(self) -> LoginBegun:
        """Begin a login.

        Raises:
            ComponentUnavailable: the provider cannot be reached, or answers wrongly.
            Misconfigured: the provider and the settings do not fit.
        """

    async def finish(self, answer: ProviderAnswer, browser_secret: str) -> ExternalIdentity:
        """Return who has logged in. Each login is finished once.

        Args:
            answer: what the browser brings.
            browser_secret: what its cookie holds.

        Raises:
            NotAuthenticated: not a login of ours, another browser's, too old, finished before,
                refused by the provider, or without the proof of an identity.
            ComponentUnavailable: the provider cannot be reached, or answers wrongly; begin anew.
            Misconfigured: the provider does not know this installation.
        """
