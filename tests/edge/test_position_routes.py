from decimal import Decimal

import pytest

from serve.asset_directory import AssetDirectory
from serve.history import History
from serve.position_bodies import PositionBodies
from serve.valuation import Valuation
from tradeplane.errors import InsufficientQuantity
from tradeplane.trading.account import RECENT_ORDERS_MAX, Account, Position
from tradeplane.trading.market import Split

POSITION_KEYS = {
    "asset_id", "symbol", "exchange", "asset_class", "asset_marginable", "qty", "qty_available",
    "avg_entry_price", "side", "market_value", "cost_basis", "unrealized_pl", "unrealized_plpc",
    "unrealized_intraday_pl", "unrealized_intraday_plpc", "current_price", "lastday_price",
    "change_today",
}  # fmt: skip


def hold(account: Account, symbol: str, qty: str, cost: str) -> Position:
    position = Position(Decimal(qty), Decimal(0), Decimal(qty), Decimal(cost))
    account.positions[symbol] = position
    account.version += 1
    return position


async def test_a_position_from_before_is_valued_by_the_last_print(venue, client):
    hold(venue.account, "AAPL", "10", "5000").held_qty = Decimal(4)

    answer = await client.get("/v2/positions/AAPL")

    body = answer.json()
    assert answer.status_code == 200
    assert set(body) == POSITION_KEYS
    assert all(isinstance(value, str) for name, value in body.items() if name != "asset_marginable")
    # Last print 503.50, yesterday's close 504.
    assert {
        name: body[name]
        for name in ("qty", "qty_available", "avg_entry_price", "cost_basis", "market_value")
    } == {
        "qty": "10",
        "qty_available": "6",
        "avg_entry_price": "500",
        "cost_basis": "5000",
        "market_value": "5035",
    }
    assert (body["unrealized_pl"], body["unrealized_plpc"]) == ("35", "0.007")
    assert (body["unrealized_intraday_pl"], body["unrealized_intraday_plpc"]) == (
        "-5",
        "-0.000992063",
    )
    assert (body["current_price"], body["lastday_price"]) == ("503.5", "504")
    assert body["change_today"] == "-0.000992063"


async def test_shares_bought_today_count_from_their_own_price(venue, client, order):
    hold(venue.account, "AAPL", "10", "5000")
    venue.market.show("AAPL", "high", "510", "14:20:00")
    await client.post("/v2/orders", json=order)
    venue.market.show("AAPL", "low", "500", "14:25:00")

    body = (await client.get("/v2/positions/AAPL")).json()

    # Ten older shares from 504 to 500, ten new ones from 510 to 500.
    assert body["unrealized_intraday_pl"] == "-140"


async def test_a_sale_of_today_takes_the_older_shares(venue, client, order):
    hold(venue.account, "AAPL", "10", "5000")
    venue.market.show("AAPL", "high", "510", "14:20:00")
    await client.post("/v2/orders", json=order)
    await client.post("/v2/orders", json={**order, "side": "sell", "qty": "15"})

    body = (await client.get("/v2/positions/AAPL")).json()

    assert body["qty"] == "5"
    assert body["unrealized_intraday_pl"] == "0"


async def test_a_split_of_today_is_taken_out_of_the_last_close(venue):
    venue.market.data.split_list.append(Split("AAPL", "2012-05-18", 3, 1))
    hold(venue.account, "AAPL", "30", "5000")

    async with venue.client() as client:
        body = (await client.get("/v2/positions/AAPL")).json()

    assert body["lastday_price"] == "168"


async def test_without_a_print_the_last_close_counts(venue, client):
    hold(venue.account, "AAPL", "10", "5000")
    venue.market.current.last.clear()

    body = (await client.get("/v2/positions/AAPL")).json()

    assert (body["current_price"], body["market_value"]) == ("504", "5040")


