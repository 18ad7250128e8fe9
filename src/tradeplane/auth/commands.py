"""What identity can be told. Random bytes and hashes of passwords come from outside.

Every command says by whom it is given; those of administrators carry their reason there.
"""

from __future__ import annotations

from tradeplane.auth.principal import Origin
from tradeplane.auth.secretive import Secretive
from tradeplane.auth.wanted import ClientWanted, CodeRedemption, CodeWanted, KeyWanted


class Command(Secretive, frozen=True, tag_field="kind", tag=True, kw_only=True):
    """What every command has. None shows its contents, for many carry secrets.

    Attributes:
        by: who gives it, and from where.
        command_id: new for every call and the same for its repetitions, so that it has one effect.
    """

    by: Origin
    command_id: str = ""


class Checked(Command, frozen=True, kw_only=True):
    """A command of a user who has shown a password again.

    Attributes:
        checked: the generation of the password hash that the password was checked against.
        correct: whether it was right.
        session_id: the session that it comes from: the user's own, no client's.
    """

    user_id: str
    checked: int
    correct: bool
    session_id: str = ""


class CreateTenant(Command, frozen=True):
    """Make a firm."""

    tenant_id: str
    name: str


class CreateUser(Command, frozen=True):
    """Make a login.

    Attributes:
        user_id: a new UUID.
        password_phc: Argon2id hash in PHC form; the password itself never comes here.
        temporary: it was not the user who chose the password.
    """

    user_id: str
    tenant_id: str
    username: str
    email: str
    role: str
    password_phc: str
    temporary: bool


class SetRole(Command, frozen=True):
    """Change what a user may do."""

    tenant_id: str
    user_id: str
    role: str


class DisableUser(Command, frozen=True):
    """Lock a user out."""

    tenant_id: str
    user_id: str


class EnableUser(Command, frozen=True):
    """Let a user in again."""

    tenant_id: str
    user_id: str


class ChangePassword(Checked, frozen=True):
    """Change one's own password; the session that it comes from may go on."""

    password_phc: str


class ResetPassword(Command, frozen=True):
    """Set a temporary password, by an administrator."""

    tenant_id: str
    user_id: str
    password_phc: str


class UpgradePassword(Command, frozen=True):
    """Keep the same password under newer parameters."""

    user_id: str
    checked: int
    password_phc: str


class LogIn(Command, frozen=True):
    """Open a session with a password that was checked already.

    Attributes:
        session_id: a new UUID; the same again for a repetition of the same call.
        checked: the generation of the password hash that the password was checked against.
        correct: whether it was right; False for a user who does not exist.
        otp: a one-time or recovery code, or empty.
        secret_sha256: of the first refresh secret.
    """

    session_id: str
    username: str
    checked: int
    correct: bool
    otp: str
    secret_sha256: str


class LogInExternal(Command, frozen=True):
    """Open a session for an external identity that was proven."""

    session_id: str
    issuer: str
    subject: str
    secret_sha256: str


class RefreshSession(Command, frozen=True):
    """Exchange a refresh token.

    Attributes:
        secret: what was presented.
        peppers: the data keys that successors are made with, newest first.
        client_id: who presents it; empty for a direct login.
    """

    session_id: str
    secret: str
    peppers: tuple[bytes, ...]
    client_id: str


class RevokeRefresh(Command, frozen=True):
    """End the session of a refresh token, when it is a right one of this client."""

    session_id: str
    secret: str
    client_id: str


class EndSession(Command, frozen=True):
    """End a session; *user_id* or *tenant_id*, whichever is given, must be its own."""

    session_id: str
    user_id: str
    tenant_id: str
    reason: str


class EndAllSessions(Command, frozen=True):
    """End every session of a user of the tenant."""

    tenant_id: str
    user_id: str


class RevokeToken(Command, frozen=True):
    """Make one access token good for nothing."""

    token_id: str
    tenant_id: str
    until_ns: int


class EnrollMfa(Checked, frozen=True):
    """Begin with a second factor; *secret* is 20 random bytes."""

    secret: bytes


class ConfirmMfa(Command, frozen=True, kw_only=True):
    """Put the second factor in force; the recovery codes are random and shown once."""

    user_id: str
    session_id: str = ""
    code: str
    recovery_codes: tuple[str, ...]


class DisableMfa(Checked, frozen=True):
    """Take one's own second factor away."""

    code: str


class ResetMfa(Command, frozen=True):
    """Take a user's second factor away, by an administrator."""

    tenant_id: str
    user_id: str


class RegisterAccount(Command, frozen=True):
    """Note whose a trading account is, and which ledger shard holds it."""

    account_id: str
    tenant_id: str
    user_id: str
    shard: int


class CreateKey(Command, frozen=True):
    """Let *key_id* with the secret behind *secret_sha256* open an account."""

    key_id: str
    secret_sha256: str
    tenant_id: str
    wanted: KeyWanted


class RevokeKey(Command, frozen=True):
    """End a key for good."""

    key_id: str
    tenant_id: str


class CreateClient(Command, frozen=True):
    """Make an OAuth client; *secret_sha256* is empty for a public one."""

    client_id: str
    tenant_id: str
    secret_sha256: str
    wanted: ClientWanted


class DeleteClient(Command, frozen=True):
    """End an OAuth client with all it holds."""

    client_id: str
    tenant_id: str


class IssueClientToken(Command, frozen=True):
    """Give a client a token for itself."""

    client_id: str
    client_secret: str
    scope: str
    token_id: str


class IssueCode(Command, frozen=True):
    """Issue an authorization code to the user of a session."""

    code_sha256: str
    user_id: str
    session_id: str
    wanted: CodeWanted


class RedeemCode(Command, frozen=True):
    """Open a client's session with a code; *session_id* is a new UUID."""

    session_id: str
    redemption: CodeRedemption
    secret_sha256: str


class LinkExternal(Command, frozen=True):
    """Let an external identity open sessions of a user."""

    tenant_id: str
    user_id: str
    issuer: str
    subject: str


class UnlinkExternal(Command, frozen=True):
    """Take the identities of an issuer away from a user."""

    tenant_id: str
    user_id: str
    issuer: str


class ClaimOnce(Command, frozen=True):
    """Use a key up."""

    key: str
    expires_ns: int


class TendSigningKeys(Command, frozen=True):
    """Do with the signing keys what is due; *seed*, 32 random bytes, makes a new one if one is."""

    seed: bytes


class RotateSigningKey(Command, frozen=True):
    """Publish a new signing key now."""

    seed: bytes


class ReplacePolicies(Command, frozen=True):
    """Put other policies in force; *version* is the one that they replace."""

    version: int
    documents: dict[str, str]


IdentityCommand = (
    CreateTenant
    | CreateUser
    | SetRole
    | DisableUser
    | EnableUser
    | ChangePassword
    | ResetPassword
    | UpgradePassword
    | LogIn
    | LogInExternal
    | RefreshSession
    | RevokeRefresh
    | EndSession
    | EndAllSessions
    | RevokeToken
    | EnrollMfa
    | ConfirmMfa
    | DisableMfa
    | ResetMfa
    | RegisterAccount
    | CreateKey
    | RevokeKey
    | CreateClient
    | DeleteClient
    | IssueClientToken
    | IssueCode
    | RedeemCode
    | LinkExternal
    | UnlinkExternal
    | ClaimOnce
    | TendSigningKeys
    | RotateSigningKey
    | ReplacePolicies
)
