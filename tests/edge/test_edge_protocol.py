import asyncio
import base64
import contextlib
import logging

import httpx
import pytest
import structlog

from serve.asgi import build_app
from serve.edge_settings import EdgeSettings
from tradeplane.clock import NS_PER_S
from tradeplane.errors import ComponentUnavailable

UNAUTHORIZED = {"code": 40110000, "message": "unauthorized."}
PUBLIC = ["/livez", "/readyz", "/metrics", "/openapi.json"]


def basic(credentials: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(credentials).decode()}


@pytest.fixture(autouse=True)
def quiet_logs():
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"APCA-API-KEY-ID": "key"},
        {"APCA-API-SECRET-KEY": "secret"},
        {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "wrong"},
        {"APCA-API-KEY-ID": "nobody", "APCA-API-SECRET-KEY": "secret"},
        {"Authorization": "Bearer key"},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic a\u00e9"},
        basic(b"key"),
        basic(b"key:wrong"),
        basic(b"\xff:\xff"),
    ],
)
async def test_without_a_right_key_nothing_is_answered(venue, headers, order):
    sent = {name: value.encode("latin-1") for name, value in headers.items()}
    async with venue.client(headers=sent) as client:
        read = await client.get("/v2/account")
        written = await client.post("/v2/orders", json=order)

    assert (read.status_code, read.json()) == (401, UNAUTHORIZED)
    assert (written.status_code, written.json()) == (401, UNAUTHORIZED)
    assert "www-authenticate" in read.headers
    assert venue.trading.calls == []


@pytest.mark.parametrize("credentials", [basic(b"key:secret"), None])
async def test_a_right_key_opens_its_account_in_either_form(venue, credentials):
    async with venue.client(headers=credentials) as client:
        answer = await client.get("/v2/account")

    assert answer.json()["id"] == venue.account.account_id


async def test_every_operation_but_the_public_ones_needs_a_key(venue):
    async with venue.client(headers={}) as client:
        document = (await client.get("/openapi.json")).json()
        for path, methods in document["paths"].items():
            for method in methods:
                answer = await client.request(method.upper(), path)
                expected = 200 if path in PUBLIC else 401
                assert (path, answer.status_code) == (path, expected)


async def test_keys_that_have_not_arrived_open_nothing(venue):
    def not_yet(key_id: str, secret_key: str):
        raise ComponentUnavailable("keys have not arrived yet; try again")

    venue.keys.authenticate = not_yet
    async with venue.client() as client:
        answer = await client.get("/v2/account")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize(
    "path",
    ["/", "", "/v2", "/v2/", "/v2/nothing", "/v2/orders/", "/v2/orders/a/b", "/v2//orders",
     "/v2/positions/", "/v2/positions/BRK%2FB", "/V2/orders", "/v2/stocks/bars/latest/x"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "BREW"])
async def test_an_unknown_path_is_not_found_in_json(client, path, method):
    answer = await client.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (404, 40410000)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v2/orders", "DELETE, GET, HEAD, POST, OPTIONS"),
        ("POST", "/v2/account", "GET, HEAD, OPTIONS"),
        ("PATCH", "/v2/orders/1", "DELETE, GET, HEAD, OPTIONS"),
        ("BREW", "/v2/clock", "GET, HEAD, OPTIONS"),
        ("POST", "/livez", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_wrong_method_is_told_the_right_ones(client, method, path, allow):
    answer = await client.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (405, 40510000)
    assert answer.headers["allow"] == allow


async def test_options_lists_the_methods_and_does_nothing(venue, client):
    answer = await client.options("/v2/orders")

    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["allow"] == "DELETE, GET, HEAD, POST, OPTIONS"
    assert venue.trading.calls == []


async def test_head_is_get_without_the_body(client):
    got, head = await client.get("/v2/account"), await client.head("/v2/account")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content))


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/v2/account", "application/json"),
        ("/v2/nothing", "application/json"),
        ("/nothing", "application/problem+json"),
        ("/livez", "application/json"),
    ],
)
async def test_every_answer_has_the_safe_headers(client, path, media_type):
    headers = (await client.get(path)).headers

    assert headers["content-type"] == media_type
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["referrer-policy"] == "no-referrer"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["x-request-id"]


@pytest.mark.parametrize("given", ["abc", "x" * 128, "a/b:c-~!"])
async def test_a_sane_request_id_is_kept(client, given):
    answer = await client.get("/nothing", headers={"X-Request-ID": given})

    assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", [b"", b"x" * 129, b"a b", b"\xff", b"tab\there"])
async def test_any_other_request_id_is_replaced(client, given):
    answers = [await client.get("/livez", headers={"X-Request-ID": given}) for _ in range(2)]

    made = {answer.headers["x-request-id"] for answer in answers}
    assert len(made) == 2
    assert all(32 < len(name) < 128 and name.isascii() for name in made)


