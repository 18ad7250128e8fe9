"""What a password must be: long, and not guessable from what everybody knows.

NIST SP 800-63B-4, section 3.1.1.2: at least 15 characters where the password may be the only
factor, no rules of composition, and a comparison with values that are expected or commonly used.
Lists of leaked passwords hold almost nothing of 15 characters, so the comparison here is with the
patterns that people stretch to that length: names they are asked for, words everyone uses, runs of
the keyboard, and repetition of something short.
"""

from __future__ import annotations

import unicodedata

from tradeplane.errors import InvalidRequest

LENGTH_MIN = 15
LENGTH_MAX = 128
_REST_MIN = 8
_DISTINCT_MIN = 5
_RUN_MIN = 4
_COMMON = (
    "tradeplane", "alpaca", "trading", "trader", "broker", "password", "passwort", "passphrase",
    "passw", "letmein", "welcome", "changeme", "default", "administrator", "admin", "iloveyou",
    "monkey", "dragon", "football", "baseball", "superman", "batman", "master", "sunshine",
    "princess", "secret", "login", "qwerty", "qwertz", "azerty", "whatever", "trustno", "access",
    "summer", "winter", "spring", "autumn", "correcthorsebatterystaple",
)  # fmt: skip
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiopasdfghjklzxcvbnm",
    "qwertzuiopasdfghjklyxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
)
_LEET = str.maketrans("013457@$!", "oieastasi")


def normalized(password: str) -> str:
    """Return *password* as it is hashed: in Unicode's NFC, so that keyboards agree."""
    return unicodedata.normalize("NFC", password)


def check_password(password: str, username: str, email: str = "") -> None:
    """Refuse a password that is too short, too long, or built from what everybody knows.

    Raises:
        InvalidRequest: it is; the message says which, and never repeats the password.
    """
    password = normalized(password)
    if not LENGTH_MIN <= len(password) <= LENGTH_MAX:
        raise InvalidRequest(f"a password has {LENGTH_MIN} to {LENGTH_MAX} characters")
    try:
        password.encode()
    except UnicodeEncodeError:
        raise InvalidRequest("a password consists of Unicode characters") from None
    folded = password.casefold()
    if len(set(folded)) < _DISTINCT_MIN or _is_repetition(folded):
        raise InvalidRequest("this password repeats something short; choose another")
    expected = [*_names(username, email), *_COMMON]
    spellings = {folded, folded.translate(_LEET)}
    spellings |= {"".join(filter(str.isalnum, text)) for text in spellings}
    rest = min((_without(text, expected) for text in spellings), key=len)
    if len(rest) < _REST_MIN:
        raise InvalidRequest(
            "this password consists of names, common words or runs of the keyboard; "
            f"add at least {_REST_MIN} characters of something else, or choose another"
        )


def _names(username: str, email: str) -> list[str]:
    """Return what is known of the user: the names, and their parts."""
    names = [username.casefold(), *email.casefold().split("@")]
    parts = [part for name in names for part in name.replace("_", ".").replace("-", ".").split(".")]
    return [name for name in (*names, *parts) if len(name) >= 3]


def _without(text: str, expected: list[str]) -> str:
    """Return what is left of *text* without *expected* words, runs and separators."""
    for word in sorted(set(expected), key=len, reverse=True):
        text = text.replace(word, " ").replace(word[::-1], " ")
    kept: list[str] = []
    at = 0
    while at < len(text):
        length = _run_length(text, at)
        if length >= _RUN_MIN:
            at += length
            continue
        if text[at].isalnum() or not text[at].isascii():
            kept.append(text[at])
        at += 1
    return "".join(kept)


def _run_length(text: str, at: int) -> int:
    """Return how many characters from *at* on follow a row of the keyboard, or repeat one."""
    longest = 1
    for row in (*_ROWS, *(row[::-1] for row in _ROWS), text[at] * 32):
        length = 1
        while at + length < len(text) and text[at : at + length + 1] in row:
            length += 1
        longest = max(longest, length)
    return longest


def _is_repetition(text: str) -> bool:
    """Return whether *text* is something that is too short itself, again and again."""
    return any(
        text == (text[:size] * (len(text) // size + 1))[: len(text)]
        for size in range(1, min(len(text) // 2, LENGTH_MIN - 1) + 1)
    )
