"""The product, started as its users start it."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

from harness.failure import BenchmarkFailed
from harness.http_json import get_json, request_json
from harness.processes import Program, running, wait_until
from harness.work import GET_POSITION, POST_ORDER
from harness.wrk import Headers, callers_text

ACCOUNTS = 64
CASH = 1_000_000_000_000
ROOT = Path(__file__).parents[2]

_START_S = 180
_STOP_S = 60
_ACCOUNTS_S = 120
_SETTLE_S = 60
_POLL_S = 0.2
_OPEN_ORDERS = "/v2/orders?status=open&limit=1"


class Product:
    """The running product with the accounts that load it.

    Args:
        url: address of its API.
        callers: headers of an API key of each account.
        callers_file: where those are written for wrk.
    """

    name = "product"

    def __init__(self, url: str, callers: list[Headers], callers_file: Path) -> None:
        self.url = url
        self.callers_file = callers_file
        self._callers = callers
        callers_file.write_text(callers_text(callers), encoding="ascii")

    def open_positions(self) -> None:
        """Buy one AAPL in each account and wait until all are filled.

        Raises:
            BenchmarkFailed: an order is refused, or not filled in time.
        """
        for headers in self._callers:
            status, body = request_json(
                POST_ORDER.method, self.url, POST_ORDER.path, headers, POST_ORDER.body
            )
            if status != 200:
                raise BenchmarkFailed(f"the first order was answered {status}: {body}")
        self.settle()

    def settle(self) -> None:
        """Return when no account has an open order.

        Raises:
            BenchmarkFailed: one still has after a minute; market orders fill within 10 seconds.
        """
        deadline = time.monotonic() + _SETTLE_S
        for headers in self._callers:
            while True:
                status, body = get_json(self.url, _OPEN_ORDERS, headers)
                if status != 200:
                    raise BenchmarkFailed(f"the list of open orders was answered {status}: {body}")
                if not body:
                    break
                if time.monotonic() > deadline:
                    raise BenchmarkFailed(
                        f"orders are still open after {_SETTLE_S} s, such as {body[0]}"
                    )
                time.sleep(_POLL_S)

    def orders_held(self) -> int:
        """Return the shares of all positions: every order is for one, and all are filled."""
        shares = Decimal(0)
        for headers in self._callers:
            status, body = get_json(self.url, GET_POSITION.path, headers)
            if status != 200:
                raise BenchmarkFailed(f"a position was answered {status}: {body}")
            shares += Decimal(body["qty"])
        return int(shares)


@contextlib.contextmanager
def product(folder: Path, ports: list[int], database_url: str | None) -> Iterator[Product]:
    """Run the product for the time of the ``with`` block, ready and with a position an account.

    Args:
        folder: takes its state and its log.
        ports: four free ports: API, Serve's door, streams, dashboard.
        database_url: where its journal is; None for its default.

    Raises:
        BenchmarkFailed: it does not start, or refuses what it should accept.
    """
    environment = product_environment(os.environ, folder / "product", ports, database_url)
    log = folder / "product.log"
    url = f"http://127.0.0.1:{ports[0]}"
    program = Program([*_command(), "run"], log, environment=environment, stop_s=_STOP_S)
    with running(program) as process:

        def ready() -> bool:
            return get_json(url, "/readyz", {})[0] == 200

        wait_until(ready, "the product", _START_S, process, log)
        side = Product(url, _create_accounts(environment), folder / "product.callers")
        side.open_positions()
        yield side


def product_environment(
    inherited: Mapping[str, str], home: Path, ports: list[int], database_url: str | None
) -> dict[str, str]:
    """Return the product's environment: what the caller set, and what the benchmark must set."""
    api, door, streams, dashboard = map(str, ports)
    environment = {
        **inherited,
        "TRADEPLANE_HOME": str(home),
        "TRADEPLANE_HTTP_PORT": api,
        "TRADEPLANE_SERVE_PORT": door,
        "TRADEPLANE_STREAM_PORT": streams,
        "TRADEPLANE_DASHBOARD_PORT": dashboard,
        "TRADEPLANE_RATE_LIMIT_PER_MINUTE": "0",
    }
    if database_url is not None:
        environment["TRADEPLANE_DATABASE_URL"] = database_url
    return environment


def parse_accounts(text: str) -> list[Headers]:
    """Return the headers of each account in what ``accounts create --json`` printed.

    Raises:
        BenchmarkFailed: it is no list of accounts with keys, or has the wrong number of them.
    """
    try:
        headers = [
            {"APCA-API-KEY-ID": each["key_id"], "APCA-API-SECRET-KEY": each["secret_key"]}
            for each in json.loads(text)
        ]
    except (ValueError, TypeError, KeyError) as error:
        raise BenchmarkFailed(
            f"`accounts create --json` printed no list of key_id and secret_key: {text[:200]!r}"
        ) from error
    if len(headers) != ACCOUNTS:
        raise BenchmarkFailed(f"{ACCOUNTS} accounts were asked for, {len(headers)} created")
    return headers


def _create_accounts(environment: Mapping[str, str]) -> list[Headers]:
    command = [*_command(), "accounts", "create", "--json", "--reason", "benchmark"]
    created = subprocess.run(
        [*command, "--count", str(ACCOUNTS), "--cash", str(CASH)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=_ACCOUNTS_S,
    )
    if created.returncode != 0:
        raise BenchmarkFailed(
            f"`accounts create` ended with {created.returncode}: {created.stderr}{created.stdout}"
        )
    return parse_accounts(created.stdout)


def _command() -> list[str]:
    script = Path(sys.executable).with_name("tradeplane")
    if not script.exists():
        raise BenchmarkFailed(f"{script} does not exist; install the project, as `make bench` does")
    return [str(script)]
