"""Data keys: one a purpose, versioned, kept in the database wrapped by the root key."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
from sqlalchemy import Connection, Engine, func, insert, select, text, update

from adapters.database.schema import DATA_KEYS
from adapters.database.transaction import reading, writing
from adapters.keys.file_root_key import FileRootKey
from adapters.keys.root_key import RootKey
from adapters.system_clock import SystemClock
from tradeplane.clock import NS_PER_S, Clock
from tradeplane.encryption.seal_key import NONCE_BYTES, SECRET_BYTES, SealKey, key_version
from tradeplane.errors import JournalUnavailable, Misconfigured, SealBroken

REFRESH_NS = 60 * NS_PER_S
"""How long a process may use a version before it asks whether there is a newer one."""

_LOCK_NUMBER = 0x6B_6579_73
"""The advisory lock under which data keys are made and rewrapped."""

_C = DATA_KEYS.c


class DataKey(msgspec.Struct, frozen=True):
    """One version of a data key. Its repr has no secret.

    Attributes:
        secret: 32 random bytes.
    """

    purpose: str
    version: int
    secret: bytes

    def __repr__(self) -> str:
        return f"DataKey({self.purpose}, {self.version})"


class DataKeyRow(msgspec.Struct, frozen=True):
    """What is known about a data key without opening it."""

    purpose: str
    version: int
    root_key_id: str
    created_ns: int


class DataKeys:
    """The data keys of one installation. Safe to use from several threads.

    Every method may raise RootKeyUnavailable or JournalUnavailable when a key cannot be fetched,
    and SealBroken when its row was tampered with.

    Args:
        engine: a migrated database.
        root: what wraps the keys.
        clock: when a key was made, and how old what is remembered is.
    """

    def __init__(self, engine: Engine, root: RootKey, clock: Clock | None = None) -> None:
        self._engine = engine
        self._root = root
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._keys: dict[tuple[str, int], DataKey] = {}
        self._newest: dict[str, tuple[DataKey, int]] = {}

    def newest(self, purpose: str) -> DataKey:
        """Return the version of *purpose* that seals now; the first is made when it is missing."""
        with self._lock:
            known = self._newest.get(purpose)
            now_ns = self._clock.monotonic_ns()
            if known is not None and now_ns - known[1] < REFRESH_NS:
                return known[0]
            key = self._read(purpose, None) or self._make(purpose, lambda newest: newest == 0)
            self._newest[purpose] = (key, now_ns)
            return key

    def first(self, purpose: str) -> DataKey:
        """Return version 1 of *purpose*, made when it is missing: for what must never change."""
        with self._lock:
            key = self._keys.get((purpose, 1)) or self._read(purpose, 1)
            return key or self._make(purpose, lambda newest: newest == 0)

    def version(self, purpose: str, version: int) -> DataKey:
        """Return one version of *purpose*.

        Raises:
            SealBroken: there is no such version.
        """
        with self._lock:
            key = self._keys.get((purpose, version)) or self._read(purpose, version)
        if key is None:
            raise SealBroken("sealed data cannot be opened")
        return key

    def rotate(self, purpose: str) -> DataKey:
        """Add a version of *purpose*; every process seals with it within :data:`REFRESH_NS`.

        What older versions sealed stays readable. Returns the new version.
        """
        with self._lock:
            key = self._make(purpose, lambda _: True)
            self._newest[purpose] = (key, self._clock.monotonic_ns())
            return key

    def sealer(self, purpose: str) -> DataKeySealer:
        """Return what seals with the data key of *purpose*."""
        return DataKeySealer(self, purpose)

    def rows(self) -> list[DataKeyRow]:
        """Return what is known of all data keys, by purpose and version."""
        columns = (_C.purpose, _C.version, _C.root_key_id, _C.created_ns)
        with reading(self._engine) as connection:
            found = connection.execute(select(*columns).order_by(_C.purpose, _C.version)).all()
        return [DataKeyRow(*row) for row in found]

    def rewrap(self, root: RootKey) -> int:
        """Wrap every data key by *root*, all or none; return how many were not yet.

        The data keys themselves stay as they are, so nothing that they sealed is touched.
        """
        wanted = root.key_id
        with self._exclusive() as connection:
            columns = (_C.purpose, _C.version, _C.root_key_id, _C.wrapped)
            found = connection.execute(select(*columns).where(_C.root_key_id != wanted)).all()
            for purpose, version, key_id, wrapped in found:
                context = _context(purpose, version)
                secret = self._root.unwrap(key_id, bytes(wrapped), context)
                new_id, rewrapped = root.wrap(secret, context)
                connection.execute(
                    update(DATA_KEYS)
                    .where(_C.purpose == purpose, _C.version == version)
                    .values(root_key_id=new_id, wrapped=rewrapped)
                )
        return len(found)

    def rotate_file_root(self, root: FileRootKey) -> int:
        """Replace the key in *root*'s file; return how many data keys were rewrapped.

        A crash at any moment leaves every data key readable; the next call goes on from there.
        """
        root.add()
        count = self.rewrap(root)
        with self._exclusive() as connection:
            # Nobody makes a data key meanwhile, and whoever does so later reads the file anew.
            newest = root.key_id
            old = select(func.count()).where(_C.root_key_id != newest)
            if connection.execute(old).scalar_one():
                raise JournalUnavailable("a data key was made meanwhile; rotate again")
            root.retire()
        return count

    def check(self) -> None:
        """Check that the root key opens the newest data key there is.

        Raises:
            Misconfigured: the root key is not the one that belongs to this database.
        """
        newest = select(_C.purpose, _C.version).order_by(_C.created_ns.desc()).limit(1)
        with reading(self._engine) as connection:
            found = connection.execute(newest).one_or_none()
        if found is None:
            return
        try:
            self.version(*found)
        except SealBroken:
            raise Misconfigured(
                "the root key does not open the data keys of this database; restore the one that "
                "belongs to it"
            ) from None

    def _read(self, purpose: str, version: int | None) -> DataKey | None:
        """Return a version from the database, the newest for None."""
        query = select(_C.version, _C.root_key_id, _C.wrapped).where(_C.purpose == purpose)
        if version is not None:
            query = query.where(_C.version == version)
        with reading(self._engine) as connection:
            row = connection.execute(query.order_by(_C.version.desc()).limit(1)).one_or_none()
        if row is None:
            return None
        number, key_id, wrapped = row
        known = self._keys.get((purpose, number))
        if known is None:
            secret = self._root.unwrap(key_id, bytes(wrapped), _context(purpose, number))
            known = self._keys[purpose, number] = DataKey(purpose, number, secret)
        return known

    def _make(self, purpose: str, wanted: Callable[[int], bool]) -> DataKey:
        """Add the next version if it is *wanted* after the newest there is; return the newest."""
        made: DataKey | None = None
        with self._exclusive() as connection:
            newest = select(func.max(_C.version)).where(_C.purpose == purpose)
            last = connection.execute(newest).scalar() or 0
            if wanted(last):
                made = DataKey(purpose, last + 1, os.urandom(SECRET_BYTES))
                context = _context(purpose, made.version)
                key_id, wrapped = self._root.wrap(made.secret, context)
                connection.execute(
                    insert(DATA_KEYS).values(
                        purpose=purpose,
                        version=made.version,
                        root_key_id=key_id,
                        wrapped=wrapped,
                        created_ns=self._clock.wall_ns(),
                    )
                )
        if made is None:
            made = self._read(purpose, None)
            assert made is not None, "another process made it, and keys are not deleted"
        return self._keys.setdefault((purpose, made.version), made)

    @contextmanager
    def _exclusive(self) -> Iterator[Connection]:
        with writing(self._engine, commit_error=JournalUnavailable) as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK_NUMBER})"))
            else:
                connection.begin()  # BEGIN IMMEDIATE: SQLite has one writer
            yield connection


class DataKeySealer:
    """Satisfies :class:`tradeplane.encryption.sealer.Sealer` with the data key of one purpose."""

    def __init__(self, keys: DataKeys, purpose: str) -> None:
        self._keys = keys
        self._purpose = purpose
        self._ready: dict[int, SealKey] = {}

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Return *plaintext* sealed by the newest version; see the protocol."""
        key = self._keys.newest(self._purpose)
        return self._sealing(key).seal(os.urandom(NONCE_BYTES), plaintext, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed; see the protocol."""
        version = key_version(sealed)
        ready = self._ready.get(version)
        if ready is None:
            ready = self._sealing(self._keys.version(self._purpose, version))
        return ready.open(sealed, context)

    def _sealing(self, key: DataKey) -> SealKey:
        ready = self._ready.get(key.version)
        if ready is None:
            ready = self._ready[key.version] = SealKey(key.version, key.secret)
        return ready


def _context(purpose: str, version: int) -> dict[str, str]:
    return {"service": "tradeplane", "purpose": purpose, "version": str(version)}
