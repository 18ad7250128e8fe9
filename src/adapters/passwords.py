"""Password hashes: Argon2id (RFC 9106) in PHC form."""

from __future__ import annotations

import os

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

# OWASP ASVS 5.0, V11.4: 46 MiB, one pass, one lane.
_MEMORY_KIB = 47_104
_PASSES = 1
_LANES = 1


def hash_password(password: str) -> str:
    """Return the PHC string of *password* under a new random salt."""
    kdf = Argon2id(
        salt=os.urandom(16), length=32, iterations=_PASSES, lanes=_LANES, memory_cost=_MEMORY_KIB
    )
    return kdf.derive_phc_encoded(password.encode())
