"""``/v2/clock`` and ``/v2/calendar``: venue time and trading days."""

from __future__ import annotations

from serve.exchange import Exchange, Reply
from serve.history import History
from serve.operation import Answer, Operation, Parameter, choice_parameter
from serve.query import Query
from serve.wire.calendar_body import CalendarDay, ClockBody, calendar_day, clock_body
from serve.wire.decimals import encode
from tradeplane.errors import ComponentUnavailable
from tradeplane.ports import Market

_DATE_TYPES = ("TRADING",)
_TAG = "calendar"


class CalendarRoutes:
    """The operations on time.

    Args:
        market: the replayed market.
        history: the sessions.
    """

    def __init__(self, market: Market, history: History) -> None:
        self._market = market
        self._history = history

    async def clock(self, exchange: Exchange) -> Reply:
        """Return the venue time."""
        del exchange
        segment = self._market.view().segment
        if segment is None:
            raise ComponentUnavailable("the venue clock has not arrived yet; try again")
        return Reply(200, encode(clock_body(segment, self._market.now_ns())))

    async def calendar(self, exchange: Exchange) -> Reply:
        """Return the trading days of the data's range, past and to come."""
        query = Query(exchange.query)
        query.choice("date_type", _DATE_TYPES, "TRADING")
        start, end = query.date("start") or "", query.date("end") or "9999-12-31"
        days = [
            calendar_day(session)
            for session in self._history.sessions
            if start <= session.date <= end
        ]
        return Reply(200, encode(days))

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        date = {"type": "string", "format": "date"}
        return (
            Operation(
                "GET",
                "/v2/clock",
                self.clock,
                "getClock",
                "Get the venue time",
                _TAG,
                (Answer(200, "The clock.", ClockBody),),
                action="market:read",
            ),
            Operation(
                "GET",
                "/v2/calendar",
                self.calendar,
                "listCalendarDays",
                "List trading days",
                _TAG,
                (Answer(200, "The days, oldest first.", list[CalendarDay]),),
                errors=(422,),
                parameters=(
                    Parameter("start", date, "First day."),
                    Parameter("end", date, "Last day."),
                    choice_parameter("date_type", _DATE_TYPES, "Trading days only.", "TRADING"),
                ),
                action="market:read",
            ),
        )
