"""Objects as the files of a folder, for an installation on one machine."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

from tradeplane.errors import InvalidRequest, ObjectStoreUnavailable
from tradeplane.object_store import check_name, check_size

_TEMPORARY = ".new-"
_LOCK = ".lock"


class FolderObjects:
    """Satisfies :class:`tradeplane.object_store.ObjectStore` on a local file system.

    A file is written under another name in its own folder, synced, and then linked: it appears
    whole or not at all, and never takes the place of one that is there. Its folder is synced too,
    or the name could be lost with the power.

    Args:
        root: the folder; made when it is missing.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        with _told(f"the folder {root} of objects cannot be made"):
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._real_root = root.resolve()

    def create(self, objects: Mapping[str, bytes]) -> tuple[str, ...]:
        """Write each of *objects* unless one of its name exists; see the protocol."""
        existing: list[str] = []
        written: list[tuple[Path, Path]] = []
        folders: set[Path] = set()
        for name, content in objects.items():
            check_size(name, content)
        with _told("objects cannot be written"):
            try:
                for name, content in objects.items():
                    path = self._path(name)
                    folders.update(self._make_folder(path.parent))
                    if path.exists():
                        existing.append(name)
                    else:
                        written.append((path, _written(path, content)))
                existing += self._link(written)
                # What exists may be of a writer who died before it synced the folder.
                folders.update(self._path(name).parent for name in objects)
                _sync_all(folders)
            finally:
                for _, temporary in written:
                    temporary.unlink(missing_ok=True)
        return tuple(existing)

    def _link(self, written: Iterable[tuple[Path, Path]]) -> Iterator[str]:
        for path, temporary in written:
            try:
                path.hardlink_to(temporary)
            except FileExistsError:
                yield path.relative_to(self._root).as_posix()

    def replace(self, name: str, content: bytes) -> None:
        """Write *content* under *name*, whatever was there; see the protocol."""
        check_size(name, content)
        path = self._path(name)
        with _told(f"{name} cannot be written"):
            folders = self._make_folder(path.parent)
            temporary = _written(path, content)
            try:
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
            _sync_all({*folders, path.parent})

    def swap(self, name: str, old: bytes | None, new: bytes) -> bool:
        """Write *new* under *name* if its content is *old*; see the protocol."""
        with _told(f"{name} cannot be written"), (self._root / _LOCK).open("ab") as lock:
            # The lock ends with the file's last descriptor, however this process ends.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.read(name) != old:
                return False
            self.replace(name, new)
            return True

    def remove(self, names: Collection[str]) -> None:
        """Remove the objects *names*, those that exist; see the protocol."""
        paths = [self._path(name) for name in names]
        with _told("objects cannot be removed"):
            for path in paths:
                with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                    path.unlink()

    def read(self, name: str) -> bytes | None:
        """Return the content of *name*, or None; see the protocol."""
        path = self._path(name)
        with _told(f"{name} cannot be read"):
            try:
                return path.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None

    def names(self, prefix: str) -> Iterator[str]:
        """Yield the names that begin with *prefix*; see the protocol."""
        check_name(prefix.removesuffix("/"))
        with _told(f"{prefix} cannot be listed"):
            for folder, _, files in os.walk(self._root / prefix):
                for file in files:
                    if not file.startswith(_TEMPORARY):
                        yield (Path(folder) / file).relative_to(self._root).as_posix()

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def _path(self, name: str) -> Path:
        path = self._root / check_name(name)
        # A name cannot leave the folder, but a link that someone put there could.
        if not path.parent.resolve().is_relative_to(self._real_root) or path.is_symlink():
            raise InvalidRequest(f"{name} leads out of the folder of objects")
        return path

    def _make_folder(self, folder: Path) -> list[Path]:
        """Make *folder* and those above it; return the ones that must be synced for it."""
        made: list[Path] = []
        while not folder.is_dir():
            made.append(folder)
            folder = folder.parent
        for missing in reversed(made):
            missing.mkdir(mode=0o700, exist_ok=True)
        return [missing.parent for missing in made]


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ObjectStoreUnavailable(f"{what}: {reason}") from error


def _written(path: Path, content: bytes) -> Path:
    """Return a new file beside *path* that holds *content*, on the disk."""
    temporary = path.parent / f"{_TEMPORARY}{secrets.token_hex(8)}"
    try:
        with temporary.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


def _sync_all(folders: Iterable[Path], sync: Callable[[int], None] = os.fsync) -> None:
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            sync(descriptor)
        finally:
            os.close(descriptor)