async def test_a_bug_is_answered_in_json_and_not_explained(venue):
    def broken(account_id: str):
        raise ZeroDivisionError("the secret is 42")

    venue.trading.account = broken
    async with venue.client() as client:
        answer = await client.get("/v2/account")

    assert answer.status_code == 500
    assert answer.json() == {"code": 50010000, "message": "internal server error"}


async def test_the_rate_limit_counts_each_key_and_comes_back(venue):
    app = venue.app(rate_limit_per_minute=2)
    venue.clock.advance(5 * NS_PER_S)
    async with venue.client(app) as client, venue.client(app, venue.OTHER_KEY) as other:
        answers = [await client.get("/v2/clock") for _ in range(3)]
        foreign = await other.get("/v2/clock")
        venue.clock.advance(60 * NS_PER_S)
        later = await client.get("/v2/clock")

    wall_s = venue.clock.wall_ns() // NS_PER_S - 60
    reset_s = wall_s - wall_s % 60 + 60
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert {answer.headers["x-ratelimit-limit"] for answer in answers} == {"2"}
    assert {answer.headers["x-ratelimit-reset"] for answer in answers} == {str(reset_s)}
    assert answers[2].json() == {"code": 42910000, "message": "rate limit exceeded"}
    assert answers[2].headers["retry-after"] == str(reset_s - wall_s)
    assert (foreign.status_code, later.status_code) == (200, 200)


async def test_errors_of_a_known_caller_carry_the_rate_headers_too(venue):
    async with venue.client(venue.app(rate_limit_per_minute=9)) as client:
        refused = await client.get("/v2/positions/AAPL")
        stranger = await client.get("/v2/clock", headers={"APCA-API-SECRET-KEY": "x"})

    assert (refused.status_code, refused.headers["x-ratelimit-remaining"]) == (404, "8")
    assert (stranger.status_code, "x-ratelimit-limit" in stranger.headers) == (401, False)


async def test_without_a_rate_limit_there_are_no_rate_headers(client):
    assert "x-ratelimit-limit" not in (await client.get("/v2/clock")).headers


async def test_a_refused_post_submits_nothing(venue, order):
    async with venue.client(venue.app(rate_limit_per_minute=1)) as client:
        await client.get("/v2/clock")
        answer = await client.post("/v2/orders", json=order)

    assert answer.status_code == 429
    assert venue.trading.calls == []


async def test_too_many_requests_in_flight_are_refused_and_health_is_not(venue, order):
    venue.trading.gate.clear()
    async with venue.client(venue.app(in_flight_max=2)) as client:
        running = [asyncio.create_task(client.post("/v2/orders", json=order)) for _ in range(2)]
        await venue.trading.arrived(2)
        refused = await client.post("/v2/orders", json=order)
        alive = [await client.get(path) for path in PUBLIC]
        venue.trading.gate.set()
        done = await asyncio.gather(*running)
        again = await client.post("/v2/orders", json=order)

    assert (refused.status_code, refused.json()["code"]) == (503, 50310000)
    assert refused.headers["retry-after"] == "1"
    assert [answer.status_code for answer in alive] == [200] * 4
    assert "http_server_active_requests 2.0" in alive[2].text
    assert [answer.status_code for answer in (*done, again)] == [200, 200, 200]
    assert len(venue.trading.calls) == 3


async def test_a_late_read_is_503_and_nothing_was_done(venue):
    async def never(account_id: str):
        await asyncio.Event().wait()

    venue.trading.account = never
    async with venue.client(venue.app(request_timeout_ms=20)) as client:
        answer = await client.get("/v2/account")

    assert (answer.status_code, answer.json()["code"]) == (503, 50310000)
    assert "nothing was done" in answer.json()["message"]


async def test_a_late_write_goes_on_and_its_outcome_is_unknown(venue, order):
    venue.trading.gate.clear()
    order["client_order_id"] = "mine"
    async with venue.client(venue.app(request_timeout_ms=20)) as client:
        answer = await client.post("/v2/orders", json=order)
        venue.trading.gate.set()
        await asyncio.sleep(0)
        found = await client.get("/v2/orders:by_client_order_id?client_order_id=mine")

    assert (answer.status_code, answer.json()["code"]) == (503, 50310001)
    assert answer.json()["client_order_id"] == "mine"
    assert "retry-after" not in answer.headers
    assert found.json()["status"] == "filled"


async def test_a_body_that_never_ends_is_given_up(venue):
    async def forever():
        yield b"{"
        await asyncio.Event().wait()

    async with venue.client(venue.app(request_timeout_ms=20)) as client:
        answer = await client.post("/v2/orders", content=forever())

    assert (answer.status_code, answer.json()["code"]) == (408, 40810000)
    assert answer.headers["connection"] == "close"
    assert venue.trading.calls == []


