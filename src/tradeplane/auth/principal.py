"""Who is asking, and where a command came from."""

from __future__ import annotations

from typing import Literal

import msgspec

ROLES = ("trader", "researcher", "operator", "auditor", "admin")
"""What a user can be; the policies say what each may do."""

HOME_TENANT = "default"
"""The tenant of the installation itself; its administrators manage tenants and policies."""

SubjectKind = Literal["user", "key", "client", "operator", "system"]


class Principal(msgspec.Struct, frozen=True):
    """Who is asking, after authentication.

    Attributes:
        key_id: what the rate limit counts by: the API key's id, or the session's, or the client's.
        tenant_id: the firm.
        account_id: the trading account that ``/v2`` means; empty for a subject without one.
        kind: what kind of subject it is.
        subject_id: the user, API key or OAuth client.
        user_id: the person behind it; empty for a client.
        role: one of :data:`ROLES`.
        session_id: the login session behind a token; empty for a key.
        scopes: what the credential is limited to; empty for no limit beyond the role's.
    """

    key_id: str
    tenant_id: str
    account_id: str
    kind: SubjectKind = "key"
    subject_id: str = ""
    user_id: str = ""
    role: str = "trader"
    session_id: str = ""
    scopes: tuple[str, ...] = ()


class Origin(msgspec.Struct, frozen=True, array_like=True):
    """Where a command came from, as the journal and the audit log keep it. No personal data.

    Attributes:
        kind: what kind of subject gave the command.
        subject_id: its id.
        tenant_id: its firm.
        request_id: the HTTP request, when there was one.
        address: a keyed pseudonym of the client's address; never the address.
        reason: why, in the words of an administrator.
    """

    kind: SubjectKind = "system"
    subject_id: str = ""
    tenant_id: str = ""
    request_id: str = ""
    address: str = ""
    reason: str = ""