async def test_without_any_price_a_position_is_worth_its_cost(venue, client):
    hold(venue.account, "KO", "10", "300")

    body = (await client.get("/v2/positions/KO")).json()

    assert (body["market_value"], body["unrealized_pl"]) == ("300", "0")
    assert body["current_price"] is body["lastday_price"] is None


async def test_a_position_follows_the_account_and_the_price(venue, client, order):
    async def value() -> str:
        return (await client.get("/v2/positions/AAPL")).json()["market_value"]

    await client.post("/v2/orders", json=order)
    assert await value() == await value() == "5035"
    await client.post("/v2/orders", json=order)
    assert await value() == "10070"
    venue.market.show("AAPL", "high", "600", "14:40:00")
    assert await value() == "12000"


def test_an_encoded_position_is_made_once_and_the_store_is_bounded(venue):
    market = venue.market
    history = History(market.data)
    assets = AssetDirectory(market.data.assets())
    bodies = PositionBodies(market, Valuation(market, history), assets, entries_max=2)
    accounts = [Account(f"account-{n}", "firm", "PA", 0, Decimal(0), Decimal(0)) for n in range(3)]
    first = hold(accounts[0], "AAPL", "1", "500")

    body = bodies.encoded(accounts[0], "AAPL", first)
    assert bodies.encoded(accounts[0], "AAPL", first) is body
    for account in accounts[1:]:
        bodies.encoded(account, "AAPL", hold(account, "AAPL", "1", "500"))

    assert len(bodies) == 2
    assert bodies.encoded(accounts[0], "AAPL", first) is not body


async def test_positions_are_listed_by_symbol(venue, client):
    hold(venue.account, "IBM", "1", "200")
    hold(venue.account, "AAPL", "1", "500")

    rows = (await client.get("/v2/positions")).json()

    assert [row["symbol"] for row in rows] == ["AAPL", "IBM"]
    assert rows[0] == (await client.get("/v2/positions/AAPL")).json()


async def test_no_positions_are_an_empty_list(client):
    assert (await client.get("/v2/positions")).json() == []


async def test_a_position_is_found_by_asset_id(venue, client):
    hold(venue.account, "AAPL", "1", "500")
    asset_id = venue.market.data.assets()[0].asset_id

    assert (await client.get(f"/v2/positions/{asset_id.upper()}")).json()["symbol"] == "AAPL"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("symbol", ["IBM", "ZZZZ", "BRK.B", "%21"])
async def test_a_position_that_is_not_held_does_not_exist(venue, method, symbol):
    hold(venue.trading.accounts["22222222-2222-4222-8222-222222222222"], "IBM", "1", "200")

    async with venue.client() as client:
        answer = await client.request(method, f"/v2/positions/{symbol}")

    assert answer.status_code == 404
    assert answer.json() == {"code": 40410000, "message": "position does not exist"}
    assert venue.trading.calls == []


@pytest.mark.parametrize(
    ("query", "sold"),
    [
        ("", "9.5"),
        ("?qty=2", "2"),
        ("?qty=0.25", "0.25"),
        ("?percentage=50", "5"),
        ("?percentage=33.333333333", "3.333333333"),
        ("?percentage=100", "10"),
    ],
)
async def test_closing_sells_the_free_shares_or_a_part(venue, client, query, sold):
    hold(venue.account, "AAPL", "10", "5000")
    venue.account.positions["AAPL"].held_qty = Decimal("0.5") if not query else Decimal(0)

    answer = await client.delete(f"/v2/positions/AAPL{query}")

    body = answer.json()
    assert answer.status_code == 200
    assert (body["qty"], body["side"], body["type"]) == (sold, "sell", "market")
    assert (body["time_in_force"], body["position_intent"]) == ("day", "sell_to_close")
    assert venue.trading.fresh == [True]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("qty=0", "qty must be > 0"),
        ("qty=x", "qty must be a decimal number, such as 10 or 10.5"),
        ("percentage=0", "percentage must be > 0"),
        ("percentage=100.1", "percentage must be above 0 and at most 100"),
        ("percentage=NaN", "percentage must be a decimal number, such as 10 or 10.5"),
        ("qty=1&percentage=1", "only one of qty or percentage is accepted"),
    ],
)
async def test_a_bad_part_is_refused(venue, client, query, message):
    hold(venue.account, "AAPL", "10", "5000")

    answer = await client.delete(f"/v2/positions/AAPL?{query}")

    assert (answer.status_code, answer.json()["message"]) == (422, message)
    assert venue.trading.calls == []


