"""What clients send about identity. Unknown fields are refused, secrets are not shown."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from serve.wire.decimals import DecimalText, Timestamp, Uuid
from tradeplane.auth.answers import GrantType
from tradeplane.auth.secretive import Secretive

Role = Literal["trader", "researcher", "operator", "auditor", "admin"]
_Username = Annotated[str, Meta(min_length=1, max_length=256)]
_Password = Annotated[str, Meta(min_length=1, max_length=1_024)]
_Code = Annotated[str, Meta(min_length=1, max_length=64)]
_Token = Annotated[str, Meta(min_length=1, max_length=4_096)]
_Scopes = Annotated[tuple[str, ...], Meta(max_length=32)]
_Name = Annotated[str, Meta(min_length=1, max_length=100)]
_Uri = Annotated[str, Meta(min_length=1, max_length=500)]


class LoginRequest(Secretive, frozen=True, forbid_unknown_fields=True):
    """A login; *otp* is a one-time or recovery code, where the user has a second factor."""

    username: _Username
    password: _Password
    otp: _Code | None = None


class RefreshRequest(Secretive, frozen=True, forbid_unknown_fields=True):
    """An exchange of a refresh token."""

    refresh_token: _Token


class PasswordRequest(Secretive, frozen=True, forbid_unknown_fields=True):
    """A change of one's own password."""

    old_password: _Password
    new_password: _Password


class MfaRequest(Secretive, frozen=True, forbid_unknown_fields=True):
    """The begin of an enrolment."""

    password: _Password


class MfaConfirmRequest(Secretive, frozen=True, forbid_unknown_fields=True):
    """The first code of an enrolled second factor."""

    code: _Code


class MfaEndRequest(Secretive, frozen=True, forbid_unknown_fields=True):
    """The end of a second factor; *code* is a one-time or recovery code."""

    password: _Password
    code: _Code


class KeyRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An API key to be made.

    Attributes:
        role: within its owner's; null for the owner's.
        scopes: actions that it is limited to; empty for no limit beyond the role's.
        expires_at: when it ends; null for never.
    """

    account_id: Uuid
    role: Role | None = None
    scopes: _Scopes = ()
    expires_at: Timestamp | None = None


class TenantRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A firm to be made."""

    tenant_id: Annotated[str, Meta(min_length=1, max_length=40)]
    name: _Name


class UserRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A login to be made. Its first password is made at random: nobody chooses for another."""

    username: Annotated[str, Meta(min_length=1, max_length=64)]
    email: Annotated[str, Meta(max_length=254)] = ""
    role: Role = "trader"


class RoleRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another role."""

    role: Role


class ExternalRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An identity at an external provider."""

    issuer: _Uri
    subject: Annotated[str, Meta(min_length=1, max_length=255)]


class AccountRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A trading account to be opened."""

    user_id: Uuid
    cash: DecimalText


class ClientRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An OAuth client to be made; see ``ClientBody`` for the fields."""

    name: _Name
    scopes: _Scopes
    redirect_uris: Annotated[tuple[_Uri, ...], Meta(max_length=10)] = ()
    grant_types: Annotated[tuple[GrantType, ...], Meta(max_length=3)] = (
        "authorization_code",
        "refresh_token",
    )
    confidential: bool = False
    role: Role = "researcher"
    account_id: Uuid | None = None


class PoliciesRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Policies to be put in force.

    Attributes:
        version: the version that they replace.
        documents: the text of each file by its name; none brings the installation's own back.
    """

    version: Annotated[int, Meta(ge=0, le=2**53)]
    documents: dict[str, str]
