import re

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from serve.wire.order_request import OrderRequest

NOBODY = "99999999-9999-4999-8999-999999999999"
LIMIT = {
    "symbol": "AAPL",
    "qty": "2",
    "side": "buy",
    "type": "limit",
    "limit_price": "1",
    "time_in_force": "gtc",
    "client_order_id": "mine",
}
MARKET = {**LIMIT, "type": "market", "limit_price": None, "time_in_force": "day"}
# Method, path, body, status: at least one success and one refusal of each operation.
SCRIPT = [
    ("POST", "/v2/orders", {**MARKET, "client_order_id": "one"}, 200),
    ("POST", "/v2/orders", LIMIT, 200),
    ("POST", "/v2/orders", {**LIMIT, "qty": "1e3"}, 422),
    ("POST", "/v2/orders", {**LIMIT, "qty": "1000000", "client_order_id": "two"}, 403),
    ("POST", "/v2/orders", [], 400),
    ("POST", "/v2/orders", " " * 70_000, 413),
    ("GET", "/v2/orders?status=all", None, 200),
    ("GET", "/v2/orders?limit=x", None, 422),
    ("GET", "/v2/orders/{open}", None, 200),
    ("GET", f"/v2/orders/{NOBODY}", None, 404),
    ("GET", "/v2/orders/1", None, 422),
    ("GET", "/v2/orders:by_client_order_id?client_order_id=mine", None, 200),
    ("GET", "/v2/orders:by_client_order_id?client_order_id=x", None, 404),
    ("GET", "/v2/orders:by_client_order_id", None, 422),
    ("DELETE", "/v2/orders/{open}", None, 204),
    ("DELETE", f"/v2/orders/{NOBODY}", None, 404),
    ("DELETE", "/v2/orders/1", None, 422),
    ("POST", "/v2/orders", {**LIMIT, "client_order_id": "three"}, 200),
    ("DELETE", "/v2/orders", None, 207),
    ("GET", "/v2/positions", None, 200),
    ("GET", "/v2/positions/AAPL", None, 200),
    ("GET", "/v2/positions/IBM", None, 404),
    ("GET", "/v2/account", None, 200),
    ("DELETE", "/v2/positions/AAPL?qty=1", None, 200),
    ("DELETE", "/v2/positions/AAPL?qty=9", None, 403),
    ("DELETE", "/v2/positions/AAPL?qty=x", None, 422),
    ("DELETE", "/v2/positions/IBM", None, 404),
    ("DELETE", "/v2/positions", None, 207),
    ("DELETE", "/v2/positions?cancel_orders=x", None, 422),
    ("GET", "/v2/clock", None, 200),
    ("GET", "/v2/calendar", None, 200),
    ("GET", "/v2/calendar?start=x", None, 422),
    ("GET", "/v2/assets", None, 200),
    ("GET", "/v2/assets?status=x", None, 422),
    ("GET", "/v2/assets/AAPL", None, 200),
    ("GET", "/v2/assets/ZZZZ", None, 404),
    ("GET", "/v2/stocks/bars/latest?symbols=AAPL", None, 200),
    ("GET", "/v2/stocks/bars/latest", None, 422),
    ("GET", "/v2/stocks/quotes/latest?symbols=AAPL", None, 200),
    ("GET", "/v2/stocks/quotes/latest", None, 422),
    ("GET", "/v2/stocks/trades/latest?symbols=AAPL", None, 200),
    ("GET", "/v2/stocks/trades/latest", None, 422),
    ("GET", "/v2/stocks/AAPL/bars/latest", None, 200),
    ("GET", "/v2/stocks/ZZZZ/bars/latest", None, 404),
    ("GET", "/v2/stocks/AAPL/quotes/latest", None, 200),
    ("GET", "/v2/stocks/AAPL/quotes/latest?currency=EUR", None, 422),
    ("GET", "/v2/stocks/AAPL/trades/latest", None, 200),
    ("GET", "/v2/stocks/ZZZZ/trades/latest", None, 404),
    ("GET", "/v2/stocks/snapshots?symbols=AAPL,IBM", None, 200),
    ("GET", "/v2/stocks/snapshots", None, 422),
    ("GET", "/v2/stocks/AAPL/snapshot", None, 200),
    ("GET", "/v2/stocks/ZZZZ/snapshot", None, 404),
    ("GET", "/v2/stocks/bars?symbols=AAPL&timeframe=1Day&start=2012-05-14&limit=2", None, 200),
    ("GET", "/v2/stocks/bars?symbols=AAPL", None, 422),
    ("GET", "/v2/stocks/AAPL/bars?timeframe=1Week&start=2012-05-14", None, 200),
    ("GET", "/v2/stocks/AAPL/bars", None, 422),
    ("GET", "/livez?verbose", None, 200),
    ("GET", "/readyz?verbose", None, 200),
    ("GET", "/openapi.json", None, 200),
    ("GET", "/metrics", None, 200),
]


