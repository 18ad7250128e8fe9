"""The market as one replica knows it."""

from __future__ import annotations

from collections.abc import Callable

from actors.follower import Follower
from actors.ray_call import ActorPort
from adapters.system_clock import SystemClock
from tradeplane.errors import ComponentUnavailable
from tradeplane.trading.bars import MarketData
from tradeplane.trading.market import MarketEvent, MarketView
from tradeplane.trading.replay import GetMarketView, MarketViewFound


class ReplicaMarket:
    """Satisfies :class:`tradeplane.ports.Market`: the view, kept by the market actor's feed.

    Args:
        data: the historical data behind the replay.
        port: the market actor.
        subscriber: this process's name; unique.
        clock: wall and monotonic time.
        on_event: told of each event after the view has taken it in.
    """

    def __init__(
        self,
        data: MarketData,
        port: ActorPort,
        subscriber: str,
        clock: SystemClock,
        on_event: Callable[[MarketEvent], None] = lambda _: None,
    ) -> None:
        self._on_event = on_event
        self._data = data
        self._clock = clock
        self._view: MarketView | None = None
        self.follower = Follower(
            port,
            subscriber,
            query=GetMarketView(),
            reply_type=MarketViewFound,
            event_type=MarketEvent,
            install=self._install,
            evolve=self._evolve,
            clock=clock,
        )

    @property
    def data(self) -> MarketData:
        """The historical data behind the replay."""
        return self._data

    def _install(self, found: MarketViewFound) -> None:
        self._view = found.view

    def _evolve(self, event: MarketEvent) -> None:
        if self._view is not None:
            self._view.evolve(event)
            self._on_event(event)

    def view(self) -> MarketView:
        """Return the current view."""
        if self._view is None or self._view.segment is None:
            raise ComponentUnavailable("the market has not arrived yet; try again")
        return self._view

    def now_ns(self) -> int:
        """Return the venue time."""
        segment = self.view().segment
        assert segment is not None, "view() has checked it"
        return segment.venue_at(self._clock.wall_ns())
