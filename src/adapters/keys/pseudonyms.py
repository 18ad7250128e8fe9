"""Keyed pseudonyms: the same address has the same name, and nobody without the key finds it."""

from __future__ import annotations

import hashlib
import hmac

from adapters.keys.data_keys import DataKeys

PURPOSE = "pseudonym"
_DIGITS = 16


class Pseudonyms:
    """Names for what logs and the audit log must tell apart but not know, such as addresses.

    Args:
        keys: the data keys; names change when ``pseudonym`` is rotated, with the next process.
    """

    def __init__(self, keys: DataKeys) -> None:
        self._secret = keys.newest(PURPOSE).secret

    def __repr__(self) -> str:
        return "Pseudonyms()"

    def of(self, address: str) -> str:
        """Return 16 hexadecimal digits for *address*, nothing for nothing."""
        if not address:
            return ""
        digest = hmac.new(self._secret, address.encode(errors="replace"), hashlib.sha256)
        return digest.hexdigest()[:_DIGITS]
