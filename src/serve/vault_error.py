"""Errors as Vault says them, for the paths that its clients use."""

from __future__ import annotations

import msgspec

from serve.exchange import JSON, Reply

ROOT = "/v1/transit"
_encode = msgspec.json.Encoder().encode
_STATUSES = {401: 403, 422: 400}
"""Vault has one status for every credential that will not do, and one for every bad request."""


class VaultErrors(msgspec.Struct, frozen=True):
    """The body of every refusal under ``/v1/transit``.

    Attributes:
        errors: what was wrong, in words.
    """

    errors: list[str]


class _Told(msgspec.Struct):
    message: str = ""


def speaks_vault(path: str) -> bool:
    """Return whether errors on *path* are Vault's."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def as_vault_error(reply: Reply) -> Reply:
    """Return *reply*, an error of the usual form, in Vault's; one that has it already stays."""
    if reply.media_type != JSON or reply.body.startswith((b'{"errors"', b'{"request_id"')):
        return reply
    message = msgspec.json.decode(reply.body, type=_Told).message
    if reply.status in {401, 403}:
        message = "permission denied"
    reply.status = _STATUSES.get(reply.status, reply.status)
    reply.body = _encode(VaultErrors([message]))
    # The challenge belongs to a 401 and would ask a browser for a password.
    reply.headers = tuple(header for header in reply.headers if header[0] != b"www-authenticate")
    return reply
