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

VERSION = 1
"""Raised with every change of the files' content; an older version is converted anew."""

_COMPRESSION = "zstd"
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
_SERIES = b"series"
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
    """The market data as Parquet files in memory.

    Attributes:
        bars: symbol, adjustment, session, open, high, low, close, volume; one row group for each
            symbol and adjustment, so that a reader decodes only what it needs.
        splits: symbol, session, numerator, denominator; oldest first.
        sessions: date, open_ns, close_ns; oldest first.
    """

    bars: pq.ParquetFile
    splits: pq.ParquetFile
    sessions: pq.ParquetFile

    def series(self) -> list[tuple[str, str]]:
        """Return the symbol and the adjustment of every row group of *bars*."""
        return msgspec.json.decode(self.bars.metadata.metadata[_SERIES], type=list[tuple[str, str]])


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
                tables = _write(folder, _convert())
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
        contents = {name: (folder / _file_name(name)).read_bytes() for name in _names()}
    except (OSError, msgspec.DecodeError):
        return None
    return _opened(contents) if manifest.digests == _digests(contents) else None


def _opened(contents: Mapping[str, bytes]) -> Tables:
    return Tables(**{name: pq.ParquetFile(io.BytesIO(contents[name])) for name in _names()})


def _digests(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def _write(folder: Path, contents: Mapping[str, bytes]) -> Tables:
    for name, content in contents.items():
        _replace(folder / _file_name(name), content)
    # Last, because it vouches for the others: a crash before this line leaves no valid set.
    manifest = _Manifest(VERSION, _digests(contents))
    _replace(folder / _manifest_name(), msgspec.json.encode(manifest))
    return _opened(contents)


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


def _convert() -> dict[str, bytes]:
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
    splits.sort(key=lambda split: (split.session, split.symbol))
    return {
        "bars": _bars_file(traded, closes),
        "splits": _file([msgspec.structs.asdict(split) for split in splits], _SPLITS),
        "sessions": _file([msgspec.structs.asdict(session) for session in sessions], _SESSIONS),
    }


def _bars_file(
    traded: Mapping[str, Sequence[TradedDay]], closes: Mapping[str, Mapping[str, Decimal]]
) -> bytes:
    series: dict[tuple[str, str], list[AdjustedDay]] = {}
    for symbol in sorted(traded.keys() | closes.keys()):
        days = traded.get(symbol, ())
        series[symbol, "all"] = adjusted_days(days, closes.get(symbol, {}))
        if days:
            series[symbol, "raw"] = [_as_traded(day) for day in days]
    schema = _BARS.with_metadata({_SERIES: msgspec.json.encode(list(series))})
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, schema, compression=_COMPRESSION) as writer:
        for (symbol, adjustment), converted in series.items():
            rows = [_row(symbol, adjustment, day) for day in converted]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return buffer.getvalue()


def _file(rows: list[dict[str, Any]], schema: pa.Schema) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema), buffer, compression=_COMPRESSION)
    return buffer.getvalue()


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
