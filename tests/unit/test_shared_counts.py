"""The page in which the processes of a node count together."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.rate_limits import RateLimiter
from serve import shared_counts
from serve.shared_counts import SharedCounts
from tradeplane.clock import NS_PER_S
from tradeplane.errors import Misconfigured

SRC = Path(__file__).resolve().parents[2] / "src"
ASKS = """
import sys
from pathlib import Path
from policies.rate_limits import RateLimiter
from serve.shared_counts import SharedCounts

limiter = RateLimiter(int(sys.argv[2]), SharedCounts(Path(sys.argv[1])))
print("up", flush=True)
sys.stdin.readline()
print(sum(limiter.check("key", 0).allowed for _ in range(2_000)), flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def open_counts(tmp_path: Path):
    opened: list[SharedCounts] = []

    def make() -> SharedCounts:
        opened.append(SharedCounts(tmp_path))
        return opened[-1]

    yield make
    for counts in opened:
        counts.close()


@settings(max_examples=60)
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from("abcde"), st.integers(0, 2)), max_size=80
    )
)
def test_every_process_sees_what_any_of_them_counted(steps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("counts")
    processes = [SharedCounts(folder) for _ in range(3)]
    model: Counter[tuple[str, int]] = Counter()
    newest: dict[tuple[int, str], int] = {}
    for process, key, later in steps:
        window = max(newest.values(), default=0) + later
        newest[process, key] = window
        processes[process].add(key, window)
        model[key, window] += 1
        for counts in processes:
            assert counts.passed(key, window) == model[key, window]
            assert counts.passed("never seen", window) == 0
    for counts in processes:
        counts.close()


def test_a_budget_is_one_budget_over_processes(open_counts):
    limiters = [RateLimiter(100, open_counts()) for _ in range(3)]

    allowed = sum(limiters[turn % 3].check("key", 0).allowed for turn in range(300))

    assert allowed == 100
    assert [limiter.check("key", 0).allowed for limiter in limiters] == [False] * 3
    assert all(limiter.check("key", 60 * NS_PER_S).allowed for limiter in limiters)


def test_a_process_that_died_counts_until_the_window_ends(open_counts):
    dead = open_counts()
    for _ in range(7):
        dead.add("key", 5)
    survivor = open_counts()
    dead.close()

    assert survivor.passed("key", 5) == 7
    heir = open_counts()
    heir.add("key", 5)
    assert (heir.passed("key", 5), survivor.passed("key", 5)) == (8, 8)
    assert survivor.passed("key", 6) == 0


def test_what_other_nodes_report_counts_in_its_window(open_counts):
    counts = open_counts()
    counts.add("key", 5)
    [digest] = counts.own_totals(5)

    counts.hear(5, {digest: 10})

    assert (counts.passed("key", 5), counts.passed("key", 6)) == (11, 0)
    assert (counts.own_totals(5), counts.own_totals(6)) == ({digest: 1}, {})


def test_a_full_region_forgets_the_least_used_key_and_keeps_the_flooded_one(
    open_counts, monkeypatch
):
    monkeypatch.setattr(shared_counts, "_ENTRIES", 8)
    monkeypatch.setattr(shared_counts, "_REGION_WORDS", 16)
    counts = open_counts()
    for _ in range(50):
        counts.add("flooded", 5)

    for number in range(1_000):
        counts.add(str(number), 5)

    assert counts.passed("flooded", 5) == 50
    assert len(counts.own_totals(5)) <= 8


def test_more_processes_than_the_page_has_regions_are_refused(open_counts, monkeypatch):
    monkeypatch.setattr(shared_counts, "_PROCESSES_MAX", 2)
    open_counts()
    open_counts()

    with pytest.raises(Misconfigured, match="more than 2 processes"):
        open_counts()


def test_racing_processes_overshoot_by_at_most_one_request_each(tmp_path: Path):
    limit, processes = 500, []
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", dedent(ASKS), str(tmp_path), str(limit)],
            env={**os.environ, "PYTHONPATH": str(SRC)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout.readline() == "up\n"
        processes.append(process)
    started = time.monotonic()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    passed = [int(process.stdout.readline()) for process in processes]
    for process in processes:
        process.communicate("\n", timeout=30)

    assert limit <= sum(passed) <= limit + len(processes) - 1, (passed, time.monotonic() - started)
