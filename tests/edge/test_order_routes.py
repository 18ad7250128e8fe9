import asyncio
import uuid
from decimal import Decimal

import pytest

from tradeplane.errors import (
    DuplicateClientOrderId,
    JournalUnavailable,
    LimitReached,
    OutcomeUnknown,
    WashTrade,
)
from tradeplane.trading.account import RECENT_ORDERS_MAX
from tradeplane.trading.events import OrderExpired
from tradeplane.trading.orders import Order, OrderStatus

SECOND = 1_000_000_000
ORDER_KEYS = {
    "id", "client_order_id", "created_at", "updated_at", "submitted_at", "filled_at", "expired_at",
    "expires_at", "canceled_at", "failed_at", "replaced_at", "replaced_by", "replaces", "asset_id",
    "symbol", "asset_class", "notional", "qty", "filled_qty", "filled_avg_price", "order_class",
    "order_type", "type", "side", "time_in_force", "limit_price", "stop_price", "status",
    "extended_hours", "legs", "trail_percent", "trail_price", "hwm", "position_intent", "subtag",
    "source",
}  # fmt: skip


def closed_order(account_id: str, number: int, **changes: object) -> Order:
    fields: dict[str, object] = {
        "order_id": str(uuid.UUID(int=number)),
        "account_id": account_id,
        "client_order_id": f"old-{number}",
        "symbol": "AAPL",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "qty": Decimal(1),
        "limit_price": None,
        "reserve_price": Decimal(500),
        "status": OrderStatus.FILLED,
        "submitted_ns": number * SECOND,
        "updated_ns": number * SECOND,
        "priority": number,
        "filled_qty": Decimal(1),
        "filled_cost": Decimal(500),
        "closed_ns": number * SECOND,
        "executions": 1,
    }
    return Order(**{**fields, **changes})


async def test_an_order_is_answered_as_it_was_accepted(venue, client, order):
    answer = await client.post("/v2/orders", json={**order, "client_order_id": "mine / 1"})

    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == ORDER_KEYS
    assert (body["status"], body["qty"], body["filled_qty"]) == ("pending_new", "10", "0")
    assert body["client_order_id"] == "mine / 1"
    assert body["submitted_at"] == body["created_at"] == "2012-05-18T14:30:00Z"
    assert str(uuid.UUID(body["id"])) == body["id"]
    [command] = venue.trading.calls
    assert (command.account_id, command.order_id) == (venue.account.account_id, body["id"])
    assert venue.trading.fresh == [False]


@pytest.mark.parametrize("absent", [{}, {"client_order_id": None}, {"client_order_id": ""}])
async def test_an_absent_client_order_id_is_made_up_and_fresh(venue, client, order, absent):
    body = (await client.post("/v2/orders", json={**order, **absent})).json()

    assert str(uuid.UUID(body["client_order_id"])) == body["client_order_id"]
    assert body["client_order_id"] != body["id"]
    assert venue.trading.fresh == [True]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("10", "10"),
        (10, "10"),
        (10.0, "10"),
        ("10.50", "10.5"),
        (0.1, "0.1"),
        ("0.000000001", "0.000000001"),
        ("100", "100"),
        ("1." + "0" * 37, "1"),
    ],
)
async def test_a_quantity_is_exact_as_string_and_as_number(venue, client, order, given, expected):
    order["limit_price"], order["type"] = "1", "limit"

    body = (await client.post("/v2/orders", json={**order, "qty": given})).json()

    assert body["qty"] == expected
    assert venue.trading.calls[0].qty == Decimal(expected)
    assert len(venue.trading.calls[0].qty.as_tuple().digits) <= 3, "no zeros are kept"


@pytest.mark.parametrize(
    ("price", "expected"), [("290.12", "290.12"), (1, "1"), ("0.1234", "0.1234"), (1.50, "1.5")]
)
async def test_a_limit_price_on_the_tick_is_taken(venue, client, order, price, expected):
    limit = {**order, "type": "limit", "limit_price": price, "time_in_force": "gtc"}

    body = (await client.post("/v2/orders", json=limit)).json()

    assert body["limit_price"] == expected
    assert body["expires_at"] == "2012-08-16T14:30:00Z"


