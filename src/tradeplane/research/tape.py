"""The tape of one symbol: its trading days, with the very prints that the live venue replays."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tradeplane.errors import InvalidRequest, UnknownAsset
from tradeplane.trading.bars import Bar, MarketData
from tradeplane.trading.market import Print, Session, Split
from tradeplane.trading.replay_schedule import session_prints


class TradingDay(msgspec.Struct, frozen=True):
    """One session on which the symbol traded.

    Attributes:
        splits: the symbol's splits that take effect before this session's open.
        prints: the symbol's prints, in time order.
        close: the raw bar of the day; its close marks the account.
    """

    session: Session
    splits: tuple[Split, ...]
    prints: tuple[Print, ...]
    close: Bar


class Tape(msgspec.Struct, frozen=True):
    """What a backtest of one symbol plays.

    Attributes:
        symbol: the symbol.
        days: the trading days to play, oldest first.
        raw: every raw bar up to the last day to play, earlier ones included.
        adjusted: the bars of the same sessions, adjusted for splits and dividends.
    """

    symbol: str
    days: tuple[TradingDay, ...]
    raw: tuple[Bar, ...]
    adjusted: tuple[Bar, ...]


def tape(data: MarketData, symbol: str, first: str, last: str, seed: int) -> Tape:
    """Return the tape of *symbol* from session *first* to *last*, ``YYYY-MM-DD``, both included.

    Args:
        data: the source.
        symbol: a tradable symbol.
        first: earliest session to play; earlier bars are history that a strategy may look at.
        last: latest session to play.
        seed: the replay's seed; the live venue's gives the live venue's prints.

    Raises:
        UnknownAsset: the source has no such symbol, or no prices of it as traded.
        InvalidRequest: the symbol has no session in that range.
    """
    _check_symbol(data, symbol)
    raw = tuple(bar for bar in data.bars(symbol, "raw") if bar.session <= last)
    by_session = {bar.session: bar for bar in raw if bar.session >= first}
    sessions = [session for session in data.sessions() if session.date in by_session]
    if not sessions:
        every = data.bars(symbol, "raw")
        raise InvalidRequest(
            f"{symbol} has no session from {first} to {last}; "
            f"its data run from {every[0].session} to {every[-1].session}"
        )
    known = {bar.session for bar in raw}
    adjusted = tuple(bar for bar in data.bars(symbol, "all") if bar.session in known)
    days = _days(data, symbol, sessions, by_session, seed)
    return Tape(symbol, days, raw, adjusted)


def _check_symbol(data: MarketData, symbol: str) -> None:
    assets = {asset.symbol: asset for asset in data.assets()}
    tradable = ", ".join(sorted(name for name, asset in assets.items() if asset.tradable))
    if symbol not in assets:
        raise UnknownAsset(f"unknown symbol {symbol!r}; there are prices of {tradable}")
    if not assets[symbol].tradable:
        raise UnknownAsset(
            f"{symbol} has adjusted closes only, no prices as traded; choose one of {tradable}"
        )


def _days(
    data: MarketData,
    symbol: str,
    sessions: Sequence[Session],
    bars: dict[str, Bar],
    seed: int,
) -> tuple[TradingDay, ...]:
    splits = [split for split in data.splits() if split.symbol == symbol]
    days = []
    previous = sessions[0].date
    for session in sessions:
        # A split on a date without a bar takes effect on the next one that has.
        due = tuple(
            split
            for split in splits
            if split.session == session.date or previous < split.session < session.date
        )
        prints = session_prints((bars[session.date],), session, seed)
        days.append(TradingDay(session, due, prints, bars[session.date]))
        previous = session.date
    return tuple(days)