@pytest.fixture
async def document(client) -> dict:
    return (await client.get("/openapi.json")).json()


def operations(document: dict):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(node: object):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def validate(document: dict, schema: dict, value: object) -> None:
    whole = {**schema, "components": document["components"]}
    Draft202012Validator(whole).validate(value)


def template_of(document: dict, path: str) -> str:
    if path in document["paths"]:
        return path
    for template in document["paths"]:
        if re.fullmatch(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template)), path):
            return template
    raise AssertionError(f"{path} is not documented")


async def test_every_answer_is_as_the_document_says(client, document):
    seen = set()
    open_id = ""
    for method, path, body, status in SCRIPT:
        content = {"content": body} if isinstance(body, str) else {"json": body}
        answer = await client.request(method, path.replace("{open}", open_id), **content)

        assert answer.status_code == status, (method, path, answer.text)
        template = template_of(document, str(answer.request.url.path))
        operation = document["paths"][template][method.lower()]
        seen.add((template, method.lower()))
        response = operation["responses"][str(status)]
        if status == 204:
            assert "content" not in response
            continue
        [(media_type, described)] = response["content"].items()
        assert answer.headers["content-type"].split(";")[0] == media_type
        if media_type == "application/json":
            validate(document, described["schema"], answer.json())
        if method == "POST" and status == 200:
            open_id = answer.json()["id"]

    assert seen == {(path, method) for path, method, _ in operations(document)}


def test_the_validation_can_fail():
    document = {"components": {"schemas": {"Body": {"type": "object", "required": ["code"]}}}}

    with pytest.raises(ValidationError):
        validate(document, {"$ref": "#/components/schemas/Body"}, {})


async def test_the_document_is_complete(document):
    identifiers = [operation["operationId"] for _, _, operation in operations(document)]

    assert document["openapi"] == "3.1.0"
    assert len(set(identifiers)) == len(identifiers)
    for path, _, operation in operations(document):
        variables = set(re.findall(r"{(\w+)}", path))
        parameters = operation["parameters"]
        assert {row["name"] for row in parameters if row["in"] == "path"} == variables
        assert all(row["description"] and row["schema"] for row in parameters)
        assert all(row["required"] for row in parameters if row["in"] == "path")
        assert operation["summary"]
        needed = {"500"} if operation.get("security") == [] else {"401", "429", "500", "503"}
        assert needed <= set(operation["responses"])


async def test_every_reference_leads_somewhere_and_every_schema_is_one(document):
    schemas = document["components"]["schemas"]
    known = {f"#/components/schemas/{name}" for name in schemas}
    used = set(references(document))

    assert used <= known
    assert known - used == set()
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)


async def test_amounts_are_text_in_trading_and_numbers_in_market_data(document):
    schemas = document["components"]["schemas"]

    assert schemas["OrderBody"]["properties"]["qty"]["type"] == "string"
    assert schemas["BarBody"]["properties"]["o"] == {"type": "number"}


async def test_an_order_is_described_as_it_is_checked(client, document):
    schema = {"$ref": "#/components/schemas/OrderRequest"}
    required = document["components"]["schemas"]["OrderRequest"]["required"]

    assert required == list(OrderRequest.REQUIRED)
    validate(document, schema, LIMIT)
    for name in required:
        body = {key: value for key, value in LIMIT.items() if key != name}
        with pytest.raises(ValidationError):
            validate(document, schema, body)
        answer = await client.post("/v2/orders", json=body)
        assert answer.json()["message"] == f"{name} is required"
    for name in ("notional", "stop_price", "legs", "take_profit", "extended_hours"):
        with pytest.raises(ValidationError):
            validate(document, schema, {**LIMIT, name: True})
