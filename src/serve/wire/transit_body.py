"""Answers under ``/v1/transit``, in Vault's words."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from serve.exchange import Exchange, Reply
from tradeplane.clock import NS_PER_S
from tradeplane.encryption.key_ring import KeyRing

_encode = msgspec.json.Encoder().encode


class Answered(msgspec.Struct, frozen=True):
    """The envelope around every answer with a body; only ``data`` differs.

    Attributes:
        request_id: the request's id.
        data: the answer itself.
    """

    request_id: str
    data: dict[str, Any]
    lease_id: str = ""
    renewable: bool = False
    lease_duration: int = 0
    wrap_info: None = None
    warnings: None = None
    auth: None = None


def answer(exchange: Exchange, data: dict[str, Any], status: int = 200) -> Reply:
    """Return *data* in the envelope."""
    return Reply(status, _encode(Answered(exchange.request_id.decode(), data)))


def key_body(name: str, ring: KeyRing) -> dict[str, Any]:
    """Return what is known of a key: everything but its secrets."""
    abilities = ring.abilities
    keys: dict[str, Any] = {}
    for number, version in ring.versions.items():
        if number > ring.active or number < ring.min_decryption_version:
            # Vault shows the versions that work.
            continue
        seconds = version.added_ns // NS_PER_S
        if abilities.symmetric:
            keys[str(number)] = seconds
        else:
            made = datetime.fromtimestamp(seconds, UTC)
            keys[str(number)] = {
                "creation_time": made.isoformat().replace("+00:00", "Z"),
                "name": ring.key_kind if not abilities.rsa_bits else "rsa",
                "public_key": version.material.public_key,
            }
    trimmed = ring.min_available_version
    return {
        "name": name,
        "type": ring.key_kind,
        "keys": keys,
        "latest_version": ring.active,
        "min_available_version": trimmed if trimmed > 1 else 0,
        "min_decryption_version": ring.min_decryption_version,
        "min_encryption_version": ring.min_encryption_version,
        "deletion_allowed": ring.deletion_allowed,
        "exportable": ring.exportable,
        "allow_plaintext_backup": False,
        "derived": False,
        "imported_key": False,
        "auto_rotate_period": 0,
        "supports_encryption": abilities.encrypts,
        "supports_decryption": abilities.encrypts,
        "supports_derivation": False,
        "supports_signing": abilities.signs,
    }
