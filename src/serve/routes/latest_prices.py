"""``/v2/stocks/.../latest`` and snapshots: what the replayed market says now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from serve.exchange import Exchange, Reply
from serve.history import History
from serve.operation import Answer, Operation, Parameter, text_parameter
from serve.query import Query
from serve.wire import market_data_body as bodies
from serve.wire.decimals import encode_numbers
from serve.wire.timestamps import date_start_ns
from tradeplane.errors import InvalidRequest, NotFound
from tradeplane.ports import Market
from tradeplane.trading.market import Print

_TAG = "market data"
_FEED = text_parameter("feed", "Accepted and ignored: there is one feed.")
_CURRENCY = Parameter("currency", {"type": "string", "enum": ["USD"]}, "US dollars only.")
SYMBOLS = text_parameter("symbols", "Symbols with commas between.", required=True)
SYMBOL = text_parameter("symbol", "One symbol.", place="path")
SOURCE = (_FEED, _CURRENCY)


def check_currency(query: Query) -> None:
    """Refuse prices in anything but US dollars.

    Raises:
        InvalidRequest: another currency is asked for.
    """
    query.choice("currency", ("USD",), "USD")


def required_symbols(query: Query) -> tuple[str, ...]:
    """Return the symbols that are asked for.

    Raises:
        InvalidRequest: there are none, or they are malformed.
    """
    symbols = query.symbols("symbols")
    if not symbols:
        raise InvalidRequest("symbols is required")
    return symbols


class LatestKind:
    """One of bars, quotes and trades: how its newest one is made and wrapped.

    Attributes:
        name: the singular, as in ``bar``.
        make: makes it from the last print.
        one: wraps that of one symbol.
        many: wraps those of several.
    """

    __slots__ = ("make", "many", "name", "one")

    def __init__(self, name: str, make: Callable[[Print], Any], one: Any, many: Any) -> None:
        self.name = name
        self.make = make
        self.one = one
        self.many = many


KINDS = (
    LatestKind("bar", bodies.minute_bar_body, bodies.LatestBar, bodies.LatestBars),
    LatestKind("quote", bodies.quote_body, bodies.LatestQuote, bodies.LatestQuotes),
    LatestKind("trade", bodies.trade_body, bodies.LatestTrade, bodies.LatestTrades),
)


class LatestPriceRoutes:
    """The operations on current prices. A symbol without a print is left out.

    Args:
        market: the replayed market.
        history: the days before.
    """

    def __init__(self, market: Market, history: History) -> None:
        self._market = market
        self._history = history

    def _latest_of_many(self, kind: LatestKind) -> Callable[[Exchange], Any]:
        async def latest(exchange: Exchange) -> Reply:
            query = Query(exchange.query)
            check_currency(query)
            symbols = required_symbols(query)
            last = self._market.view().last
            found = {symbol: kind.make(last[symbol]) for symbol in symbols if symbol in last}
            return Reply(200, encode_numbers(kind.many(found)))

        return latest

    def _latest_of_one(self, kind: LatestKind) -> Callable[[Exchange], Any]:
        async def latest(exchange: Exchange) -> Reply:
            check_currency(Query(exchange.query))
            symbol = exchange.params["symbol"]
            last = self._market.view().last.get(symbol)
            if last is None:
                raise NotFound(f"no {kind.name} found for {symbol}")
            return Reply(200, encode_numbers(kind.one(symbol, kind.make(last))))

        return latest

    async def snapshots(self, exchange: Exchange) -> Reply:
        """Return the snapshot of each symbol that has a print, by symbol and nothing else."""
        query = Query(exchange.query)
        check_currency(query)
        symbols = required_symbols(query)
        last = self._market.view().last
        found = {
            symbol: bodies.SnapshotBody(*self._parts(last[symbol]))
            for symbol in symbols
            if symbol in last
        }
        return Reply(200, encode_numbers(found))

    async def snapshot(self, exchange: Exchange) -> Reply:
        """Return the snapshot of one symbol."""
        check_currency(Query(exchange.query))
        symbol = exchange.params["symbol"]
        last = self._market.view().last.get(symbol)
        if last is None:
            raise NotFound(f"no snapshot found for {symbol}")
        return Reply(200, encode_numbers(bodies.SymbolSnapshotBody(symbol, *self._parts(last))))

    def _parts(self, last: Print) -> tuple[Any, ...]:
        day = [
            traded
            for traded in self._market.view().day.get(last.symbol, ())
            if traded.session == last.session
        ]
        start_ns = date_start_ns(last.session)
        before = self._history.bar_before(last.symbol, last.session)
        return (
            bodies.trade_body(last),
            bodies.quote_body(last),
            bodies.minute_bar_body(last),
            bodies.daily_bar_body(day, start_ns) if day else None,
            bodies.bar_body(before) if before else None,
        )

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        rows: list[Operation] = []
        for kind in KINDS:
            plural, noun = f"{kind.name}s", kind.name.capitalize()
            rows += (
                Operation(
                    "GET",
                    f"/v2/stocks/{plural}/latest",
                    self._latest_of_many(kind),
                    f"getLatest{noun}s",
                    f"Get the latest {plural}",
                    _TAG,
                    (Answer(200, f"The latest {plural}.", kind.many),),
                    errors=(422,),
                    parameters=(SYMBOLS, *SOURCE),
                    action="market:read",
                ),
                Operation(
                    "GET",
                    f"/v2/stocks/{{symbol}}/{plural}/latest",
                    self._latest_of_one(kind),
                    f"getLatest{noun}",
                    f"Get the latest {kind.name} of one symbol",
                    _TAG,
                    (Answer(200, f"The latest {kind.name}.", kind.one),),
                    errors=(404, 422),
                    parameters=(SYMBOL, *SOURCE),
                    action="market:read",
                ),
            )
        return (*rows, *self._snapshot_operations())

    def _snapshot_operations(self) -> tuple[Operation, ...]:
        return (
            Operation(
                "GET",
                "/v2/stocks/snapshots",
                self.snapshots,
                "getSnapshots",
                "Get snapshots",
                _TAG,
                (Answer(200, "Snapshots by symbol.", dict[str, bodies.SnapshotBody]),),
                errors=(422,),
                parameters=(SYMBOLS, *SOURCE),
                action="market:read",
            ),
            Operation(
                "GET",
                "/v2/stocks/{symbol}/snapshot",
                self.snapshot,
                "getSnapshot",
                "Get the snapshot of one symbol",
                _TAG,
                (Answer(200, "The snapshot.", bodies.SymbolSnapshotBody),),
                errors=(404, 422),
                parameters=(SYMBOL, *SOURCE),
                action="market:read",
            ),
        )
