import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MISSING = object()
SUPPORTED_TYPES = "type must be one of market, limit; {} is not supported by this venue"
SUPPORTED_TIMES = (
    "time_in_force must be one of day, gtc, ioc, fok; {} is not supported by this venue"
)
NOT_A_NUMBER = "{} must be a decimal number, such as 10 or 10.5"
SUB_PENNY = "invalid limit_price {}. sub-penny increment does not fulfill minimum pricing criteria"
LEAVE_OUT = "{} is not supported by this venue; leave it out"
LIMIT = {"type": "limit"}

# changes to a good order, the code and the message of the refusal
REFUSALS = [
    ({"symbol": MISSING}, 40010001, "symbol is required"),
    ({"symbol": None}, 40010001, "symbol is required"),
    ({"symbol": ""}, 40010001, "symbol is required"),
    ({"symbol": True}, 40010001, "symbol must be a string"),
    ({"symbol": 1.5}, 40010001, "symbol must be a string"),
    ({"symbol": ["AAPL"]}, 40010001, "symbol must be a string"),
    ({"symbol": "A" * 37}, 40010001, "symbol must be no more than 36 characters"),
    ({"symbol": "ZZZZ"}, 42210000, 'asset "ZZZZ" not found'),
    ({"symbol": "aapl"}, 42210000, 'asset "aapl" not found'),
    ({"symbol": "KO"}, 42210000, 'asset "KO" is not tradable'),
    ({"qty": MISSING}, 40010001, "qty is required"),
    ({"qty": None}, 40010001, "qty is required"),
    ({"qty": "0"}, 40010001, "qty must be > 0"),
    ({"qty": 0}, 40010001, "qty must be > 0"),
    ({"qty": -1}, 40010001, "qty must be > 0"),
    ({"qty": "-0.5"}, 40010001, "qty must be > 0"),
    ({"qty": ""}, 40010001, NOT_A_NUMBER.format("qty")),
    ({"qty": "ten"}, 40010001, NOT_A_NUMBER.format("qty")),
    ({"qty": "NaN"}, 40010001, NOT_A_NUMBER.format("qty")),
    ({"qty": "Infinity"}, 40010001, NOT_A_NUMBER.format("qty")),
    ({"qty": "1e3"}, 40010001, NOT_A_NUMBER.format("qty")),
    ({"qty": 1e30}, 40010001, NOT_A_NUMBER.format("qty")),
    ({"qty": " 1"}, 40010001, NOT_A_NUMBER.format("qty")),
    ({"qty": "1_000"}, 40010001, NOT_A_NUMBER.format("qty")),
    ({"qty": "\u0661"}, 40010001, NOT_A_NUMBER.format("qty")),
    ({"qty": "1.0000000001"}, 40010001, "qty must have at most 9 decimal places"),
    ({"qty": "1." + "0" * 36 + "1"}, 40010001, "qty must have at most 9 decimal places"),
    ({"qty": 10**13}, 40010001, "qty must be <= 1000000000000"),
    ({"qty": True}, 40010001, "qty must be a number, or a string that holds one"),
    ({"qty": [1]}, 40010001, "qty must be a number, or a string that holds one"),
    ({"qty": {}}, 40010001, "qty must be a number, or a string that holds one"),
    ({"notional": "100"}, 40010001, "only one of qty or notional is accepted"),
    (
        {"notional": "100", "qty": MISSING},
        40010001,
        "notional orders are not supported by this venue; give qty",
    ),
    ({"side": MISSING}, 40010001, "side is required"),
    ({"side": "hold"}, 40010001, "side must be one of buy, sell; 'hold' is unknown"),
    ({"side": 1}, 40010001, "side must be a string"),
    ({"type": MISSING}, 40010001, "type is required"),
    ({"type": "stop"}, 40010001, SUPPORTED_TYPES.format("stop")),
    ({"type": "stop_limit"}, 40010001, SUPPORTED_TYPES.format("stop_limit")),
    ({"type": "trailing_stop"}, 40010001, SUPPORTED_TYPES.format("trailing_stop")),
    ({"type": "MARKET"}, 40010001, "type must be one of market, limit; 'MARKET' is unknown"),
    ({"time_in_force": MISSING}, 40010001, "time_in_force is required"),
    ({"time_in_force": "opg"}, 40010001, SUPPORTED_TIMES.format("opg")),
    ({"time_in_force": "cls"}, 40010001, SUPPORTED_TIMES.format("cls")),
    ({"time_in_force": {}}, 40010001, "time_in_force must be a string"),
    ({"qty": "1.5", "time_in_force": "gtc"}, 42210000, "fractional orders must be DAY orders"),
    ({"qty": 0.1, "time_in_force": "ioc"}, 42210000, "fractional orders must be DAY orders"),
    ({"limit_price": "100"}, 40010001, "market orders require no limit price"),
    (LIMIT, 40010001, "limit_price is required"),
    ({**LIMIT, "limit_price": "0"}, 40010001, "limit_price must be > 0"),
    ({**LIMIT, "limit_price": "x"}, 40010001, NOT_A_NUMBER.format("limit_price")),
    (
        {**LIMIT, "limit_price": False},
        40010001,
        "limit_price must be a number, or a string that holds one",
    ),
    ({**LIMIT, "limit_price": "290.123"}, 42210000, SUB_PENNY.format("290.123")),
    ({**LIMIT, "limit_price": 290.123}, 42210000, SUB_PENNY.format("290.123")),
    ({**LIMIT, "limit_price": "0.12345"}, 42210000, SUB_PENNY.format("0.12345")),
    ({"stop_price": "1"}, 40010001, "market orders require no stop price"),
    (
        {**LIMIT, "limit_price": 1, "stop_price": 1},
        40010001,
        "limit orders require no stop price",
    ),
    ({"trail_price": "1"}, 40010001, LEAVE_OUT.format("trail_price")),
    ({"trail_percent": 1}, 40010001, LEAVE_OUT.format("trail_percent")),
    ({"take_profit": {"limit_price": 1}}, 40010001, LEAVE_OUT.format("take_profit")),
    ({"stop_loss": {}}, 40010001, LEAVE_OUT.format("stop_loss")),
    ({"legs": []}, 40010001, LEAVE_OUT.format("legs")),
    (
        {"extended_hours": True},
        40010001,
        "extended_hours must be false: this venue has no extended hours",
    ),
    ({"extended_hours": "no"}, 40010001, "extended_hours must be true or false"),
    (
        {"order_class": "bracket"},
        40010001,
        "order_class must be one of simple; bracket is not supported by this venue",
    ),
    (
        {"position_intent": "sell_to_close"},
        42210000,
        "position intent mismatch, inferred: buy_to_open, specified: sell_to_close",
    ),
    ({"position_intent": "x"}, 40010001, "position_intent must be buy_to_open for a buy"),
    (
        {"client_order_id": "x" * 129},
        40010001,
        "client_order_id must be no more than 128 characters",
    ),
    (
        {"client_order_id": "a\u0000b"},
        40010001,
        "client_order_id must consist of printable characters",
    ),
    ({"client_order_id": 7}, 40010001, "client_order_id must be a string"),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda row: row[2][:40])