async def test_harmless_extras_are_accepted(client, order):
    extras = {
        "order_class": "simple",
        "extended_hours": False,
        "position_intent": "buy_to_open",
        "stop_price": None,
        "nobody_knows": {"this": ["field"]},
    }

    assert (await client.post("/v2/orders", json={**order, **extras})).status_code == 200


async def test_the_symbol_may_be_an_asset_id(venue, client, order):
    asset = venue.market.data.assets()[0]

    body = (await client.post("/v2/orders", json={**order, "symbol": asset.asset_id})).json()

    assert (body["symbol"], body["asset_id"]) == ("AAPL", asset.asset_id)


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (DuplicateClientOrderId("client_order_id must be unique"), (422, 40010001)),
        (WashTrade("potential wash trade detected. use complex orders"), (403, 40310000)),
        (LimitReached("at most 2 open orders"), (403, 40310000)),
        (JournalUnavailable("the database is gone"), (503, 50310000)),
        (OutcomeUnknown("it may have run"), (503, 50310001)),
        (ZeroDivisionError("a bug"), (500, 50010000)),
    ],
)
async def test_what_the_ledger_refuses_reaches_the_client(venue, client, order, failure, expected):
    venue.trading.failure = failure

    answer = await client.post("/v2/orders", json=order)

    assert (answer.status_code, answer.json()["code"]) == expected
    assert ("retry-after" in answer.headers) == (expected == (503, 50310000))
    assert "bug" not in answer.text


async def test_missing_buying_power_is_told_in_figures(client, order):
    answer = await client.post("/v2/orders", json={**order, "qty": "1000"})

    assert answer.status_code == 403
    assert answer.json() == {
        "buying_power": "100000",
        "cost_basis": "503500",
        "code": 40310000,
        "message": "insufficient buying power",
    }


async def test_orders_are_listed_by_status_and_direction(client, order):
    limit = {**order, "type": "limit", "limit_price": "1", "qty": "1"}
    names = ["a", "b", "c"]
    await client.post("/v2/orders", json={**order, "client_order_id": "filled"})
    for name in names:
        await client.post("/v2/orders", json={**limit, "client_order_id": name})

    async def listed(query: str) -> list[str]:
        answer = await client.get(f"/v2/orders{query}")
        return [row["client_order_id"] for row in answer.json()]

    assert await listed("") == ["c", "b", "a"]
    assert await listed("?direction=asc&nested=True") == names
    assert await listed("?status=closed") == ["filled"]
    assert await listed("?status=all&direction=asc&limit=2") == ["filled", "a"]
    assert await listed("?symbols=IBM,MSFT") == []
    assert await listed("?symbols=IBM,AAPL&side=buy") == ["c", "b", "a"]
    assert await listed("?side=sell") == []


async def test_after_and_until_are_exclusive(venue, client, order):
    limit = {**order, "type": "limit", "limit_price": "1", "qty": "1"}
    for second in range(3):
        venue.market.time_ns += SECOND + 1
        await client.post("/v2/orders", json={**limit, "client_order_id": str(second)})
    first, _, last = (
        row["submitted_at"] for row in (await client.get("/v2/orders?direction=asc")).json()
    )

    query = {"after": first, "until": last}
    between = (await client.get("/v2/orders", params=query)).json()

    assert [row["client_order_id"] for row in between] == ["1"]


async def test_older_orders_come_from_the_database_and_none_comes_twice(venue, client):
    account_id = venue.account.account_id
    remembered = [closed_order(account_id, 1_000 + n) for n in range(RECENT_ORDERS_MAX)]
    venue.account.recent_orders = {order.order_id: order for order in remembered}
    venue.trading.database = [
        *(closed_order(account_id, number) for number in range(1, 4)),
        *remembered[:2],
        closed_order("someone else", 5),
    ]

    oldest = await client.get("/v2/orders?status=closed&direction=asc&limit=5")

    assert [row["client_order_id"] for row in oldest.json()] == [
        "old-1", "old-2", "old-3", "old-1000", "old-1001",
    ]  # fmt: skip
    [question] = venue.trading.questions
    assert (question.account_id, question.ascending, question.limit) == (account_id, True, 5)


