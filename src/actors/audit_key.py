"""The audit log's signing key: made once, kept sealed in the log's own journal."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from actors.shell import Shell
from tradeplane.audit.commands import FoundLog, GetLog, LogFound
from tradeplane.audit.signed_note import NoteSigner
from tradeplane.encryption.sealer import Sealer
from tradeplane.errors import AuditLogDamaged

SEAL_PURPOSE = "audit"
"""The data key that seals the signing key."""

VKEY_FILE = "audit.vkey"
"""The file in the home that holds the public key, for whoever verifies."""

_CONTEXT = b"audit log signing key"
_KEY_BYTES = 32


async def log_signer(shell: Shell, sealer: Sealer) -> NoteSigner:
    """Return the key of the log that *shell* hosts; the log is founded if it was not yet.

    Raises:
        SealBroken: the data key is not the one that sealed it.
        AuditLogDamaged: the key is not the one whose public half was published.
        ServiceFailed: not now; to try again is harmless.
    """
    found: LogFound = await shell.look(GetLog())
    if not found.origin:
        private_key = os.urandom(_KEY_BYTES)
        # The name says which log it is, so that no checkpoint can stand for that of another log.
        signer = NoteSigner(f"tradeplane.audit/{secrets.token_hex(8)}", private_key)
        sealed_key = sealer.seal(private_key, _CONTEXT)
        origin, vkey = signer.verifier.name, signer.verifier.vkey()
        found = await shell.execute(FoundLog(origin, vkey, sealed_key))
    signer = NoteSigner(found.origin, sealer.open(found.sealed_key, _CONTEXT))
    if signer.verifier.vkey() != found.vkey:
        raise AuditLogDamaged("the audit log's private key does not belong to its public key")
    return signer


def publish_vkey(signer: NoteSigner, home: Path) -> None:
    """Write the public key to the file in *home* where a verifier finds it. Idempotent."""
    path = home / VKEY_FILE
    text = signer.verifier.vkey() + "\n"
    if path.exists() and path.read_text() == text:
        return
    temporary = path.with_suffix(".new")
    temporary.write_text(text)
    temporary.replace(path)
