"""The prints of a session: four real prices a day, put in order on the venue's clock."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tradeplane.clock import NS_PER_MS
from tradeplane.trading.bars import Bar
from tradeplane.trading.market import Print, PrintKind, Session

_PRINTS_A_DAY = 4


def session_prints(bars: Sequence[Bar], session: Session, seed: int) -> tuple[Print, ...]:
    """Return the prints that *bars* make of *session*, in the order in which they happen.

    Open and close have their real times, the close a millisecond before the bell. High and low lie
    in between at times that are derived from *seed*, symbol and date; the extreme nearer to the
    open comes first, as it does more often in reality. A symbol's prints don't depend on the
    other symbols, and each stands for a quarter of the day's volume, the close for the rest.

    Args:
        bars: raw bars of that very session, at most one a symbol.
        session: when the exchange is open.
        seed: any integer; the same one gives the same prints, in the venue and in a backtest.
    """
    prints = [each for bar in bars for each in _bar_prints(bar, session, seed)]
    return tuple(sorted(prints, key=lambda each: (each.at_ns, each.symbol)))


def _bar_prints(bar: Bar, session: Session, seed: int) -> list[Print]:
    assert bar.session == session.date, "a bar belongs to the session that it is replayed in"
    first_ns, second_ns = _times_between(bar, session, seed)
    low_first = bar.open - bar.low <= bar.high - bar.open
    low_ns, high_ns = (first_ns, second_ns) if low_first else (second_ns, first_ns)
    quarter = bar.volume // _PRINTS_A_DAY
    rest = bar.volume - (_PRINTS_A_DAY - 1) * quarter

    def traded(kind: PrintKind, at_ns: int, volume: int) -> Print:
        return Print(bar.symbol, kind, getattr(bar, kind), volume, at_ns, bar.session)

    return [
        traded("open", session.open_ns, quarter),
        traded("high", high_ns, quarter),
        traded("low", low_ns, quarter),
        traded("close", session.close_ns - NS_PER_MS, rest),
    ]


def _times_between(bar: Bar, session: Session, seed: int) -> tuple[int, int]:
    """Return two different times, earlier first, strictly between the open and the close print."""
    slots = (session.close_ns - session.open_ns) // NS_PER_MS - 2
    digest = hashlib.sha256(f"{seed}:{bar.symbol}:{bar.session}".encode()).digest()
    one = int.from_bytes(digest[:8]) % slots
    # Never 0 steps away, so never the same slot.
    other = (one + 1 + int.from_bytes(digest[8:16]) % (slots - 1)) % slots
    first, second = sorted((one, other))
    return (
        session.open_ns + (first + 1) * NS_PER_MS,
        session.open_ns + (second + 1) * NS_PER_MS,
    )
