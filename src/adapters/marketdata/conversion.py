"""The market data as Parquet files in the home folder: written once, checked on every load."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from adapters.marketdata.adjustment import AdjustedDay, adjusted_days, find_splits, rounded
from adapters.marketdata.packages import TradedDay, read_adjusted_closes, read_traded_days
from tradeplane.errors import Misconfigured
from tradeplane.trading.market import Session, Split

VERSION = 1
"""Raised with every change of the files' content; an older version is converted anew."""

_PRICE = pa.decimal128(18, 4)
_BARS = pa.schema(
    [
        ("symbol", pa.string()),
        ("adjustment", pa.string()),
        ("session", pa.string()),
        # Null where the source has closes only.
        ("open", _PRICE),
        ("high", _PRICE),
        ("low", _PRICE),
        ("close", _PRICE),
        ("volume", pa.int64()),
    ]
)
_SPLITS = pa.schema(
    [
        ("symbol", pa.string()),
        ("session", pa.string()),
        ("numerator", pa.int32()),
        ("denominator", pa.int32()),
    ]
)
_SESSIONS = pa.schema([("date", pa.string()), ("open_ns", pa.int64()), ("close_ns", pa.int64())])


class Tables(msgspec.Struct, frozen=True):
    """The market data as Arrow tables, each sorted by its first columns.

    Attributes:
        bars: symbol, adjustment, session, open, high, low, close, volume.
        splits: symbol, session, numerator, denominator.
        sessions: date, open_ns, close_ns.
    """

    bars: Any
    splits: Any
    sessions: Any


class _Manifest(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    digests: dict[str, str]


def open_tables(folder: Path) -> Tables:
    """Return the tables in *folder*; convert the packaged files when they are missing or damaged.

    Any number of processes may call this at once: one converts, the others wait for it.

    Raises:
        Misconfigured: the packages are missing, or *folder* cannot be written.
    """
    tables = _read(folder)
    if tables is not None:
        return tables
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / "conversion.lock"):
            tables = _read(folder)
            if tables is None:
                tables = _convert()
                _write(folder, tables)
    except OSError as error:
        raise Misconfigured(
            f"market data cannot be written to {folder} ({error}); "
            "make the folder writable, or choose another TRADEPLANE_HOME"
        ) from error
    return tables


def _read(folder: Path) -> Tables | None:
    try:
        content = (folder / _manifest_name()).read_bytes()
        manifest = msgspec.json.decode(content, type=_Manifest)
        if manifest.version != VERSION:
            return None
        return Tables(**{name: _read_table(folder, name, manifest) for name in _names()})
    except (OSError, msgspec.DecodeError, _Damaged):
        return None


class _Damaged(Exception):
    """A file is not the one that the manifest describes."""


def _read_table(folder: Path, name: str, manifest: _Manifest) -> Any:
    content = (folder / _file_name(name)).read_bytes()
    if manifest.digests.get(name) != hashlib.sha256(content).hexdigest():
        raise _Damaged
    return pq.read_table(pa.BufferReader(content), use_threads=False)


def _write(folder: Path, tables: Tables) -> None:
    digests = {}
    for name in _names():
        buffer = io.BytesIO()
        pq.write_table(getattr(tables, name), buffer, compression="zstd")
        content = buffer.getvalue()
        digests[name] = hashlib.sha256(content).hexdigest()
        _replace(folder / _file_name(name), content)
    # Last, because it vouches for the others: a crash before this line leaves no valid set.
    _replace(folder / _manifest_name(), msgspec.json.encode(_Manifest(VERSION, digests)))


def _replace(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # The kernel releases the lock when its holder dies, so a crash cannot leave it behind.
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _names() -> tuple[str, ...]:
    return Tables.__struct_fields__


def _file_name(name: str) -> str:
    return f"{name}-v{VERSION}.parquet"


def _manifest_name() -> str:
    return f"manifest-v{VERSION}.json"


def _convert() -> Tables:
    from adapters.calendars.nyse import nyse_sessions  # noqa: PLC0415  # loads pandas, needed once

    traded, closes = read_traded_days(), read_adjusted_closes()
    splits = [split for symbol, days in traded.items() for split in find_splits(symbol, days)]
    dates = {day.session for days in traded.values() for day in days}
    dates |= {session for found in closes.values() for session in found}
    sessions = nyse_sessions(date.fromisoformat(min(dates)), date.fromisoformat(max(dates)))
    unknown = dates - {session.date for session in sessions}
    if unknown:
        raise Misconfigured(
            f"the data have prices of {min(unknown)}, on which the exchange was closed; "
            "install the pinned versions of the data packages and of exchange-calendars"
        )
    return Tables(
        bars=_bars_table(traded, closes),
        splits=_splits_table(splits),
        sessions=_sessions_table(sessions),
    )


def _bars_table(
    traded: Mapping[str, Sequence[TradedDay]], closes: Mapping[str, Mapping[str, Decimal]]
) -> Any:
    rows: list[dict[str, Any]] = []
    for symbol in sorted(traded.keys() | closes.keys()):
        days = traded.get(symbol, ())
        adjusted = adjusted_days(days, closes.get(symbol, {}))
        rows.extend(_row(symbol, "all", day) for day in adjusted.values())
        rows.extend(_row(symbol, "raw", _as_traded(day)) for day in days)
    return pa.Table.from_pylist(rows, schema=_BARS)


def _as_traded(day: TradedDay) -> AdjustedDay:
    prices = (rounded(day.open), rounded(day.high), rounded(day.low))
    return AdjustedDay(day.session, prices, rounded(day.close), day.volume)


def _row(symbol: str, adjustment: str, day: AdjustedDay) -> dict[str, Any]:
    opened, high, low = day.traded or (None, None, None)
    return {
        "symbol": symbol,
        "adjustment": adjustment,
        "session": day.session,
        "open": opened,
        "high": high,
        "low": low,
        "close": day.close,
        "volume": day.volume,
    }


def _splits_table(splits: Sequence[Split]) -> Any:
    ordered = sorted(splits, key=lambda split: (split.session, split.symbol))
    return pa.Table.from_pylist([msgspec.structs.asdict(split) for split in ordered], _SPLITS)


def _sessions_table(sessions: Sequence[Session]) -> Any:
    rows = [msgspec.structs.asdict(session) for session in sessions]
    return pa.Table.from_pylist(rows, schema=_SESSIONS)
