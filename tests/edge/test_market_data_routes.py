import base64
import json
from decimal import Decimal

import pytest

from serve.history import History

WEEK = ["2012-05-14", "2012-05-15", "2012-05-16", "2012-05-17"]


async def bars(client, query: str) -> dict:
    answer = await client.get(f"/v2/stocks/bars?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def days(rows: list[dict]) -> list[str]:
    return [row["t"][:10] for row in rows]


@pytest.mark.parametrize("adjustment", ["raw", "all"])
@pytest.mark.parametrize("timeframe", ["1Day", "1D"])
async def test_bars_end_with_the_last_closed_session(client, adjustment, timeframe):
    page = await bars(
        client,
        f"symbols=AAPL&timeframe={timeframe}&start=2012-01-01&end=2013-01-01&adjustment={adjustment}",
    )

    assert days(page["bars"]["AAPL"]) == WEEK
    assert page["next_page_token"] is None


async def test_a_session_shows_from_its_close_on(venue, client):
    close_ns = venue.market.data.sessions()[4].close_ns
    query = "symbols=AAPL&timeframe=1Day&start=2012-05-17"

    venue.market.time_ns = close_ns - 1
    assert days((await bars(client, query))["bars"]["AAPL"]) == ["2012-05-17"]
    venue.market.time_ns = close_ns
    assert days((await bars(client, query))["bars"]["AAPL"]) == ["2012-05-17", "2012-05-18"]


async def test_before_the_first_close_there_is_nothing(venue, client):
    venue.market.time_ns = venue.market.data.sessions()[0].close_ns - 1

    page = await bars(client, "symbols=AAPL&timeframe=1Week&start=2012-01-01")

    assert page == {"bars": {}, "next_page_token": None}


async def test_the_newest_adjusted_bar_is_as_traded(client):
    raw = await bars(client, "symbols=AAPL&timeframe=1Day&start=2012-05-01")
    adjusted = await bars(client, "symbols=AAPL&timeframe=1Day&start=2012-05-01&adjustment=all")

    # The source's factor of the last known day, 504/254, is no news of the future any more.
    assert adjusted["bars"]["AAPL"][-1]["c"] == raw["bars"]["AAPL"][-1]["c"] == 504
    assert adjusted["bars"]["AAPL"][0]["c"] == pytest.approx(251 * 504 / 254, abs=1e-4)


async def test_a_symbol_with_adjusted_closes_only_has_them(client):
    page = await bars(client, "symbols=KO&timeframe=1Day&start=2012-05-01&adjustment=all")

    assert [row["c"] for row in page["bars"]["KO"]] == [31, 32, 33, 34]
    assert (await bars(client, "symbols=KO&timeframe=1Day&start=2012-05-01"))["bars"] == {}


async def test_weeks_and_months_hold_the_known_days_only(venue, client):
    venue.market.time_ns = venue.market.data.sessions()[6].close_ns

    weeks = (await bars(client, "symbols=AAPL&timeframe=1Week&start=2012-05-01"))["bars"]["AAPL"]
    [month] = (await bars(client, "symbols=AAPL&timeframe=1Month&start=2012-05-01"))["bars"]["AAPL"]

    assert days(weeks) == ["2012-05-14", "2012-05-21"]
    assert (weeks[1]["o"], weeks[1]["h"], weeks[1]["l"], weeks[1]["c"]) == (505, 509, 504, 507)
    assert weeks[1]["v"] == 2_000_011
    assert (month["t"], month["o"], month["c"]) == ("2012-05-01T04:00:00Z", 500, 507)


async def test_a_bar_has_every_key_the_client_needs(client):
    answer = await client.get("/v2/stocks/AAPL/bars?timeframe=1Day&start=2012-05-17")

    assert answer.json() == {
        "symbol": "AAPL",
        "bars": [
            {
                "t": "2012-05-17T04:00:00Z",
                "o": 503,
                "h": 506,
                "l": 502,
                "c": 504,
                "v": 1_000_003,
                "n": None,
                "vw": None,
            }
        ],
        "next_page_token": None,
    }


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 8, 9])
async def test_pages_hold_every_bar_once_and_in_order(client, sort, limit):
    query = f"symbols=IBM,ZZZZ,AAPL&timeframe=1Day&start=2012-05-01&limit={limit}&sort={sort}"
    seen, token, pages = [], None, 0
    while token is not None or not pages:
        page = await bars(client, query + (f"&page_token={token}" if token else ""))
        found = [(symbol, day) for symbol, rows in page["bars"].items() for day in days(rows)]
        assert len(found) <= limit
        assert found
        seen += found
        token, pages = page["next_page_token"], pages + 1

    expected = WEEK if sort == "asc" else WEEK[::-1]
    assert seen == [(symbol, day) for symbol in ("AAPL", "IBM") for day in expected]
    assert pages == -(-8 // limit)


async def test_start_and_end_are_inclusive_and_default_to_today(client):
    one = await bars(client, "symbols=AAPL&timeframe=1Day&start=2012-05-15&end=2012-05-15")
    exact = await bars(
        client,
        "symbols=AAPL&timeframe=1Day&start=2012-05-15T04:00:00Z&end=2012-05-16T00:00:00-04:00",
    )
    today = await bars(client, "symbols=AAPL&timeframe=1Day")

    assert days(one["bars"]["AAPL"]) == ["2012-05-15"]
    assert days(exact["bars"]["AAPL"]) == ["2012-05-15", "2012-05-16"]
    assert today["bars"] == {}


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("timeframe=1Day", "symbols"),
        ("symbols=&timeframe=1Day", "symbols"),
        ("symbols=A B&timeframe=1Day", "symbols"),
        ("symbols=AAPL", "timeframe"),
        ("symbols=AAPL&timeframe=1Min", "timeframe"),
        ("symbols=AAPL&timeframe=1Hour", "timeframe"),
        ("symbols=AAPL&timeframe=2Day", "timeframe"),
        ("symbols=AAPL&timeframe=1Day&limit=10001", "limit"),
        ("symbols=AAPL&timeframe=1Day&limit=0", "limit"),
        ("symbols=AAPL&timeframe=1Day&adjustment=split", "adjustment"),
        ("symbols=AAPL&timeframe=1Day&adjustment=dividend", "adjustment"),
        ("symbols=AAPL&timeframe=1Day&sort=up", "sort"),
        ("symbols=AAPL&timeframe=1Day&start=x", "start"),
        ("symbols=AAPL&timeframe=1Day&start=2012-05-17&end=2012-05-16", "end"),
        ("symbols=AAPL&timeframe=1Day&page_token=x", "page_token"),
        ("symbols=AAPL&timeframe=1Day&page_token=%FF", "page_token"),
        ("symbols=AAPL&timeframe=1Day&page_token=QUFQTHx4", "page_token"),
        ("symbols=AAPL&timeframe=1Day&currency=EUR", "currency"),
    ],
)
async def test_a_bad_parameter_of_bars_is_refused_by_name(client, query, named):
    answer = await client.get(f"/v2/stocks/bars?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, 40010001)
    assert answer.json()["message"].startswith(named)


async def test_a_token_for_the_future_shows_nothing_of_it(client):
    token = base64.urlsafe_b64encode(b"AAPL|1" + b"0" * 17).decode()

    page = await bars(client, f"symbols=AAPL&timeframe=1Day&start=2012-05-01&page_token={token}")

    assert set(days(page["bars"].get("AAPL", []))) <= set(WEEK)


async def test_the_latest_trade_is_the_last_print(client):
    answer = await client.get("/v2/stocks/trades/latest?symbols=AAPL,IBM,KO,ZZZZ&feed=iex")

    assert answer.json() == {
        "trades": {
            "AAPL": {"t": "2012-05-18T14:10:05Z", "p": 503.5, "s": 250},
            "IBM": {"t": "2012-05-18T13:30:00Z", "p": 204.5, "s": 250},
        }
    }


async def test_the_latest_quote_is_a_cent_around_the_last_print(client):
    one = (await client.get("/v2/stocks/AAPL/quotes/latest")).json()
    many = (await client.get("/v2/stocks/quotes/latest?symbols=AAPL")).json()

    assert one["quote"] == many["quotes"]["AAPL"]
    assert one == {
        "symbol": "AAPL",
        "quote": {"t": "2012-05-18T14:10:05Z", "bp": 503.49, "ap": 503.51, "bs": 100, "as": 100},
    }


async def test_a_bid_stays_above_zero(venue, client):
    venue.market.show("IBM", "low", "0.0050", "14:20:00")

    quote = (await client.get("/v2/stocks/IBM/quotes/latest")).json()["quote"]

    assert 0 < quote["bp"] < quote["ap"] == 0.015


async def test_the_latest_bar_is_the_last_print_in_its_minute(client):
    bar = (await client.get("/v2/stocks/AAPL/bars/latest")).json()["bar"]

    assert bar["t"] == "2012-05-18T14:10:00Z"
    assert {bar[key] for key in ("o", "h", "l", "c", "vw")} == {503.5}
    assert (bar["v"], bar["n"]) == (250, 1)


async def test_a_snapshot_builds_today_from_the_prints(venue, client):
    venue.market.show("AAPL", "high", "507.25", "14:20:00")

    snapshot = (await client.get("/v2/stocks/snapshots?symbols=AAPL,ZZZZ")).json()
    one = (await client.get("/v2/stocks/AAPL/snapshot")).json()

    assert set(snapshot) == {"AAPL"}
    assert one == {"symbol": "AAPL", **snapshot["AAPL"]}
    daily, previous = snapshot["AAPL"]["dailyBar"], snapshot["AAPL"]["prevDailyBar"]
    assert daily == {
        "t": "2012-05-18T04:00:00Z",
        "o": 504,
        "h": 507.25,
        "l": 503.5,
        "c": 507.25,
        "v": 750,
        "n": None,
        "vw": None,
    }
    assert (previous["t"], previous["c"]) == ("2012-05-17T04:00:00Z", 504)


@pytest.mark.parametrize("kind", ["bars", "quotes", "trades"])
async def test_unknown_symbols_are_left_out_of_many_and_not_found_alone(client, kind):
    many = await client.get(f"/v2/stocks/{kind}/latest?symbols=ZZZZ,KO")
    one = await client.get(f"/v2/stocks/ZZZZ/{kind}/latest")

    assert (many.status_code, many.json()) == (200, {kind: {}})
    assert (one.status_code, one.json()["message"]) == (404, f"no {kind[:-1]} found for ZZZZ")


@pytest.mark.parametrize("path", ["bars/latest", "quotes/latest", "trades/latest", "snapshots"])
async def test_symbols_are_required(client, path):
    answer = await client.get(f"/v2/stocks/{path}")

    assert (answer.status_code, answer.json()["message"]) == (422, "symbols is required")


async def test_prices_leave_with_exactly_their_digits(venue, client):
    venue.market.show("AAPL", "low", "503.4999", "14:20:00")

    text = (await client.get("/v2/stocks/AAPL/trades/latest")).text

    assert json.loads(text, parse_float=Decimal)["trade"]["p"] == Decimal("503.4999")


async def test_the_clock_has_new_yorks_offset(venue, client):
    venue.market.time_ns += 123_456_789

    assert (await client.get("/v2/clock")).json() == {
        "timestamp": "2012-05-18T10:30:00.123456789-04:00",
        "is_open": True,
        "next_open": "2012-05-21T09:30:00-04:00",
        "next_close": "2012-05-18T16:00:00-04:00",
    }


@pytest.mark.parametrize("session_is_over", [True, False])
async def test_after_the_close_the_next_session_is_announced(venue, client, session_is_over):
    segment = venue.market.current.segment
    venue.market.time_ns = segment.session.close_ns
    if session_is_over:
        fields = {name: getattr(segment, name) for name in segment.__struct_fields__}
        venue.market.current.segment = type(segment)(**{**fields, "session": None})

    clock = (await client.get("/v2/clock")).json()

    assert clock["is_open"] is False
    assert clock["next_open"] == "2012-05-21T09:30:00-04:00"
    assert clock["next_close"] == "2012-05-21T16:00:00-04:00"


async def test_a_clock_that_has_not_arrived_is_unavailable(venue, client):
    venue.market.current.segment = None

    assert (await client.get("/v2/clock")).status_code == 503


async def test_the_calendar_lists_the_days_asked_for(client):
    everything = (await client.get("/v2/calendar")).json()
    two = (await client.get("/v2/calendar?start=2012-05-19&end=2012-05-22T00:00:00Z")).json()

    assert len(everything) == 10
    assert two == [
        {
            "date": day,
            "open": "09:30",
            "close": "16:00",
            "session_open": "0930",
            "session_close": "1600",
        }
        for day in ("2012-05-21", "2012-05-22")
    ]


@pytest.mark.parametrize("query", ["start=x", "end=2012-02-30", "date_type=SETTLEMENT"])
async def test_a_bad_parameter_of_the_calendar_is_refused_by_name(client, query):
    answer = await client.get(f"/v2/calendar?{query}")

    assert answer.status_code == 422
    assert answer.json()["message"].startswith(query.split("=")[0])


@pytest.mark.parametrize(
    ("query", "symbols"),
    [
        ("", ["AAPL", "IBM", "KO"]),
        ("?status=active&asset_class=us_equity", ["AAPL", "IBM", "KO"]),
        ("?exchange=NYSE", ["IBM", "KO"]),
        ("?exchange=ARCA", []),
        ("?status=inactive", []),
        ("?asset_class=crypto", []),
    ],
)
async def test_assets_are_filtered(client, query, symbols):
    rows = (await client.get(f"/v2/assets{query}")).json()

    assert [row["symbol"] for row in rows] == symbols


@pytest.mark.parametrize("query", ["status=x", "asset_class=x", "exchange=PAPER"])
async def test_a_bad_filter_of_assets_is_refused_by_name(client, query):
    answer = await client.get(f"/v2/assets?{query}")

    assert answer.status_code == 422
    assert answer.json()["message"].startswith(query.split("=")[0])


async def test_an_asset_is_found_by_symbol_and_by_id(client):
    by_symbol = (await client.get("/v2/assets/KO")).json()
    by_id = (await client.get(f"/v2/assets/{by_symbol['id']}")).json()
    unknown = await client.get("/v2/assets/ZZZZ")

    assert by_id == by_symbol
    assert (by_symbol["class"], by_symbol["tradable"]) == ("us_equity", False)
    assert (unknown.status_code, unknown.json()["code"]) == (404, 40410000)


def test_the_current_session_is_the_last_one_between_sessions(venue):
    history, view = History(venue.market.data), venue.market.current
    view.session = None

    assert history.current_session(view).date == "2012-05-18"
    segment = view.segment
    fields = {name: getattr(segment, name) for name in segment.__struct_fields__}
    view.segment = type(segment)(**{**fields, "session": None})
    assert history.current_session(view).date == "2012-05-18"
