"""What happened in identity and is nobody's business: the journal keeps these, sealed.

Subscribers see that there was an event, and nothing of it.
"""

from __future__ import annotations

from tradeplane.auth.events import DirectoryEvent, Event


class UserIntroduced(Event, frozen=True):
    """What a user is called and proves itself with.

    Attributes:
        password_phc: Argon2id hash in PHC form; the password itself is nowhere.
        temporary: an administrator has set the password.
    """

    user_id: str
    username: str
    email: str
    password_phc: str
    temporary: bool

    def __repr__(self) -> str:
        """Name the user, nothing else."""
        return f"UserIntroduced(user_id={self.user_id!r})"


class PasswordSet(Event, frozen=True):
    """A user has another password hash.

    Attributes:
        how: ``changed`` by the user, ``reset`` by an administrator, or ``rehashed``: the same
            password under newer parameters.
    """

    user_id: str
    tenant_id: str
    password_phc: str
    temporary: bool
    how: str

    def __repr__(self) -> str:
        """Name the user, nothing else."""
        return f"PasswordSet(user_id={self.user_id!r}, how={self.how!r})"


class AttemptFailed(Event, frozen=True):
    """A wrong password or code.

    Attributes:
        user_id: empty for a name that nobody has.
        name_sha256: the name that was tried; empty where the user was known already.
        factor: ``password`` or ``code``.
        failures: how many in a row.
        until_ns: until when further attempts are not even looked at; 0 for no wait.
    """

    user_id: str
    tenant_id: str
    name_sha256: str
    factor: str
    failures: int
    until_ns: int


class SessionOpened(Event, frozen=True):
    """A user is logged in; see ``SessionFound`` for the fields."""

    session_id: str
    user_id: str
    tenant_id: str
    client_id: str
    scope: str
    method: str
    secret_sha256: str
    idle_expires_ns: int
    expires_ns: int


class RefreshRotated(Event, frozen=True):
    """A refresh token was used, and its successor is *generation*."""

    session_id: str
    user_id: str
    tenant_id: str
    generation: int
    secret_sha256: str
    idle_expires_ns: int


class MfaEnrollmentStarted(Event, frozen=True):
    """A second factor waits for its first code."""

    user_id: str
    tenant_id: str
    secret: str
    expires_ns: int

    def __repr__(self) -> str:
        """Name the user, nothing else."""
        return f"MfaEnrollmentStarted(user_id={self.user_id!r})"


class MfaEnabled(Event, frozen=True):
    """The enrolled factor is in force; *step* is the time step of the code that proved it."""

    user_id: str
    tenant_id: str
    step: int
    recovery_sha256: tuple[str, ...]


class MfaCodeUsed(Event, frozen=True):
    """A one-time code was right; no code of *step* or before will be again."""

    user_id: str
    tenant_id: str
    step: int


class RecoveryCodeUsed(Event, frozen=True):
    """A recovery code was right, once."""

    user_id: str
    tenant_id: str
    code_sha256: str


class MfaDisabled(Event, frozen=True):
    """A user has no second factor any more; *how*: ``user`` or ``reset`` by an administrator."""

    user_id: str
    tenant_id: str
    how: str


class CodeIssued(Event, frozen=True):
    """An authorization code waits for its client."""

    code_sha256: str
    client_id: str
    redirect_uri: str
    user_id: str
    tenant_id: str
    scope: str
    code_challenge: str
    expires_ns: int


class CodeRedeemed(Event, frozen=True):
    """A code has opened a session, and opens no other."""

    code_sha256: str
    session_id: str


class ClientTokenIssued(Event, frozen=True):
    """A client got a token for itself."""

    client_id: str
    tenant_id: str
    token_id: str
    scope: str


class ExternalLinked(Event, frozen=True):
    """An external identity opens sessions of a user."""

    user_id: str
    tenant_id: str
    issuer: str
    subject: str

    def __repr__(self) -> str:
        """Name the user, nothing of the person."""
        return f"ExternalLinked(user_id={self.user_id!r})"


class ExternalUnlinked(Event, frozen=True):
    """The identities of an issuer open no sessions of a user any more."""

    user_id: str
    tenant_id: str
    issuer: str


class OnceClaimed(Event, frozen=True):
    """Something that is good once was used."""

    key_sha256: str
    expires_ns: int


class SigningKeyStored(Event, frozen=True):
    """The private half of a signing key, 32 bytes in hex."""

    kid: str
    seed: str

    def __repr__(self) -> str:
        """Name the key, nothing else."""
        return f"SigningKeyStored(kid={self.kid!r})"


PrivateEvent = (
    UserIntroduced
    | PasswordSet
    | AttemptFailed
    | SessionOpened
    | RefreshRotated
    | MfaEnrollmentStarted
    | MfaEnabled
    | MfaCodeUsed
    | RecoveryCodeUsed
    | MfaDisabled
    | CodeIssued
    | CodeRedeemed
    | ClientTokenIssued
    | ExternalLinked
    | ExternalUnlinked
    | OnceClaimed
    | SigningKeyStored
)
"""What subscribers must not see."""

IdentityEvent = DirectoryEvent | PrivateEvent
"""Everything that the journal of identity holds."""
