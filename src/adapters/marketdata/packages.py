"""The price files inside two published Python packages, read without importing the packages."""

from __future__ import annotations

import csv
import gzip
import io
from decimal import Decimal, InvalidOperation
from importlib import metadata
from pathlib import Path

import msgspec

from tradeplane.errors import Misconfigured


class PackagedFile(msgspec.Struct, frozen=True):
    """A file of a distribution.

    Attributes:
        distribution: the distribution's name.
        version: the version that this program was written against.
        path: where the file lies inside the distribution.
        header: the first columns that it must have.
    """

    distribution: str
    version: str
    path: str
    header: tuple[str, ...]


OHLCV = PackagedFile(
    distribution="bokeh-sampledata",
    version="2026.1",
    path="bokeh_sampledata/_data/stocks.csv.gz",
    header=("Ticker", "Date", "Open", "High", "Low", "Close", "Volume", "Adj Close"),
)
"""Daily prices as traded, with volumes and adjusted closes; five names, 2000 to 2013."""

CLOSES = PackagedFile(
    distribution="skfolio",
    version="1.12.2",
    path="skfolio/datasets/data/sp500_dataset.csv.gz",
    header=("Date",),
)
"""Daily adjusted closes; twenty names, 1990 to 2022."""


class TradedDay(msgspec.Struct, frozen=True):
    """One line of the OHLCV file, exactly as it is written there.

    Attributes:
        session: ``YYYY-MM-DD``.
        adjusted_close: the close adjusted for later splits and dividends.
    """

    session: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int
    adjusted_close: Decimal


def read_traded_days(source: PackagedFile = OHLCV) -> dict[str, list[TradedDay]]:
    """Return the days of the OHLCV file by symbol, oldest first.

    Raises:
        Misconfigured: the package is missing, damaged, or has another format.
    """
    days: dict[str, list[TradedDay]] = {}
    try:
        for symbol, session, opened, high, low, close, volume, adjusted in _rows(source)[1:]:
            day = TradedDay(
                session,
                Decimal(opened),
                Decimal(high),
                Decimal(low),
                Decimal(close),
                int(volume),
                Decimal(adjusted),
            )
            days.setdefault(symbol, []).append(day)
    except (ValueError, InvalidOperation) as error:
        raise _malformed(source) from error
    return {symbol: sorted(found, key=_session) for symbol, found in sorted(days.items())}


def read_adjusted_closes(source: PackagedFile = CLOSES) -> dict[str, dict[str, Decimal]]:
    """Return the adjusted closes by symbol and session, oldest first.

    Raises:
        Misconfigured: the package is missing, damaged, or has another format.
    """
    header, *rows = _rows(source)
    closes: dict[str, dict[str, Decimal]] = {symbol: {} for symbol in sorted(header[1:])}
    try:
        for session, *prices in sorted(rows):
            for symbol, price in zip(header[1:], prices, strict=True):
                closes[symbol][session] = Decimal(price)
    except (ValueError, InvalidOperation) as error:
        raise _malformed(source) from error
    return closes


def _session(day: TradedDay) -> str:
    return day.session


def _rows(source: PackagedFile) -> list[list[str]]:
    path = _locate(source)
    try:
        text = gzip.decompress(path.read_bytes()).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise Misconfigured(
            f"{path} of {source.distribution} cannot be read ({error}); {_install(source)}"
        ) from error
    rows = list(csv.reader(io.StringIO(text)))
    if not rows or tuple(rows[0][: len(source.header)]) != source.header:
        raise _malformed(source)
    return rows


def _locate(source: PackagedFile) -> Path:
    try:
        distribution = metadata.distribution(source.distribution)
    except metadata.PackageNotFoundError:
        raise Misconfigured(
            f"market data come from the package {source.distribution}, "
            f"which is not installed; {_install(source)}"
        ) from None
    for file in distribution.files or ():
        if file.as_posix() == source.path:
            return Path(str(file.locate()))
    raise Misconfigured(
        f"{source.distribution} {distribution.version} has no file {source.path}; "
        f"{_install(source)}"
    )


def _install(source: PackagedFile) -> str:
    return f"install it with: pip install --no-deps {source.distribution}=={source.version}"


def _malformed(source: PackagedFile) -> Misconfigured:
    return Misconfigured(
        f"{source.path} has another format than that of {source.distribution} {source.version}; "
        f"{_install(source)}"
    )
