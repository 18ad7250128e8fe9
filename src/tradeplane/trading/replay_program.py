"""What is on in each session of the replay: its prints and its splits."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from tradeplane.errors import Misconfigured
from tradeplane.trading.bars import Bar, MarketData
from tradeplane.trading.market import Print, Session, Split
from tradeplane.trading.replay_schedule import session_prints


class ReplayProgram:
    """The sessions that can be replayed, and what happens in each.

    Args:
        data: where sessions, prices and splits come from.
        seed: seed of all that is derived about a session.

    Attributes:
        sessions: those with a price as traded, oldest first; in another one an order would wait in
            vain.

    Raises:
        Misconfigured: the data have no prices as traded.
    """

    def __init__(self, data: MarketData, seed: int) -> None:
        self._seed = seed
        self._bars = _bars_by_session(data)
        self.sessions = tuple(each for each in data.sessions() if each.date in self._bars)
        self._splits = _splits_by_session(data.splits(), self.sessions)

    def prints(self, session: Session) -> tuple[Print, ...]:
        """Return the prints of *session* in the order in which they happen."""
        return session_prints(self._bars.get(session.date, ()), session, self._seed)

    def splits(self, session: Session) -> tuple[Split, ...]:
        """Return the splits that take effect with the open of *session*.

        That is the session of the split or, when that one is not replayed, the next.
        """
        return self._splits.get(session.date, ())


def _bars_by_session(data: MarketData) -> dict[str, list[Bar]]:
    bars: dict[str, list[Bar]] = {}
    for asset in data.assets():
        if asset.tradable:
            for bar in data.bars(asset.symbol, "raw"):
                bars.setdefault(bar.session, []).append(bar)
    if not bars:
        raise Misconfigured(
            "the market data have no prices as traded, so there is nothing to replay"
        )
    return bars


def _splits_by_session(
    splits: Sequence[Split], sessions: Sequence[Session]
) -> dict[str, tuple[Split, ...]]:
    found: dict[str, tuple[Split, ...]] = {}
    dates = [session.date for session in sessions]
    for split in splits:
        for day in dates[bisect_left(dates, split.session) :][:1]:
            found[day] = (*found.get(day, ()), split)
    return found
