import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from harness.failure import BenchmarkFailed
from harness.http_json import get_json
from harness.machine import free_ports
from harness.product import ACCOUNTS, Product, parse_accounts, product_environment


class Venue:
    """A trading API on loopback that fills an account's orders at its second look at them."""

    def __init__(self):
        self.accepts = 200
        self.positions = {}
        self.open_orders = {}

    def answer(self, method, path, account):
        if method == "POST":
            if self.accepts == 200:
                self.open_orders[account] = self.open_orders.get(account, 0) + 1
            return self.accepts, {"status": "pending_new"}
        if path.startswith("/v2/orders?"):
            waiting = self.open_orders.pop(account, 0)
            self.positions[account] = self.positions.get(account, 0) + waiting
            return 200, [{"id": "an order"}] * min(1, waiting)
        if account not in self.positions:
            return 404, {"message": "position does not exist"}
        return 200, {"symbol": "AAPL", "qty": str(self.positions[account])}


@pytest.fixture
def venue():
    return Venue()


@pytest.fixture
def product(venue, tmp_path):
    class Handler(BaseHTTPRequestHandler):
        def respond(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            account = self.headers["APCA-API-KEY-ID"]
            status, body = venue.answer(self.command, self.path, account)
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = respond  # noqa: N815  # http.server looks these names up

        def log_message(self, *arguments):
            del arguments

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    callers = [{"APCA-API-KEY-ID": name, "APCA-API-SECRET-KEY": "s"} for name in ("a", "b")]
    url = f"http://127.0.0.1:{server.server_port}"
    yield Product(url, callers, tmp_path / "callers")
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_account_has_a_filled_position_before_the_load(product, venue):
    product.open_positions()
    assert venue.positions == {"a": 1, "b": 1}
    assert product.orders_held() == 2


def test_a_first_order_that_is_refused_stops_the_benchmark(product, venue):
    venue.accepts = 403
    with pytest.raises(BenchmarkFailed, match="the first order was answered 403"):
        product.open_positions()


def test_settling_waits_for_open_orders_of_every_account(product, venue):
    venue.open_orders = {"b": 3}
    product.settle()
    assert venue.open_orders == {}
    assert venue.positions["b"] == 3


def test_an_account_without_its_position_is_reported(product, venue):
    venue.positions = {"a": 1}
    with pytest.raises(BenchmarkFailed, match="a position was answered 404"):
        product.orders_held()


def test_the_callers_are_written_for_wrk(product):
    text = product.callers_file.read_text(encoding="ascii")
    assert text.splitlines()[0] == "APCA-API-KEY-ID: a\tAPCA-API-SECRET-KEY: s"


def test_nobody_listening_is_status_0():
    assert get_json(f"http://127.0.0.1:{free_ports(1)[0]}", "/readyz", {}) == (0, None)


def test_created_accounts_become_headers():
    accounts = [
        {"account_id": f"a{n}", "key_id": f"k{n}", "secret_key": f"s{n}"} for n in range(ACCOUNTS)
    ]
    headers = parse_accounts(json.dumps(accounts))
    assert len(headers) == 64
    assert headers[1] == {"APCA-API-KEY-ID": "k1", "APCA-API-SECRET-KEY": "s1"}


@pytest.mark.parametrize("text", ["", "null", "{}", '[{"key_id": "k"}]', "[1]", "[]"])
def test_an_output_without_the_accounts_is_refused(text):
    with pytest.raises(BenchmarkFailed):
        parse_accounts(text)


def test_the_product_runs_on_its_own_home_and_ports_without_a_rate_limit():
    inherited = {"PATH": "/bin", "TRADEPLANE_HOME": "/elsewhere", "TRADEPLANE_LEDGER_SHARDS": "2"}
    made = product_environment(inherited, Path("/home"), [1, 2, 3, 4], "postgresql://x/y")
    assert made == {
        "PATH": "/bin",
        "TRADEPLANE_HOME": "/home",
        "TRADEPLANE_LEDGER_SHARDS": "2",
        "TRADEPLANE_HTTP_PORT": "1",
        "TRADEPLANE_SERVE_PORT": "2",
        "TRADEPLANE_STREAM_PORT": "3",
        "TRADEPLANE_DASHBOARD_PORT": "4",
        "TRADEPLANE_RATE_LIMIT_PER_MINUTE": "0",
        "TRADEPLANE_DATABASE_URL": "postgresql://x/y",
    }
    assert "TRADEPLANE_DATABASE_URL" not in product_environment(
        {}, Path("/home"), [1, 2, 3, 4], None
    )
