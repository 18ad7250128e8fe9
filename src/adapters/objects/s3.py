"""Objects in a bucket of Amazon S3, or of whatever speaks its protocol."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tradeplane.errors import InvalidRequest, Misconfigured, ObjectStoreUnavailable
from tradeplane.object_store import check_name, check_size

T = TypeVar("T")

WRITERS_MAX = 8
"""Objects that are written at the same time."""

REMOVED_MAX = 1_000
"""Objects that one request removes."""

_CONNECT_S = 3
_READ_S = 10
_ATTEMPTS_MAX = 4
_EXISTS = {"PreconditionFailed", "412"}
_BUSY = {"ConditionalRequestConflict", "409"}
_MISSING = {"NoSuchKey", "404"}


class S3Objects:
    """Satisfies :class:`tradeplane.object_store.ObjectStore` on a bucket.

    Credentials, region and ``AWS_ENDPOINT_URL`` are found as boto3 finds them. S3 checks each
    object against its SHA-256 before it keeps it, and makes it appear at once; ``IfNoneMatch``
    lets the first writer of a name win.

    Args:
        bucket: the bucket; it must exist.
        prefix: what all names are put under; empty for nothing.
        lock_days: for how many days S3 refuses to delete or change a created object, by Object
            Lock in compliance mode; 0 for not at all. The bucket must have Object Lock enabled.
    """

    def __init__(self, bucket: str, prefix: str = "", *, lock_days: int = 0) -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._lock_days = lock_days
        config = Config(
            connect_timeout=_CONNECT_S,
            read_timeout=_READ_S,
            retries={"mode": "standard", "max_attempts": _ATTEMPTS_MAX},
            max_pool_connections=WRITERS_MAX,
        )
        try:
            self._client: Any = boto3.client("s3", config=config)
        except (BotoCoreError, ValueError) as error:
            raise Misconfigured(f"S3 cannot be used as it is set up: {error}") from error
        self._writers = ThreadPoolExecutor(WRITERS_MAX, thread_name_prefix="s3")

    def create(self, objects: Mapping[str, bytes]) -> tuple[str, ...]:
        """Write each of *objects* unless one of its name exists; see the protocol."""
        for name, content in objects.items():
            check_name(name)
            check_size(name, content)
        written = self._writers.map(self._create_one, objects, objects.values())
        return tuple(name for name, new in zip(objects, written, strict=True) if not new)

    def _create_one(self, name: str, content: bytes) -> bool:
        arguments = self._put(name, content) | {"IfNoneMatch": "*"}
        if self._lock_days:
            until = datetime.now(UTC) + timedelta(days=self._lock_days)
            arguments |= {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
        for _ in range(_ATTEMPTS_MAX):
            try:
                self._call(lambda: self._client.put_object(**arguments), name)
            except ClientError as error:
                if _code(error) in _EXISTS:
                    return False
                if _code(error) not in _BUSY:
                    raise _unavailable(name, error) from error
            else:
                return True
        raise ObjectStoreUnavailable(f"{name} is being written by others; try again")

    def replace(self, name: str, content: bytes) -> None:
        """Write *content* under *name*, whatever was there; see the protocol."""
        check_name(name)
        check_size(name, content)
        try:
            self._call(lambda: self._client.put_object(**self._put(name, content)), name)
        except ClientError as error:
            raise _unavailable(name, error) from error

    def swap(self, name: str, old: bytes | None, new: bytes) -> bool:
        """Write *new* under *name* if its content is *old*; see the protocol."""
        check_name(name)
        check_size(name, new)
        for _ in range(_ATTEMPTS_MAX):
            content, tag = self._read(name)
            if content != old:
                return False
            condition = {"IfNoneMatch": "*"} if content is None else {"IfMatch": tag}
            arguments = self._put(name, new) | condition
            try:
                self._call(lambda: self._client.put_object(**arguments), name)  # noqa: B023  # called at once
            except ClientError as error:
                if _code(error) in _EXISTS | _MISSING:
                    return False
                if _code(error) not in _BUSY:
                    raise _unavailable(name, error) from error
            else:
                return True
        raise ObjectStoreUnavailable(f"{name} is being written by others; try again")

    def remove(self, names: Collection[str]) -> None:
        """Remove the objects *names*, those that exist; see the protocol.

        Of a locked object the version stays until its time is over.
        """
        keys = [{"Key": self._prefix + check_name(name)} for name in names]
        for start in range(0, len(keys), REMOVED_MAX):
            wanted = {"Objects": keys[start : start + REMOVED_MAX], "Quiet": True}
            try:
                failed = self._call(
                    lambda: self._client.delete_objects(Bucket=self._bucket, Delete=wanted),  # noqa: B023  # called at once
                    "objects to remove",
                ).get("Errors")
            except ClientError as error:
                raise _unavailable("objects to remove", error) from error
            if failed:
                raise ObjectStoreUnavailable(f"S3 removed all but {len(failed)} objects")

    def read(self, name: str) -> bytes | None:
        """Return the content of *name*, or None; see the protocol."""
        check_name(name)
        return self._read(name)[0]

    def _read(self, name: str) -> tuple[bytes | None, str]:
        """Return the content of *name* and the tag of that very version."""

        def get() -> tuple[bytes, str]:
            found = self._client.get_object(
                Bucket=self._bucket, Key=self._prefix + name, ChecksumMode="ENABLED"
            )
            return found["Body"].read(), found["ETag"]

        try:
            return self._call(get, name)
        except ClientError as error:
            if _code(error) in _MISSING:
                return None, ""
            raise _unavailable(name, error) from error

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with *prefix*; see the protocol."""
        check_name(prefix.removesuffix("/"))
        arguments = {"Bucket": self._bucket, "Prefix": f"{self._prefix}{prefix}"}
        while True:
            found = self._page(arguments, prefix)
            for entry in found.get("Contents", ()):
                yield entry["Key"].removeprefix(self._prefix)
            if not found.get("IsTruncated"):
                return
            arguments["ContinuationToken"] = found["NextContinuationToken"]

    def _page(self, arguments: dict[str, str], prefix: str) -> dict[str, Any]:
        try:
            return self._call(lambda: self._client.list_objects_v2(**arguments), prefix)
        except ClientError as error:
            raise _unavailable(prefix, error) from error

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self._writers.shutdown()
        self._client.close()

    def _put(self, name: str, content: bytes) -> dict[str, Any]:
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        return {
            "Bucket": self._bucket,
            "Key": self._prefix + name,
            "Body": content,
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": digest,
        }

    def _call(self, call: Callable[[], T], name: str) -> T:
        try:
            return call()
        except ClientError:
            raise
        except BotoCoreError as error:
            raise ObjectStoreUnavailable(
                f"S3 cannot be reached for {name}: {type(error).__name__}"
            ) from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _unavailable(name: str, error: ClientError) -> Exception:
    code = _code(error)
    if code == "NoSuchBucket":
        return Misconfigured("the bucket of TRADEPLANE_OBJECT_STORE_URL does not exist; create it")
    if code == "KeyTooLongError":
        return InvalidRequest(f"the name {name[:64]} is too long for S3")
    return ObjectStoreUnavailable(f"S3 refused {name}: {code}")
