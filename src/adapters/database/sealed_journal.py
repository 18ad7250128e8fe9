"""A journal whose events, keys and snapshots only the holder of a data key can read or write."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from adapters.keys.data_keys import DataKeys
from tradeplane.encryption.sealer import Sealer
from tradeplane.errors import CorruptJournal, SealBroken
from tradeplane.journal import Journal, Record, Snapshot, Stream

SEAL_PURPOSE = "journal"
KEY_PURPOSE = "journal-key"
"""Its first version blinds idempotency keys for ever: a key must be found again years later."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str | None, bytes]).decode


class SealedJournal:
    """Satisfies :class:`tradeplane.journal.Journal` around another one.

    An event is sealed to its place (stream, sequence) and time, a snapshot to its stream and
    sequence, so nothing can be changed, moved or exchanged unseen. An idempotency key may name a
    person, so the column has its keyed digest and the key itself is sealed with the event. Rows of
    the component's own tables pass through; their fields are :mod:`sealed_columns`' affair.

    Args:
        inner: where the sealed records are kept.
        sealer: seals events and snapshots.
        blinding_key: digests idempotency keys; never changes.
    """

    def __init__(self, inner: Journal, sealer: Sealer, blinding_key: bytes) -> None:
        self._inner = inner
        self._sealer = sealer
        self._blinding_key = blinding_key

    def claim(self, stream: Stream) -> int:
        """Take over *stream* and return the new epoch; see the protocol."""
        return self._inner.claim(stream)

    def verify(self, stream: Stream, epoch: int) -> None:
        """Check that *epoch* is still the newest; see the protocol."""
        self._inner.verify(stream, epoch)

    def append(
        self, stream: Stream, epoch: int, records: Sequence[Record], rows: Sequence[Any] = ()
    ) -> None:
        """Append *records* and *rows*, all or nothing, durable on return; see the protocol."""
        sealed = [self._sealed(stream, record) for record in records]
        self._inner.append(stream, epoch, sealed, rows)

    def replay(self, stream: Stream, after: int) -> Iterator[Record]:
        """Yield the records after sequence *after*, in order; see the protocol."""
        for record in self._inner.replay(stream, after):
            yield self._opened(stream, record)

    def find(self, stream: Stream, keys: Sequence[str]) -> Mapping[str, Record]:
        """Return the records that carry one of *keys*, by key; see the protocol."""
        blinded = {self._blinded(stream, key): key for key in keys}
        found = self._inner.find(stream, list(blinded))
        opened = [self._opened(stream, record) for record in found.values()]
        return {record.key: record for record in opened if record.key is not None}

    def save_snapshot(self, stream: Stream, epoch: int, snapshot: Snapshot) -> None:
        """Store *snapshot* and drop all but the newest two; see the protocol."""
        context = _context("snapshot", stream, snapshot.sequence, 0)
        state = self._sealer.seal(snapshot.state, context)
        digest = hashlib.sha256(state).hexdigest()
        self._inner.save_snapshot(stream, epoch, Snapshot(snapshot.sequence, state, digest))

    def newest_snapshot(self, stream: Stream) -> Snapshot | None:
        """Return the newest snapshot whose digest is right, or None; see the protocol.

        Raises:
            CorruptJournal: its digest is right and its seal is not, which is no accident.
        """
        found = self._inner.newest_snapshot(stream)
        if found is None:
            return None
        try:
            state = self._sealer.open(found.state, _context("snapshot", stream, found.sequence, 0))
        except SealBroken:
            raise CorruptJournal(
                f"snapshot {found.sequence} of {_named(stream)} cannot be opened: it was changed, "
                "or the keys are not those that sealed it"
            ) from None
        return Snapshot(found.sequence, state, hashlib.sha256(state).hexdigest())

    def close(self) -> None:
        """Release every connection. Idempotent."""
        self._inner.close()

    def _sealed(self, stream: Stream, record: Record) -> Record:
        plain = _encode((record.key, record.event))
        context = _context("event", stream, record.sequence, record.recorded_ns)
        event = base64.b64encode(self._sealer.seal(plain, context))
        key = None if record.key is None else self._blinded(stream, record.key)
        return Record(record.sequence, event, key, record.recorded_ns)

    def _opened(self, stream: Stream, record: Record) -> Record:
        context = _context("event", stream, record.sequence, record.recorded_ns)
        try:
            sealed = base64.b64decode(record.event, validate=True)
            key, event = _decode(self._sealer.open(sealed, context))
            if record.key != (None if key is None else self._blinded(stream, key)):
                raise SealBroken("the key's digest is not the key's")  # noqa: TRY301
        except (SealBroken, binascii.Error, msgspec.DecodeError):
            raise CorruptJournal(
                f"event {record.sequence} of {_named(stream)} cannot be opened: it was changed, "
                "or the keys are not those that sealed it"
            ) from None
        return Record(record.sequence, event, key, record.recorded_ns)

    def _blinded(self, stream: Stream, key: str) -> str:
        # A key that is no valid text was never written, and must not be found.
        message = f"{_named(stream)}\0{key}".encode(errors="surrogatepass")
        return hmac.new(self._blinding_key, message, hashlib.sha256).hexdigest()


def sealed_journal(inner: Journal, keys: DataKeys) -> SealedJournal:
    """Return *inner*, sealed with the data keys of the journal."""
    return SealedJournal(inner, keys.sealer(SEAL_PURPOSE), keys.first(KEY_PURPOSE).secret)


def _named(stream: Stream) -> str:
    return f"{stream.component}/{stream.shard}"


def _context(kind: str, stream: Stream, sequence: int, recorded_ns: int) -> bytes:
    return _encode((kind, stream.component, stream.shard, sequence, recorded_ns))