def scope(method: str, path: str, venue) -> dict[str, object]:
    headers = [(name.lower().encode(), value.encode()) for name, value in venue.KEY.items()]
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": headers,
    }


async def test_a_disconnect_does_not_undo_a_submitted_order(venue):
    venue.trading.gate.clear()

    async def receive():
        body = b'{"symbol":"AAPL","qty":"1","side":"buy","type":"market","time_in_force":"day"}'
        return {"type": "http.request", "body": body}

    async def send(message):
        raise AssertionError("nobody is there")

    request = asyncio.create_task(venue.app()(scope("POST", "/v2/orders", venue), receive, send))
    await venue.trading.arrived(1)
    request.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await request
    venue.trading.gate.set()
    await asyncio.sleep(0)

    assert venue.account.positions["AAPL"].qty == 1


async def test_a_client_that_leaves_while_sending_is_answered_nothing(venue):
    messages = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message)

    app = venue.app()
    await app(scope("POST", "/v2/orders", venue), receive, send)
    async with venue.client(app) as client:
        metrics = (await client.get("/metrics")).text

    assert sent == []
    assert venue.trading.calls == []
    assert 'http_response_status_code="499"' in metrics


async def test_a_failure_of_an_abandoned_write_harms_nobody(venue, order):
    venue.trading.gate.clear()
    venue.trading.failure = ZeroDivisionError("later")
    async with venue.client(venue.app(request_timeout_ms=20)) as client:
        await client.post("/v2/orders", json=order)
        venue.trading.gate.set()
        await asyncio.sleep(0.01)
        assert (await client.get("/livez")).status_code == 200


async def test_a_root_path_is_taken_off(venue):
    app = venue.app()

    async def mounted(scope, receive, send):
        await app({**scope, "root_path": "/venue"}, receive, send)

    async with venue.client(mounted) as client:
        assert (await client.get("/venue/v2/clock")).status_code == 200


async def test_the_server_may_start_and_stop_the_application(venue):
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message):
        sent.append(message["type"])

    await venue.app()({"type": "lifespan"}, receive, send)

    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


async def test_a_websocket_is_closed(venue):
    sent = []

    async def receive():
        return {"type": "websocket.connect"}

    async def send(message):
        sent.append(message["type"])

    await venue.app()({"type": "websocket", "path": "/stream", "headers": []}, receive, send)

    assert sent == ["websocket.close"]


async def test_liveness_says_so(client):
    assert (await client.get("/livez")).json() == {"status": "ok"}
    assert (await client.get("/livez?verbose")).json()["checks"] == {"event_loop": "ok"}


async def test_readiness_names_what_is_missing(venue):
    async with venue.client(headers={}) as client:
        ready = await client.get("/readyz?verbose")
        venue.readiness.problems["market"] = "silent for 9 s"
        short, full = await client.get("/readyz"), await client.get("/readyz?verbose=1")

    assert ready.json() == {"status": "ok", "checks": {"auth": "ok", "market": "ok"}}
    assert short.status_code == full.status_code == 503
    assert short.json() == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "not ready: market: silent for 9 s",
        "code": 50310000,
        "message": "not ready: market: silent for 9 s",
    }
    assert full.json()["market"] == "silent for 9 s"
    assert full.json()["auth"] == "ok"


async def test_metrics_label_routes_by_template_and_bound_what_strangers_send(venue):
    app = venue.app()
    async with venue.client(app) as client:
        for symbol in ("AAPL", "IBM", "ZZ"):
            await client.get(f"/v2/positions/{symbol}")
        for number in range(3):
            await client.request(f"BREW{number}", f"/unknown/{number}")
        answer = await client.get("/metrics")
        openmetrics = await client.get(
            "/metrics", headers={"accept": "application/openmetrics-text"}
        )

    counted = [line for line in answer.text.splitlines() if "_seconds_count" in line]
    assert counted == [
        (
            'http_server_request_duration_seconds_count{http_request_method="GET",'
            'http_response_status_code="404",http_route="/v2/positions/{symbol_or_asset_id}"} 3.0'
        ),
        (
            'http_server_request_duration_seconds_count{http_request_method="_OTHER",'
            'http_response_status_code="404",http_route="unmatched"} 3.0'
        ),
    ]
    assert answer.headers["content-type"].startswith("text/plain")
    assert openmetrics.headers["content-type"].startswith("application/openmetrics-text")
    assert openmetrics.text.endswith("# EOF\n")


async def test_two_applications_of_one_process_do_not_share_metrics(venue):
    first, second = (build_app(venue.ports, EdgeSettings()) for _ in range(2))
    async with venue.client(first) as client:
        await client.get("/v2/clock")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(second), base_url="http://venue"
    ) as client:
        assert "/v2/clock" not in (await client.get("/metrics")).text