async def test_a_part_below_the_smallest_quantity_is_refused(venue, client):
    hold(venue.account, "AAPL", "0.000000001", "1")

    answer = await client.delete("/v2/positions/AAPL?percentage=50")

    assert answer.status_code == 422
    assert venue.trading.calls == []


async def test_closing_held_shares_is_refused_in_figures(venue, client):
    hold(venue.account, "AAPL", "10", "5000").held_qty = Decimal(10)

    answer = await client.delete("/v2/positions/AAPL")

    assert answer.status_code == 403
    assert answer.json() == {
        "available": "0",
        "existing_qty": "10",
        "held_for_orders": "10",
        "symbol": "AAPL",
        "related_orders": [],
        "code": 40310000,
        "message": "insufficient qty available for order (requested: 10, available: 0)",
    }


async def test_closing_all_answers_for_each_position(venue, client):
    hold(venue.account, "AAPL", "10", "5000")
    hold(venue.account, "IBM", "3", "600").held_qty = Decimal(3)

    answer = await client.delete("/v2/positions")

    assert answer.status_code == 207
    sold, refused = answer.json()
    assert (sold["symbol"], sold["status"], sold["body"]["qty"]) == ("AAPL", 200, "10")
    assert (refused["symbol"], refused["status"]) == ("IBM", 403)
    assert refused["body"]["code"] == 40310000
    assert refused["body"]["held_for_orders"] == "3"


async def test_closing_all_can_cancel_the_orders_first(venue, client, order):
    hold(venue.account, "AAPL", "10", "5000")
    limit = {**order, "side": "sell", "type": "limit", "limit_price": "900"}
    assert (await client.post("/v2/orders", json=limit)).status_code == 200

    answer = await client.delete("/v2/positions?cancel_orders=True")

    [row] = answer.json()
    assert (row["status"], row["body"]["qty"]) == (200, "10")
    assert venue.account.positions == {}


async def test_closing_nothing_is_an_empty_list(client):
    answer = await client.delete("/v2/positions?cancel_orders=false")

    assert (answer.status_code, answer.json()) == (207, [])


async def test_an_account_is_cash_and_positions(venue, client, order):
    hold(venue.account, "IBM", "10", "2000")
    await client.post("/v2/orders", json=order)
    await client.post(
        "/v2/orders", json={**order, "type": "limit", "limit_price": "100", "qty": "5"}
    )

    body = (await client.get("/v2/account")).json()

    assert (body["status"], body["multiplier"], body["shorting_enabled"]) == ("ACTIVE", "1", False)
    assert (body["cash"], body["buying_power"]) == ("94965", "94465")
    assert body["long_market_value"] == "7080"
    assert body["equity"] == body["portfolio_value"] == "102045"
    # Yesterday: 100,000 in cash and ten IBM at 204.
    assert body["last_equity"] == "102040"


async def test_the_last_equity_is_unknown_when_the_day_is_not_remembered(venue, client, order):
    order["qty"] = "1"
    for _ in range(RECENT_ORDERS_MAX):
        side = "sell" if venue.account.positions else "buy"
        await venue.client().post("/v2/orders", json={**order, "side": side})

    assert (await client.get("/v2/account")).json()["last_equity"] is None


async def test_a_refusal_while_closing_is_the_ledgers_own(venue, client):
    hold(venue.account, "AAPL", "10", "5000")
    venue.trading.failure = InsufficientQuantity("too late")

    answer = await client.delete("/v2/positions/AAPL")

    assert (answer.status_code, answer.json()["message"]) == (403, "too late")
