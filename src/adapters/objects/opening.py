"""From a URL to an object store."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from adapters.objects.folder import FolderObjects
from adapters.objects.s3 import S3Objects
from tradeplane.errors import InvalidRequest, Misconfigured
from tradeplane.object_store import ObjectStore, check_name

LOCK_DAYS_MAX = 36_500


def open_objects(url: str, home: str) -> ObjectStore:
    """Return the store that *url* names.

    Args:
        url: empty for the folder ``objects`` in *home*, or ``s3://BUCKET/PREFIX``, with
            ``?lock_days=N`` for S3 Object Lock in compliance mode.
        home: the folder of everything that this installation writes.

    Raises:
        Misconfigured: it is neither.
        ObjectStoreUnavailable: the folder cannot be made.
    """
    if not url:
        return FolderObjects(Path(home) / "objects")
    try:
        parts = urlsplit(url)
        options = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        lock_days = int(options.pop("lock_days", ["0"])[-1])
        prefix = parts.path.strip("/")
        if prefix:
            check_name(prefix)
    except (ValueError, InvalidRequest) as error:
        raise _malformed() from error
    if (
        parts.scheme != "s3"
        or not parts.netloc
        or "@" in parts.netloc
        or options
        or parts.fragment
        or not 0 <= lock_days <= LOCK_DAYS_MAX
    ):
        raise _malformed()
    return S3Objects(parts.netloc, prefix, lock_days=lock_days)


def _malformed() -> Misconfigured:
    return Misconfigured(
        "TRADEPLANE_OBJECT_STORE_URL must be empty or like s3://BUCKET/PREFIX, with ?lock_days=N "
        f"from 0 to {LOCK_DAYS_MAX} for Object Lock; credentials are found as boto3 finds them"
    )