async def test_the_database_is_left_alone_while_the_account_remembers_everything(client, venue):
    account = venue.account
    account.recent_orders = {"x": closed_order(account.account_id, 1)}

    assert len((await client.get("/v2/orders?status=all")).json()) == 1
    assert venue.trading.questions == []


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("limit=-1", "limit"),
        ("limit=1.0", "limit"),
        ("limit=99999999999999999999", "limit"),
        ("status=filled", "status"),
        ("direction=up", "direction"),
        ("side=both", "side"),
        ("nested=maybe", "nested"),
        ("after=yesterday", "after"),
        ("after=2012-13-01", "after"),
        ("until=2012-05-18T25:00:00Z", "until"),
        ("until=9999-12-31", "until"),
        ("symbols=,", "symbols"),
        ("symbols=A%00B", "symbols"),
        ("symbols=" + ",".join(f"S{n}" for n in range(501)), "symbols"),
        ("asset_class=crypto", "asset_class"),
        ("before_order_id=x", "before_order_id"),
    ],
)
async def test_a_bad_parameter_is_refused_by_name(client, query, named):
    answer = await client.get(f"/v2/orders?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, 40010001)
    assert answer.json()["message"].startswith(named)


async def test_an_order_is_found_by_either_id_open_closed_or_forgotten(venue, client, order):
    limit = {**order, "type": "limit", "limit_price": "1", "client_order_id": "a b/c"}
    open_id = (await client.post("/v2/orders", json=limit)).json()["id"]
    filled = (await client.post("/v2/orders", json=order)).json()
    forgotten = closed_order(venue.account.account_id, 7)
    venue.trading.database.append(forgotten)
    by_client_id = "/v2/orders:by_client_order_id"

    for order_id, client_order_id in (
        (open_id, "a b/c"),
        (filled["id"], filled["client_order_id"]),
        (forgotten.order_id, "old-7"),
    ):
        one = await client.get(f"/v2/orders/{order_id.upper()}?nested=True")
        same = await client.get(by_client_id, params={"client_order_id": client_order_id})
        assert one.status_code == 200
        assert one.json()["id"] == order_id
        assert same.json() == one.json()


async def test_a_filled_order_shows_its_average_price_and_time(client, order):
    order_id = (await client.post("/v2/orders", json=order)).json()["id"]

    body = (await client.get(f"/v2/orders/{order_id}")).json()

    assert (body["status"], body["filled_qty"]) == ("filled", "10")
    assert (body["filled_avg_price"], body["filled_at"]) == ("503.5", "2012-05-18T14:30:00Z")


async def test_an_unknown_order_is_not_found(client):
    unknown = str(uuid.uuid4())

    one = await client.get(f"/v2/orders/{unknown}")
    by_client_id = await client.get("/v2/orders:by_client_order_id?client_order_id=none")
    canceled = await client.delete(f"/v2/orders/{unknown}")

    assert one.status_code == by_client_id.status_code == canceled.status_code == 404
    assert one.json() == canceled.json() == {
        "code": 40410000,
        "message": f"order not found for {unknown}",
    }  # fmt: skip
    assert by_client_id.json()["message"] == "order not found for none"


async def test_another_accounts_order_does_not_exist(venue, order):
    limit = {**order, "type": "limit", "limit_price": "1", "client_order_id": "secret"}
    async with venue.client(headers=venue.OTHER_KEY) as other:
        order_id = (await other.post("/v2/orders", json=limit)).json()["id"]
    async with venue.client() as client:
        answers = [
            await client.get(f"/v2/orders/{order_id}"),
            await client.delete(f"/v2/orders/{order_id}"),
            await client.get("/v2/orders:by_client_order_id?client_order_id=secret"),
        ]
        listed = await client.get("/v2/orders?status=all")

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert listed.json() == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("order_id", ["1", "ord_1", "{}", "g" * 36])
async def test_an_id_that_is_no_uuid_is_refused(client, method, order_id):
    answer = await client.request(method, f"/v2/orders/{order_id}")

    assert answer.status_code == 422
    assert answer.json()["message"] == "order_id must be a UUID"


async def test_a_missing_client_order_id_is_refused(client):
    answer = await client.get("/v2/orders:by_client_order_id")

    assert (answer.status_code, answer.json()["message"]) == (422, "client_order_id is required")


async def test_an_open_order_is_canceled_once_and_again(venue, client, order):
    limit = {**order, "type": "limit", "limit_price": "1"}
    order_id = (await client.post("/v2/orders", json=limit)).json()["id"]

    first = await client.delete(f"/v2/orders/{order_id}")
    second = await client.delete(f"/v2/orders/{order_id}")

    assert (first.status_code, first.content) == (204, b"")
    assert second.status_code == 204
    assert len(venue.trading.calls) == 2, "the second cancellation needs no command"
    body = (await client.get(f"/v2/orders/{order_id}")).json()
    assert (body["status"], body["canceled_at"]) == ("canceled", "2012-05-18T14:30:00Z")


@pytest.mark.parametrize("forgotten", [True, False])
@pytest.mark.parametrize(
    ("status", "answered"),
    [(OrderStatus.FILLED, 422), (OrderStatus.EXPIRED, 422), (OrderStatus.CANCELED, 204)],
)
async def test_a_closed_order_answers_by_its_status(venue, client, forgotten, status, answered):
    closed = closed_order(venue.account.account_id, 3, status=status)
    if forgotten:
        venue.trading.database.append(closed)
    else:
        venue.account.recent_orders[closed.order_id] = closed

    answer = await client.delete(f"/v2/orders/{closed.order_id}")

    assert answer.status_code == answered
    if answered == 422:
        assert answer.json()["message"] == f'order is already in "{status}" state'
        assert answer.json()["code"] == 42210000
    assert venue.trading.calls == []


async def test_an_expired_order_says_when(venue, client, order):
    limit = {**order, "type": "limit", "limit_price": "1"}
    order_id = (await client.post("/v2/orders", json=limit)).json()["id"]
    account = venue.account
    account.evolve(OrderExpired(account.account_id, order_id, venue.market.now_ns() + 1))

    body = (await client.get(f"/v2/orders/{order_id}")).json()

    assert (body["status"], body["expired_at"]) == ("expired", "2012-05-18T14:30:00.000000001Z")


async def test_canceling_all_names_each_order(client, order):
    limit = {**order, "type": "limit", "limit_price": "1"}
    order_ids = [(await client.post("/v2/orders", json=limit)).json()["id"] for _ in range(3)]

    answer = await client.delete("/v2/orders")
    nothing = await client.delete("/v2/orders")

    assert answer.status_code == nothing.status_code == 207
    assert answer.json() == [{"id": order_id, "status": 200} for order_id in order_ids]
    assert nothing.json() == []


async def test_orders_are_rendered_before_the_account_moves_on(venue, client, order):
    limit = {**order, "type": "limit", "limit_price": "1"}
    order_id = (await client.post("/v2/orders", json=limit)).json()["id"]
    account = venue.account
    account.recent_orders = {
        old.order_id: old
        for old in (closed_order(account.account_id, n) for n in range(1, RECENT_ORDERS_MAX + 1))
    }

    listing = asyncio.create_task(client.get("/v2/orders?status=all&limit=1"))
    await venue.trading.asked.wait()
    venue.trading.fill(account, order_id, Decimal(10))

    [row] = (await listing).json()
    assert (row["id"], row["status"]) == (order_id, "new")


async def test_orders_and_cancellations_carry_their_author(client, venue, order):
    resting = {**order, "type": "limit", "limit_price": "400"}
    placed = await client.post("/v2/orders", json=resting)
    await client.delete(f"/v2/orders/{placed.json()['id']}")
    await client.delete("/v2/orders")
    await client.post("/v2/orders", json=order)
    await client.delete("/v2/positions/AAPL")
    assert [command.by for command in venue.trading.calls] == ["key:key"] * 5
