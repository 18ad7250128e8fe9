"""The lives of sessions, keys and signing keys, as tables: what is not in one cannot happen."""

from __future__ import annotations

from collections.abc import Mapping

SESSION_ENDS = {
    "logout": "the user logged out",
    "revoked": "the user, an administrator or the client ended it",
    "reuse": "a refresh token came that had been used before: taken for stolen",
    "code_reuse": "the authorization code that opened it came again: taken for stolen",
    "expired": "it was idle or old for too long",
    "displaced": "the user opened too many others since it was last used",
    "password": "the password was changed or reset",
    "mfa": "an administrator took the second factor away",
    "disabled": "the user was locked out",
    "client": "the OAuth client that held it was deleted",
}
"""Why a session ends. An ended session never opens again."""

PRESENTED = {
    # what the presented refresh token is -> what is done
    "current": "rotate",
    "previous": "repeat",  # within the grace time: an honest client whose answer was lost
    "late": "end",  # the previous one after the grace time
    "ancestor": "end",  # one before that
    "unknown": "refuse",  # nobody's: a wrong secret burns nothing
}
"""What a refresh token can turn out to be, and the answer to it."""

KEY_LIFE: Mapping[tuple[str, str], str] = {
    ("absent", "KeyCreated"): "live",
    ("live", "KeyRevoked"): "revoked",
    ("live", "expire"): "expired",
    ("expired", "KeyRevoked"): "revoked",
}
"""An API key's life, by event; ``expire`` is the time's doing."""

SIGNING_KEY_LIFE: Mapping[str, str] = {
    "published": "signing",  # when every replica that may answer knows it
    "signing": "retiring",  # when its successor signs
    "retiring": "retired",  # when the last token that it signed has expired
}
"""A signing key's next state, by its state; ``retired`` has none."""

SIGNING_KEY_STATES = ("published", "signing", "retiring", "retired")
