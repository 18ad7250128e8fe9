"""Which root key a URL means."""

from __future__ import annotations

from pathlib import Path

from adapters.keys.file_root_key import NAME, FileRootKey
from adapters.keys.kms_root_key import KmsRootKey
from adapters.keys.root_key import RootKey
from tradeplane.errors import Misconfigured

KMS_SCHEME = "awskms:///"


def open_root_key(url: str, home: str) -> RootKey:
    """Return the root key that *url* names, empty for the file in *home*.

    Raises:
        Misconfigured: the URL is malformed, or the key is missing or may not be used.
        RootKeyUnavailable: the key cannot be used now.
    """
    if not url:
        return FileRootKey(Path(home) / NAME)
    name = url.removeprefix(KMS_SCHEME)
    if name == url or not name:
        raise Misconfigured("the root key URL must be empty or like awskms:///alias/tradeplane")
    return KmsRootKey(name)
