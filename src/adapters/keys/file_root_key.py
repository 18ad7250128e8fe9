"""The root key in a file that only its owner can read."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path

import msgspec

from adapters.keys.root_key import Context
from tradeplane.encryption.seal_key import NONCE_BYTES, SECRET_BYTES, SealKey
from tradeplane.errors import Misconfigured, RootKeyUnavailable

NAME = "root.key"
_MODE = 0o600
_HEADING = "tradeplane-root-key-1"


class _Generation(msgspec.Struct, frozen=True):
    """One root key of the file; no repr, so that none is ever printed."""

    key_id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"_Generation({self.key_id})"


class FileRootKey:
    """Satisfies :class:`adapters.keys.root_key.RootKey` with a file.

    The file has one line a key, ``ID BASE64``; the last one wraps, all unwrap. There is more than
    one only while a rotation is under way. It is read at each use, which is rare, so a rotation
    takes effect in every process at once.

    Args:
        path: the file; it must exist, see :meth:`create`.

    Raises:
        Misconfigured: it is missing, malformed, or others than its owner may read or write it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._generations()

    @classmethod
    def create(cls, path: Path) -> FileRootKey:
        """Make the file with a new key, unless it is there; two who do it at once get one key."""
        if not path.exists():
            draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
            _write(draft, [_new_generation()])
            try:
                os.link(draft, path)  # unlike a rename, it never replaces what another has made
            except FileExistsError:
                pass
            finally:
                draft.unlink()
            _sync_folder(path.parent)
        return cls(path)

    @property
    def key_id(self) -> str:
        """The id of the key that wraps now."""
        return self._generations()[-1].key_id

    @property
    def key_ids(self) -> tuple[str, ...]:
        """All ids, oldest first; more than one while a rotation is under way."""
        return tuple(generation.key_id for generation in self._generations())

    def wrap(self, secret: bytes, context: Context) -> tuple[str, bytes]:
        """Return the id of the newest key, and *secret* wrapped by it; see the protocol."""
        newest = self._generations()[-1]
        key = SealKey(1, newest.secret)
        return newest.key_id, key.seal(os.urandom(NONCE_BYTES), secret, _bound(context))

    def unwrap(self, key_id: str, wrapped: bytes, context: Context) -> bytes:
        """Return the secret; see the protocol."""
        for generation in self._generations():
            if generation.key_id == key_id:
                return SealKey(1, generation.secret).open(wrapped, _bound(context))
        raise Misconfigured(
            f"{self._path} has no root key {key_id}, which wraps the data keys of this database; "
            "restore the file that belongs to it, or set TRADEPLANE_ROOT_KEY_URL to that key"
        )

    def add(self) -> None:
        """Add a new key, which wraps from now on, unless a rotation is under way already."""
        generations = self._generations()
        if len(generations) == 1:
            _replace(self._path, [*generations, _new_generation()])

    def retire(self) -> None:
        """Drop all keys but the newest. Only when nothing is wrapped by them any more."""
        generations = self._generations()
        if len(generations) > 1:
            _replace(self._path, generations[-1:])

    def _generations(self) -> list[_Generation]:
        try:
            descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise Misconfigured(
                f"the root key {self._path} is missing; restore it from its backup: without it "
                "nothing that was sealed can be read again"
            ) from None
        except OSError as error:
            raise RootKeyUnavailable(f"{self._path} cannot be read ({error.strerror})") from None
        with os.fdopen(descriptor, "r", encoding="ascii", errors="replace") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & 0o177:
                raise Misconfigured(
                    f"{self._path} has mode {mode:04o}; others may read it: take the key as known "
                    "to them, or run chmod 600 on it if you know better"
                )
            return _parsed(self._path, file.read().splitlines())


def _parsed(path: Path, lines: Sequence[str]) -> list[_Generation]:
    found = [_generation(line) for line in lines[1:]]
    if lines[:1] != [_HEADING] or not found or None in found:
        # Nothing is quoted: it may be the key.
        raise Misconfigured(f"{path} is no root key; restore it from its backup")
    return [each for each in found if each is not None]


def _generation(line: str) -> _Generation | None:
    key_id, _, text = line.partition(" ")
    try:
        secret = base64.b64decode(text, validate=True)
    except binascii.Error:
        return None
    return _Generation(key_id, secret) if key_id and len(secret) == SECRET_BYTES else None


def _new_generation() -> _Generation:
    return _Generation(f"file:{secrets.token_hex(8)}", os.urandom(SECRET_BYTES))


def _replace(path: Path, generations: Sequence[_Generation]) -> None:
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    _write(draft, generations)
    draft.replace(path)
    _sync_folder(path.parent)


def _write(path: Path, generations: Sequence[_Generation]) -> None:
    lines = [_HEADING]
    lines += [f"{each.key_id} {base64.b64encode(each.secret).decode()}" for each in generations]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _bound(context: Context) -> bytes:
    return msgspec.json.encode(sorted(context.items()))
