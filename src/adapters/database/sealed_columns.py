"""Fields that are encrypted in the database, each bound to its place.

A sealed value opens only in the table, column and row that it was written to: whoever can write the
database can delete it, and cannot move, swap or change it unseen. To find rows by such a value, a
column beside it has its blind index: a keyed digest, equal for equal values and for nobody else to
compute. It shows which rows share a value, so it belongs beside values that are unique anyway.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Column, LargeBinary, Table, Text

from adapters.keys.data_keys import DataKeys
from tradeplane.encryption.seal_key import NONCE_BYTES, SealKey, key_version
from tradeplane.errors import SealBroken

SEAL_PURPOSE = "fields"
INDEX_PURPOSE = "fields-index"
"""Its first version makes blind indexes for ever: a value must be found again years later."""

_INDEX_BYTES = 16
_encode = msgspec.msgpack.Encoder().encode

Value = str | bytes | None
_BYTES, _TEXT, _NULL = b"b", b"t", b"n"
"""The last byte of a stored value says what it is; it is authenticated with the rest."""

_VERSION_END = 5


class SealedColumn:
    """One column. Safe to use from several threads.

    Args:
        column: a column of type ``LargeBinary`` in a table with a primary key.
        keys: the data keys.
        index: the ``Text`` column of the blind index, where there is one.

    Attributes:
        name: the column's name.
        index_name: the name of its blind index, or None.
    """

    def __init__(
        self, column: Column[Any], keys: DataKeys, index: Column[Any] | None = None
    ) -> None:
        assert isinstance(column.type, LargeBinary), "sealed values are bytes"
        assert index is None or isinstance(index.type, Text), "a blind index is text"
        table = column.table
        assert isinstance(table, Table), "a column of a table"
        assert table.primary_key.columns, "values are bound to the primary key"
        self.name = column.name
        self.index_name = None if index is None else index.name
        self._place = (str(table.name), str(column.name))
        self._contexts = {kind: _encode((*self._place, kind)) for kind in (_BYTES, _TEXT, _NULL)}
        self._keys = keys
        self._ready: dict[int, SealKey] = {}
        self._index_key: bytes | None = None

    def seal(self, primary_key: tuple[Any, ...], value: Value) -> bytes:
        """Return *value* as it is stored in the row with *primary_key*; NULL is sealed too.

        Raises:
            JournalUnavailable: the key cannot be fetched now.
        """
        return self.seal_many([(primary_key, value)])[0]

    def seal_many(self, fields: Sequence[tuple[tuple[Any, ...], Value]]) -> list[bytes]:
        """Return the values of several rows, each as :meth:`seal` does."""
        newest = self._keys.newest(SEAL_PURPOSE)
        key = self._key(newest.version, newest.secret)
        # One call for all nonces; each is still random and used once.
        nonces = os.urandom(NONCE_BYTES * len(fields))
        contexts = self._contexts

        def parts() -> Iterator[tuple[bytes, bytes, bytes]]:
            for primary_key, value in fields:
                if value.__class__ is bytes:
                    kind, plain = _BYTES, value
                elif value is None:
                    kind, plain = _NULL, b""
                else:
                    kind, plain = _TEXT, value.encode("utf-8", "surrogatepass")  # type: ignore[union-attr]  # text is what is left
                yield plain, contexts[kind] + _encode(primary_key), kind

        return key.seal_many(nonces, parts())

    def open(self, primary_key: tuple[Any, ...], stored: bytes) -> Value:
        """Return the value that was stored in the row with *primary_key*.

        Raises:
            SealBroken: it was changed, or comes from another place or key; not said which.
            JournalUnavailable: the key cannot be fetched now.
        """
        return self.open_many([(primary_key, stored)])[0]

    def open_many(self, fields: Sequence[tuple[tuple[Any, ...], bytes]]) -> list[Value]:
        """Return the values of several rows, each as :meth:`open` does."""
        if not fields:
            return []
        version = key_version(fields[0][1])
        version_bytes = fields[0][1][:_VERSION_END]
        if any(stored[:_VERSION_END] != version_bytes for _, stored in fields):
            return [self.open_many([field])[0] for field in fields]
        key = self._ready.get(version)
        if key is None:
            key = self._key(version, self._keys.version(SEAL_PURPOSE, version).secret)
        contexts = self._contexts
        try:
            opened = key.open_many(
                [
                    (stored, contexts[stored[-1:]] + _encode(primary_key))
                    for primary_key, stored in fields
                ],
                len(_NULL),
            )
        except KeyError:
            raise SealBroken("sealed data cannot be opened") from None
        return [
            plain if stored.endswith(_BYTES) else _read(stored[-1:], plain)
            for (_, stored), plain in zip(fields, opened, strict=True)
        ]

    def _key(self, version: int, secret: bytes) -> SealKey:
        key = self._ready.get(version)
        if key is None:
            key = self._ready[version] = SealKey(version, secret)
        return key

    def blind(self, value: str | bytes) -> str:
        """Return the blind index of *value*: 32 hexadecimal digits.

        The caller brings values that mean the same, such as names in other case, to one form.

        Raises:
            JournalUnavailable: the key cannot be fetched now.
        """
        if self._index_key is None:
            secret = self._keys.first(INDEX_PURPOSE).secret
            # A key of its own for each column, so that equal values in two columns look unlike.
            self._index_key = hmac.digest(secret, _encode(self._place), "sha256")
        return hmac.digest(self._index_key, _encode(value), "sha256")[:_INDEX_BYTES].hex()


class SealedTable:
    """Seals and opens whole rows of a table.

    Args:
        table: the table; its primary key stays readable.
        columns: its sealed columns.
    """

    def __init__(self, table: Table, columns: Sequence[SealedColumn]) -> None:
        self._primary_key = tuple(column.name for column in table.primary_key.columns)
        self._columns = tuple(columns)
        sealed = {column.name for column in columns}
        assert sealed.isdisjoint(self._primary_key), "a primary key cannot be sealed to itself"

    def sealed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return *row* as it is stored: sealed fields, and their blind indexes.

        *row* has the whole primary key; a sealed column that it leaves out stays out.
        """
        stored = dict(row)
        for column in self._columns:
            if column.name not in row:
                continue
            value = row[column.name]
            stored[column.name] = column.seal(self._of(row), value)
            if column.index_name is not None:
                stored[column.index_name] = None if value is None else column.blind(value)
        return stored

    def opened(self, stored: Mapping[str, Any]) -> dict[str, Any]:
        """Return a stored row in the clear; *stored* has the whole primary key.

        Raises:
            SealBroken: a field was changed, or comes from another place or key.
        """
        row = dict(stored)
        for column in self._columns:
            if column.name in stored:
                row[column.name] = column.open(self._of(stored), bytes(stored[column.name]))
            if column.index_name is not None:
                row.pop(column.index_name, None)
        return row

    def _of(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(row[name] for name in self._primary_key)


def _read(kind: bytes, plain: bytes) -> Value:
    return plain.decode("utf-8", "surrogatepass") if kind == _TEXT else None
