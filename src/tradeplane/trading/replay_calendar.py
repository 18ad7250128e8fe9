"""The sessions that a replay covers, with their prints and splits."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from tradeplane.errors import InvalidRequest, Misconfigured
from tradeplane.trading.bars import Bar, MarketData
from tradeplane.trading.market import Print, Session, Split
from tradeplane.trading.replay_schedule import session_prints


class ReplayCalendar:
    """The replayed sessions, numbered from 0. A session without a bar is left out.

    Args:
        data: the source.
        first: earliest trading date, ``YYYY-MM-DD``.
        last: latest trading date.
        seed: picks the derived times.

    Raises:
        Misconfigured: no session with prices lies in that range.
    """

    def __init__(self, data: MarketData, first: str, last: str, seed: int) -> None:
        self._seed = seed
        self._bars: dict[str, list[Bar]] = {}
        for asset in data.assets():
            for bar in data.bars(asset.symbol, "raw") if asset.tradable else ():
                self._bars.setdefault(bar.session, []).append(bar)
        self.sessions: Sequence[Session] = tuple(
            session
            for session in data.sessions()
            if first <= session.date <= last and session.date in self._bars
        )
        if not self.sessions:
            known = sorted(self._bars) or ["nothing"]
            raise Misconfigured(
                f"there are no prices from {first} to {last}; there are from {known[0]} "
                f"to {known[-1]}"
            )
        self._numbers = {session.date: n for n, session in enumerate(self.sessions)}
        self._splits = data.splits()
        self._cached: tuple[str, tuple[Print, ...]] = ("", ())

    def prints(self, session: Session) -> tuple[Print, ...]:
        """Return the prints of *session* in their order."""
        if self._cached[0] != session.date:
            bars = self._bars[session.date]
            self._cached = (session.date, session_prints(bars, session, self._seed))
        return self._cached[1]

    def splits(self, session: Session) -> tuple[Split, ...]:
        """Return the splits that take effect before the open of *session*.

        A split on a date that is left out takes effect on the next one that is not.
        """
        number = self._numbers[session.date]
        previous = self.sessions[number - 1].date if number else ""
        return tuple(
            split
            for split in self._splits
            if (previous < split.session if previous else split.session == session.date)
            and split.session <= session.date
        )

    def after(self, session: Session) -> Session:
        """Return the session that follows; after the last one, the first."""
        return self.sessions[(self._numbers[session.date] + 1) % len(self.sessions)]

    def at(self, venue_ns: int) -> tuple[Session | None, Session]:
        """Return the session that is open at *venue_ns*, if any, and the next one to open.

        Raises:
            InvalidRequest: *venue_ns* lies outside the replayed range.
        """
        first, last = self.sessions[0], self.sessions[-1]
        if not first.open_ns <= venue_ns < last.close_ns:
            raise InvalidRequest(
                f"the venue's clock can be set from the open of {first.date} to the close of "
                f"{last.date}"
            )
        number = bisect_right(self.sessions, venue_ns, key=lambda session: session.open_ns) - 1
        current = self.sessions[number]
        following = self.after(current)
        return (current if venue_ns < current.close_ns else None), following
