"""A venue small enough to see through: the edge's ports on objects in memory."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import ClassVar

import httpx
import pytest
from identity_edge import IdentityEdge, identity_edge

from serve.asgi import build_app
from serve.edge_settings import EdgeSettings
from tradeplane.auth.principal import Principal
from tradeplane.clock import NS_PER_S, FakeClock
from tradeplane.errors import (
    DuplicateClientOrderId,
    InsufficientBuyingPower,
    InsufficientQuantity,
    NotAuthenticated,
    NotFound,
)
from tradeplane.money import plain
from tradeplane.ports import Ports
from tradeplane.trading.account import Account
from tradeplane.trading.bars import Adjustment, Bar
from tradeplane.trading.closed_orders import ClosedOrderQuery
from tradeplane.trading.commands import CancelAllOrders, CancelOrder, PlaceOrder
from tradeplane.trading.events import OrderAccepted, OrderActivated, OrderCanceled, OrderFilled
from tradeplane.trading.market import Asset, ClockSegment, MarketView, Print, Session, Split
from tradeplane.trading.orders import Order, OrderStatus

ACCOUNT_ID = "11111111-1111-4111-8111-111111111111"
OTHER_ACCOUNT_ID = "22222222-2222-4222-8222-222222222222"
TODAY = "2012-05-18"


def utc_ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * NS_PER_S


def weekdays(first: str, count: int) -> list[str]:
    days: list[str] = []
    day = date.fromisoformat(first)
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day.isoformat())
        day += timedelta(days=1)
    return days


class FakeData:
    """Ten sessions from 2012-05-14, so the week after TODAY is the future. KO cannot be traded."""

    def __init__(self) -> None:
        self.days = weekdays("2012-05-14", 10)
        self._assets = [
            Asset(str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), name, f"{name} Inc.", where, tradable)
            for name, where, tradable in (
                ("AAPL", "NASDAQ", True),
                ("IBM", "NYSE", True),
                ("KO", "NYSE", False),
            )
        ]
        self.split_list: list[Split] = []
        self._bars = {
            ("AAPL", "raw"): self._make("AAPL", Decimal(500)),
            ("AAPL", "all"): self._make("AAPL", Decimal(250)),
            ("IBM", "raw"): self._make("IBM", Decimal(200)),
            ("IBM", "all"): self._make("IBM", Decimal(200)),
            ("KO", "all"): self._make("KO", Decimal(30)),
        }

    def _make(self, symbol: str, base: Decimal) -> tuple[Bar, ...]:
        return tuple(
            Bar(
                symbol,
                day,
                utc_ns(f"{day}T04:00:00"),
                base + index,
                base + index + 3,
                base + index - 1,
                base + index + 1,
                1_000_000 + index,
            )
            for index, day in enumerate(self.days)
        )

    def assets(self) -> Sequence[Asset]:
        return self._assets

    def bars(self, symbol: str, adjustment: Adjustment) -> Sequence[Bar]:
        return self._bars.get((symbol, adjustment), ())

    def splits(self) -> Sequence[Split]:
        return self.split_list

    def sessions(self) -> Sequence[Session]:
        return [
            Session(day, utc_ns(f"{day}T13:30:00"), utc_ns(f"{day}T20:00:00")) for day in self.days
        ]


class FakeMarket:
    """TODAY at 10:30 in New York, two prints of AAPL and one of IBM so far."""

    def __init__(self) -> None:
        self._data = FakeData()
        self.time_ns = utc_ns(f"{TODAY}T14:30:00")
        sessions = {session.date: session for session in self._data.sessions()}
        today, following = sessions[TODAY], sessions["2012-05-21"]
        segment = ClockSegment(self.time_ns, 0, 1, NS_PER_S, today, following)
        self.current = MarketView(segment=segment, session=today)
        for symbol, kind, price, at in (
            ("AAPL", "open", "504.00", "13:30:00"),
            ("IBM", "open", "204.50", "13:30:00"),
            ("AAPL", "low", "503.50", "14:10:05"),
        ):
            self.show(symbol, kind, price, at)

    def show(self, symbol: str, kind: str, price: str, at: str, volume: int = 250) -> None:
        traded = Print(symbol, kind, Decimal(price), volume, utc_ns(f"{TODAY}T{at}"), TODAY)
        self.current.last[symbol] = traded
        self.current.day.setdefault(symbol, []).append(traded)

    @property
    def data(self) -> FakeData:
        return self._data

    def view(self) -> MarketView:
        return self.current

    def now_ns(self) -> int:
        return self.time_ns


class FakeTrading:
    """Accepts what it can pay for; market orders fill at once at the last price.

    Attributes:
        calls: every command that arrived.
        failure: raised by the next write, before it does anything.
        gate: writes wait for it.
        database: closed orders that the account has forgotten.
    """

    def __init__(self, market: FakeMarket) -> None:
        self._market = market
        self.calls: list[PlaceOrder | CancelOrder | CancelAllOrders] = []
        self.fresh: list[bool] = []
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.database: list[Order] = []
        self.questions: list[ClosedOrderQuery] = []
        self.asked = asyncio.Event()
        self._arrivals = asyncio.Event()
        self._priority = itertools.count(1)
        opened = utc_ns("2012-05-14T12:00:00")
        self.accounts = {
            account_id: Account(
                account_id, "firm", f"PA{number}", opened, Decimal(100_000), Decimal(100_000)
            )
            for number, account_id in enumerate((ACCOUNT_ID, OTHER_ACCOUNT_ID), start=1)
        }

    async def arrived(self, count: int) -> None:
        """Wait until *count* writes have come."""
        while len(self.calls) < count:
            self._arrivals.clear()
            await self._arrivals.wait()

    async def _take(self, command: PlaceOrder | CancelOrder | CancelAllOrders) -> Account:
        self.calls.append(command)
        self._arrivals.set()
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return self.accounts[command.account_id]

    async def place_order(self, command: PlaceOrder, *, fresh: bool) -> Order:
        self.fresh.append(fresh)
        account = await self._take(command)
        known = [*account.open_orders.values(), *account.recent_orders.values(), *self.database]
        if any(order.client_order_id == command.client_order_id for order in known):
            raise DuplicateClientOrderId("client_order_id must be unique")
        self._check(account, command)
        order = self._order(command)
        account.evolve(OrderAccepted(account.account_id, order))
        if command.type == "market":
            self.fill(account, order.order_id, order.qty)
        else:
            account.evolve(
                OrderActivated(account.account_id, order.order_id, self._market.now_ns())
            )
        return order

    def _check(self, account: Account, command: PlaceOrder) -> None:
        if command.side == "buy":
            cost = command.qty * self._reserve_price(command)
            if cost > account.buying_power():
                facts = {"buying_power": plain(account.buying_power()), "cost_basis": plain(cost)}
                raise InsufficientBuyingPower("insufficient buying power", facts)
            return
        position = account.positions.get(command.symbol)
        free = position.qty - position.held_qty if position else Decimal(0)
        if command.qty > free:
            raise InsufficientQuantity(
                f"insufficient qty available for order (requested: {plain(command.qty)}, "
                f"available: {plain(free)})",
                {
                    "available": plain(free),
                    "existing_qty": plain(position.qty if position else Decimal(0)),
                    "held_for_orders": plain(position.held_qty if position else Decimal(0)),
                    "symbol": command.symbol,
                    "related_orders": [],
                },
            )

    def _reserve_price(self, command: PlaceOrder) -> Decimal:
        if command.limit_price is not None:
            return command.limit_price
        return self._market.current.last[command.symbol].price

    def _order(self, command: PlaceOrder) -> Order:
        now_ns = self._market.now_ns()
        return Order(
            order_id=command.order_id,
            account_id=command.account_id,
            client_order_id=command.client_order_id,
            symbol=command.symbol,
            side=command.side,
            type=command.type,
            time_in_force=command.time_in_force,
            qty=command.qty,
            limit_price=command.limit_price,
            reserve_price=self._reserve_price(command),
            status=OrderStatus.PENDING_NEW,
            submitted_ns=now_ns,
            updated_ns=now_ns,
            priority=next(self._priority),
        )

    def fill(self, account: Account, order_id: str, qty: Decimal) -> None:
        order = account.open_orders[order_id]
        price = self._market.current.last[order.symbol].price
        account.evolve(
            OrderFilled(
                account.account_id,
                order_id,
                str(uuid.uuid4()),
                qty,
                price,
                1,
                self._market.now_ns(),
            )
        )

    async def cancel_order(self, command: CancelOrder) -> None:
        account = await self._take(command)
        if command.order_id not in account.open_orders:
            raise NotFound(f"order not found for {command.order_id}")
        self._cancel(account, command.order_id)

    async def cancel_all_orders(self, command: CancelAllOrders) -> Sequence[str]:
        account = await self._take(command)
        order_ids = list(account.open_orders)
        for order_id in order_ids:
            self._cancel(account, order_id)
        return order_ids

    def _cancel(self, account: Account, order_id: str) -> None:
        account.evolve(
            OrderCanceled(account.account_id, order_id, "request", self._market.now_ns())
        )

    async def account(self, account_id: str) -> Account:
        return self.accounts[account_id]

    async def closed_orders(self, query: ClosedOrderQuery) -> Sequence[Order]:
        self.questions.append(query)
        self.asked.set()
        await asyncio.sleep(0)
        return [order for order in self.database if order.account_id == query.account_id]

    async def closed_order(
        self, account_id: str, *, order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        for order in self.database:
            if order.account_id == account_id and (
                order_id == order.order_id or client_order_id == order.client_order_id
            ):
                return order
        return None


class FakeKeys:
    def authenticate(self, key_id: str, secret_key: str) -> Principal:
        accounts = {"key": ACCOUNT_ID, "other": OTHER_ACCOUNT_ID}
        if key_id not in accounts or secret_key != "secret":
            raise NotAuthenticated("unauthorized.")
        return Principal(key_id, "firm", accounts[key_id])


class FakeReadiness:
    def __init__(self) -> None:
        self.problems: dict[str, str | None] = {"auth": None, "market": None}

    def checks(self) -> dict[str, str | None]:
        return self.problems


class FakeVenue:
    """The ports, the application on them, and clients of it."""

    KEY: ClassVar = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
    OTHER_KEY: ClassVar = {"APCA-API-KEY-ID": "other", "APCA-API-SECRET-KEY": "secret"}

    def __init__(self) -> None:
        self.market = FakeMarket()
        self.trading = FakeTrading(self.market)
        self.keys = FakeKeys()
        self.readiness = FakeReadiness()
        self.clock = FakeClock()
        self.ports = Ports(self.trading, self.market, self.keys, self.readiness)

    @property
    def account(self) -> Account:
        return self.trading.accounts[ACCOUNT_ID]

    def app(self, **settings: int):
        edge = EdgeSettings(**{"rate_limit_per_minute": 0, **settings})
        return build_app(self.ports, edge, clock=self.clock)

    def client(self, app=None, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app or self.app(), raise_app_exceptions=True),
            base_url="http://venue",
            headers=self.KEY if headers is None else headers,
        )


@pytest.fixture
def venue() -> FakeVenue:
    return FakeVenue()


@pytest.fixture
def new_venue() -> Callable[[], FakeVenue]:
    """For tests that need a fresh venue for every example."""
    return FakeVenue


@pytest.fixture
async def client(venue: FakeVenue) -> AsyncIterator[httpx.AsyncClient]:
    async with venue.client() as http:
        yield http


@pytest.fixture
def order() -> dict[str, object]:
    """A body that is accepted."""
    return {
        "symbol": "AAPL",
        "qty": "10",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
    }


@pytest.fixture
async def edge(venue: FakeVenue) -> AsyncIterator[IdentityEdge]:
    """The application on the real identity."""
    async with identity_edge(venue) as found:
        yield found
