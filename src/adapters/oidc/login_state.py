"""What a login remembers between its two requests, sealed into the ``state`` of OAuth itself.

So no replica has to remember it, and whichever gets the second request can finish. The state passes
the provider and the browser; neither can read or change it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re

import msgspec

from tradeplane.auth.secretive import Secretive
from tradeplane.clock import NS_PER_S
from tradeplane.encryption.sealer import Sealer
from tradeplane.errors import NotAuthenticated, SealBroken

LIFE_S = 600
"""How long a user may take at the provider."""
RANDOM_BYTES = 96
"""How many random bytes a login takes."""
_PART_BYTES = 32
_STATE_MAX = 1_024
_STATE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class LoginState(Secretive, frozen=True, array_like=True):
    """One login under way.

    Attributes:
        login_id: what is used up when it is finished; also the nonce of the identity token.
        verifier: the secret behind the code challenge (RFC 7636).
        browser_sha256: digest of what the browser's cookie holds.
        expires_ns: until when it can be finished.
    """

    login_id: str
    verifier: str
    browser_sha256: bytes
    expires_ns: int

    @property
    def challenge(self) -> str:
        """The code challenge of method S256."""
        return _text(hashlib.sha256(self.verifier.encode()).digest())


class LoginStates:
    """Makes states and opens them.

    Args:
        sealer: seals them.
        issuer: the provider.
        client_id: this installation there; states of other ones are refused.
    """

    def __init__(self, sealer: Sealer, issuer: str, client_id: str) -> None:
        self._sealer = sealer
        self._context = msgspec.json.encode(("external login", issuer, client_id))

    def begin(self, random: bytes, now_ns: int) -> tuple[LoginState, str, str]:
        """Return a new login, its state, and the secret for the browser.

        Args:
            random: :data:`RANDOM_BYTES` random bytes.
            now_ns: wall time.

        Raises:
            JournalUnavailable: the key cannot be fetched now.
        """
        assert len(random) == RANDOM_BYTES, "the caller brings the random bytes"
        login_id, verifier, browser_secret = (
            _text(random[start : start + _PART_BYTES])
            for start in range(0, RANDOM_BYTES, _PART_BYTES)
        )
        login = LoginState(login_id, verifier, _digest(browser_secret), now_ns + LIFE_S * NS_PER_S)
        sealed = self._sealer.seal(msgspec.msgpack.encode(login), self._context)
        return login, _text(sealed), browser_secret

    def open(self, state: str, browser_secret: str, now_ns: int) -> LoginState:
        """Return the login behind *state*.

        Raises:
            NotAuthenticated: it is none of ours, too old, or another browser's; not said which.
            JournalUnavailable: the key cannot be fetched now.
        """
        if len(state) > _STATE_MAX or _STATE.fullmatch(state) is None:
            raise _refused()
        try:
            sealed = base64.urlsafe_b64decode(state + "=" * (-len(state) % 4))
            plain = self._sealer.open(sealed, self._context)
        except (SealBroken, binascii.Error):
            raise _refused() from None
        login = msgspec.msgpack.decode(plain, type=LoginState)
        same_browser = hmac.compare_digest(_digest(browser_secret), login.browser_sha256)
        if not same_browser or now_ns >= login.expires_ns:
            raise _refused()
        return login


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="replace")).digest()


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _refused() -> NotAuthenticated:
    return NotAuthenticated(
        "this login was not begun in this browser, or it is over; begin anew at /auth/oidc/start"
    )
