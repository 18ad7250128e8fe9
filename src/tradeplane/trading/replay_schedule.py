"""When a session's prices print: real at the open and the close, derived in between.

A daily bar says which four prices traded, and when the first and the last did. When the high and
the low did is derived: at a time that the seed picks, the one nearer to the open first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tradeplane.clock import NS_PER_MS
from tradeplane.trading.bars import Bar
from tradeplane.trading.market import Print, PrintKind, Session

_PRINTS_A_DAY = 4
_BEFORE_CLOSE_NS = NS_PER_MS


def session_prints(bars: Sequence[Bar], session: Session, seed: int) -> tuple[Print, ...]:
    """Return the prints of *session* in the order of their time, symbols in alphabetical order.

    Args:
        bars: the session's raw bars, one of each symbol that traded.
        session: when the exchange is open.
        seed: picks the derived times; the same seed picks the same ones.
    """
    prints = [traded for bar in bars for traded in _prints_of(bar, session, seed)]
    return tuple(sorted(prints, key=lambda traded: (traded.at_ns, traded.symbol)))


def _prints_of(bar: Bar, session: Session, seed: int) -> tuple[Print, ...]:
    part = bar.volume // _PRINTS_A_DAY
    rest = bar.volume - part * (_PRINTS_A_DAY - 1)
    first_ns, second_ns = _derived_times(bar.symbol, session, seed)
    # The extreme nearer to the open is reached first; of two equally near, the low.
    high_first = bar.high - bar.open < bar.open - bar.low
    extremes: tuple[tuple[PrintKind, int], ...] = (
        (("high", first_ns), ("low", second_ns))
        if high_first
        else (("low", first_ns), ("high", second_ns))
    )
    prices = {"high": bar.high, "low": bar.low}
    return (
        Print(bar.symbol, "open", bar.open, part, session.open_ns, session.date),
        *(
            Print(bar.symbol, kind, prices[kind], part, at_ns, session.date)
            for kind, at_ns in extremes
        ),
        Print(
            bar.symbol,
            "close",
            bar.close,
            rest,
            session.close_ns - _BEFORE_CLOSE_NS,
            session.date,
        ),
    )


def _derived_times(symbol: str, session: Session, seed: int) -> tuple[int, int]:
    """Return two times strictly between open and close, in order, on whole milliseconds."""
    text = f"{seed}:{session.date}:{symbol}".encode()
    digest = hashlib.sha256(text).digest()
    span_ms = (session.close_ns - session.open_ns) // NS_PER_MS - 2
    first = int.from_bytes(digest[:8], "big") % span_ms
    second = int.from_bytes(digest[8:16], "big") % span_ms
    if first == second:
        second = (first + 1) % span_ms
    early, late = sorted((first, second))
    open_ns = session.open_ns
    return open_ns + (early + 1) * NS_PER_MS, open_ns + (late + 1) * NS_PER_MS
