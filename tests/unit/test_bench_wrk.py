import os
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from harness.failure import BenchmarkFailed
from harness.machine import find_programs, free_ports
from harness.work import GET_POSITION, POST_ORDER
from harness.wrk import callers_text, parse_duration_ms, parse_output

CLEAN = """\
Running 6s test @ http://127.0.0.1:20010
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     9.81ms    8.84ms  83.70ms   86.64%
    Req/Sec     3.59k   351.20     4.19k    71.67%
  Latency Distribution
     50%  950.00us
     75%   12.33ms
     90%   20.75ms
     99%    1.02s
  21452 requests in 6.01s, 3.21MB read
Requests/sec:   3571.93
Transfer/sec:    547.24KB
"""
TROUBLED = CLEAN.replace(
    "Requests/sec",
    "  Socket errors: connect 1, read 2, write 3, timeout 4\n"
    "  Non-2xx or 3xx responses: 17\nRequests/sec",
)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("950.00us", 0.95),
        ("0.00us", 0.0),
        ("1.85ms", 1.85),
        ("1.02s", 1020.0),
        ("1.50m", 90_000.0),
        ("1.00h", 3_600_000.0),
        (" 7ms ", 7.0),
    ],
)
def test_a_duration_is_read_in_every_unit_that_wrk_prints(text, milliseconds):
    assert parse_duration_ms(text) == pytest.approx(milliseconds)


@pytest.mark.parametrize("text", ["", "12", "ms", "1.2.3ms", "-1ms", "3 days", "nanms"])
def test_what_is_no_duration_is_refused_by_name(text):
    with pytest.raises(BenchmarkFailed, match="expected such as"):
        parse_duration_ms(text)


def test_the_figures_of_a_clean_run_are_read():
    seen = parse_output(CLEAN)
    assert (seen.requests, seen.per_s) == (21452, 3571.93)
    assert (seen.p50_ms, seen.p99_ms) == pytest.approx((0.95, 1020.0))
    assert seen.failures == 0


def test_refused_answers_and_broken_connections_are_counted():
    seen = parse_output(TROUBLED)
    assert seen.non_2xx == 17
    assert seen.socket_errors == 10
    assert seen.failures == 27


@pytest.mark.parametrize("missing", ["requests in", "Requests/sec", "50%", "99%"])
def test_an_output_without_a_figure_is_refused(missing):
    lines = [line for line in CLEAN.splitlines() if missing not in line]
    with pytest.raises(BenchmarkFailed, match="wrk's output has no"):
        parse_output("\n".join(lines))


def test_the_callers_file_has_a_line_of_headers_for_each_caller():
    text = callers_text([{"A": "1", "B": "x y"}, {"A": "2"}])
    assert text == "A: 1\tB: x y\nA: 2\n"


def test_both_works_are_the_same_for_every_side():
    assert (GET_POSITION.name, POST_ORDER.name) == ("get_position", "post_order")
    assert GET_POSITION.body == ""
    assert POST_ORDER.body == (
        '{"symbol": "AAPL", "qty": 1, "side": "buy", "type": "market", "time_in_force": "day"}'
    )


def test_free_ports_differ_and_lie_below_those_the_system_hands_out():
    ports = free_ports(8)
    assert len(set(ports)) == 8
    assert all(20_000 <= port < 32_000 for port in ports)


def test_a_missing_program_is_named_by_its_debian_package(monkeypatch):
    present = shutil.which

    def without_wrk(name):
        return None if name == "wrk" else present(name) or os.devnull

    monkeypatch.setattr(shutil, "which", without_wrk)
    with pytest.raises(BenchmarkFailed, match="`apt-get install wrk`"):
        find_programs()
