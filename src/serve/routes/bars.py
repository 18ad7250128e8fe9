"""``/v2/stocks/bars``: historical bars up to the venue's now."""

from __future__ import annotations

from serve.bar_pages import (
    ADJUSTMENTS,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    SORTS,
    TIMEFRAMES,
    BarPage,
    bar_page,
    bar_search,
)
from serve.exchange import Exchange, Reply
from serve.history import History
from serve.operation import (
    Answer,
    Operation,
    Parameter,
    choice_parameter,
    instant_parameter,
    integer_parameter,
    text_parameter,
)
from serve.query import Query
from serve.routes.latest_prices import (
    SOURCE,
    SYMBOL,
    SYMBOLS,
    check_currency,
    required_symbols,
)
from serve.wire.decimals import encode_numbers
from serve.wire.market_data_body import BarsPage, SymbolBarsPage, bar_body
from serve.wire.timestamps import new_york_midnight_ns
from tradeplane.ports import Market

_TAG = "market data"


class BarRoutes:
    """The operations on historical bars.

    Args:
        market: the replayed market.
        history: the historical prices.
    """

    def __init__(self, market: Market, history: History) -> None:
        self._market = market
        self._history = history

    async def bars(self, exchange: Exchange) -> Reply:
        """Return a page of the bars of several symbols."""
        query = Query(exchange.query)
        page = self._page(query, required_symbols(query))
        found = {symbol: [bar_body(bar) for bar in bars] for symbol, bars in page.bars.items()}
        return Reply(200, encode_numbers(BarsPage(found, page.next_page_token)))

    async def symbol_bars(self, exchange: Exchange) -> Reply:
        """Return a page of the bars of one symbol."""
        symbol = exchange.params["symbol"]
        page = self._page(Query(exchange.query), (symbol,))
        found = [bar_body(bar) for bar in page.bars.get(symbol, ())]
        return Reply(200, encode_numbers(SymbolBarsPage(symbol, found, page.next_page_token)))

    def _page(self, query: Query, symbols: tuple[str, ...]) -> BarPage:
        check_currency(query)
        now_ns = self._market.now_ns()
        search = bar_search(query, now_ns, new_york_midnight_ns(now_ns))
        return bar_page(self._history, symbols, search, now_ns)

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        timeframe = {"type": "string", "enum": list(TIMEFRAMES)}
        parameters = (
            Parameter("timeframe", timeframe, "Length of a bar.", required=True),
            instant_parameter("start", "First start of a bar, by default today"),
            instant_parameter("end", "Last start of a bar, by default now"),
            integer_parameter("limit", 1, LIMIT_MAX, LIMIT_DEFAULT, "Bars a page."),
            choice_parameter("adjustment", ADJUSTMENTS, "As traded, or adjusted.", "raw"),
            choice_parameter("sort", SORTS, "By time.", "asc"),
            text_parameter("page_token", "The next_page_token of the page before."),
            text_parameter("asof", "Accepted and ignored: symbols do not change here."),
            *SOURCE,
        )
        return (
            Operation(
                "GET",
                "/v2/stocks/bars",
                self.bars,
                "listBars",
                "List bars of several symbols",
                _TAG,
                (Answer(200, "A page of bars.", BarsPage),),
                errors=(422,),
                parameters=(SYMBOLS, *parameters),
                action="market:read",
            ),
            Operation(
                "GET",
                "/v2/stocks/{symbol}/bars",
                self.symbol_bars,
                "listSymbolBars",
                "List bars of one symbol",
                _TAG,
                (Answer(200, "A page of bars.", SymbolBarsPage),),
                errors=(422,),
                parameters=(SYMBOL, *parameters),
                action="market:read",
            ),
        )
