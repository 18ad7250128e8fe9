"""What the writer of identity keeps of users, sessions and codes. All of it is private."""

from __future__ import annotations

import msgspec

ANCESTORS_KEPT = 64
"""Hashes of used refresh tokens that a session remembers, to know a stolen one when it comes."""


class Attempts(msgspec.Struct, frozen=True, array_like=True):
    """Failures in a row, the last one's time, and until when nothing is looked at."""

    failures: int = 0
    last_ns: int = 0
    until_ns: int = 0


class Mfa(msgspec.Struct, frozen=True, array_like=True):
    """A second factor in force; *step* is the last time step whose code was used."""

    secret: str
    step: int
    recovery_sha256: tuple[str, ...]


class Enrollment(msgspec.Struct, frozen=True, array_like=True):
    """A second factor that waits for its first code."""

    secret: str
    expires_ns: int


class Profile(msgspec.Struct, frozen=True, array_like=True):
    """What is private of a user.

    Attributes:
        generation: counts password hashes, so that a check against an old one is worth nothing.
        passwords: failed attempts with the password.
        codes: failed attempts with one-time codes.
        externals: linked identities, issuer and subject.
    """

    username: str
    email: str
    password_phc: str
    temporary: bool
    generation: int
    created_ns: int
    passwords: Attempts = Attempts()
    codes: Attempts = Attempts()
    mfa: Mfa | None = None
    enrollment: Enrollment | None = None
    externals: tuple[tuple[str, str], ...] = ()


class Session(msgspec.Struct, frozen=True, array_like=True):
    """An open session and its family of refresh tokens.

    Attributes:
        generation: of the current refresh token; the first is 0.
        current_sha256: the one that will be accepted next.
        previous_sha256: its predecessor; empty for the first.
        ancestors: hashes of those before, newest last, shortened.
    """

    user_id: str
    tenant_id: str
    client_id: str
    scope: str
    method: str
    created_ns: int
    used_ns: int
    idle_expires_ns: int
    expires_ns: int
    generation: int
    current_sha256: str
    previous_sha256: str = ""
    ancestors: tuple[str, ...] = ()


class Code(msgspec.Struct, frozen=True, array_like=True):
    """An authorization code; *session_id* is what it has opened, if it was used."""

    client_id: str
    redirect_uri: str
    user_id: str
    tenant_id: str
    scope: str
    code_challenge: str
    expires_ns: int
    session_id: str = ""