async def test_a_bad_order_is_refused_and_nothing_is_submitted(venue, client, order, refusal):
    changes, code, message = refusal
    body = {name: value for name, value in {**order, **changes}.items() if value is not MISSING}

    answer = await client.post("/v2/orders", json=body)

    assert answer.json() == {"code": code, "message": message}
    assert answer.status_code == 422
    assert venue.trading.calls == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"symbol=AAPL",
        b'{"symbol":"AAPL"} x',
        b'{"qty":NaN}',
        b"\xff\xfe",
        b'{"symbol":"\xff"}',
        b'{"symbol":"\\ud800"}',
        b"[]",
        b"null",
        b'"AAPL"',
        b"1",
        b'{"legs":' + b"[" * 60_000,
        b'{"x":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"x":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"symbol":' + b"9" * 60_000 + b"}",
    ],
)
async def test_a_body_that_is_no_json_object_is_malformed(venue, client, body):
    answer = await client.post("/v2/orders", content=body)

    assert (answer.status_code, answer.json()["code"]) == (400, 40010000)
    assert answer.json()["message"].startswith("request body")
    assert venue.trading.calls == []


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_over_the_limit_is_refused_however_it_comes(venue, declared):
    async def chunks():
        for _ in range(3):
            yield b" " * 40_000

    content = b" " * 120_000 if declared else chunks()
    async with venue.client() as client:
        answer = await client.post("/v2/orders", content=content)

    assert (answer.status_code, answer.json()["code"]) == (413, 41310000)
    assert answer.headers["connection"] == "close"
    assert venue.trading.calls == []


async def test_a_body_in_pieces_is_put_together(venue, order):
    async def pieces():
        for byte in json.dumps(order).encode():
            yield bytes([byte])

    async with venue.client() as client:
        answer = await client.post("/v2/orders", content=pieces())

    assert answer.status_code == 200
    assert len(venue.trading.calls) == 1


async def test_the_content_type_is_not_asked_for(client, order):
    headers = {"content-type": "text/plain"}

    answer = await client.post("/v2/orders", content=json.dumps(order), headers=headers)

    assert answer.status_code == 200


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["AAPL", "IBM", "buy", "sell", "market", "limit", "day", "gtc", "1", "0.5"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)
_FIELDS = [
    "symbol",
    "qty",
    "notional",
    "side",
    "type",
    "time_in_force",
    "limit_price",
    "stop_price",
    "client_order_id",
    "extended_hours",
    "order_class",
    "position_intent",
    "take_profit",
    "legs",
]


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    changes=st.dictionaries(st.sampled_from(_FIELDS), _JSON, max_size=4),
    gone=st.sets(st.sampled_from(_FIELDS), max_size=1),
)
async def test_any_object_is_answered_by_an_order_or_a_refusal(new_venue, order, changes, gone):
    venue = new_venue()
    body = {name: value for name, value in {**order, **changes}.items() if name not in gone}

    async with venue.client() as client:
        answer = await client.post("/v2/orders", json=body)

    _check(answer, venue)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
async def test_any_bytes_are_answered_by_an_order_or_a_refusal(new_venue, body):
    venue = new_venue()

    async with venue.client() as client:
        answer = await client.post("/v2/orders", content=body)

    _check(answer, venue)


def _check(answer: httpx.Response, venue) -> None:
    document = answer.json()
    if answer.status_code == 200:
        assert document["symbol"] in {"AAPL", "IBM"}
        assert len(venue.trading.calls) == 1
        return
    assert answer.status_code in {400, 403, 422}
    assert isinstance(document["code"], int)
    assert isinstance(document["message"], str)
    if answer.status_code != 403:
        assert venue.trading.calls == []
