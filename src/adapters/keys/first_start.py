"""The root key of a new installation, and the check of an old one."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine, select

from adapters.database.schema import DATA_KEYS
from adapters.database.transaction import reading
from adapters.keys.data_keys import DataKeys
from adapters.keys.file_root_key import NAME, FileRootKey
from adapters.keys.root_key_choice import open_root_key
from tradeplane.errors import Misconfigured
from tradeplane.settings import Settings


def prepare_keys(engine: Engine, settings: Settings) -> None:
    """Make the root key's file when this installation is new; else check that the key fits.

    Args:
        engine: the migrated database.
        settings: the installation's settings, resolved.

    Raises:
        Misconfigured: the root key is missing, unsafe, or belongs to another database.
        RootKeyUnavailable: it cannot be used now.
    """
    path = Path(settings.home) / NAME
    if not settings.root_key_url and not path.exists():
        with reading(engine) as connection:
            used = connection.execute(select(DATA_KEYS.c.version).limit(1)).first() is not None
        if used:
            raise Misconfigured(
                f"the root key {path} is missing, and this database has data keys that it wraps; "
                "restore the file from its backup, or set TRADEPLANE_ROOT_KEY_URL"
            )
        FileRootKey.create(path)
    DataKeys(engine, open_root_key(settings.root_key_url, settings.home)).check()
