import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from harness.profile_report import (
    Sample,
    inclusive_by_function,
    package_of,
    parse_folded,
    profile_report,
    self_by_package,
)
from harness.profiling import title_kind

RUN = "run (/usr/lib/python3.11/asyncio/runners.py:190)"
ROUTE = "route (/app/src/serve/routes.py:30)"
ENCODE = "encode (/venv/lib/python3.11/site-packages/msgspec/json.py:10)"


def test_folded_lines_become_samples_and_others_are_ignored():
    text = f"{RUN};{ROUTE} 7\n\nno count here\n{RUN} 3\n"
    assert parse_folded(text) == [Sample((RUN, ROUTE), 7), Sample((RUN,), 3)]


@pytest.mark.parametrize(
    ("frame", "package"),
    [
        (RUN, "asyncio"),
        (ROUTE, "serve"),
        (ENCODE, "msgspec"),
        ("get (/usr/lib/python3.11/queue.py:1)", "queue"),
        ("core (/x/site-packages/six.py:3)", "six"),
        ("f (/venv/lib/python3.11/site-packages/a/src/b/c.py:1)", "a"),
        ("<lambda> (/app/src/actors/ledger.py:1)", "actors"),
        ("__call__ (generated:3)", "(other)"),
        ("process 12", "(other)"),
    ],
)
def test_a_frame_belongs_to_the_package_of_its_file(frame, package):
    assert package_of(frame) == package


def test_own_time_is_that_of_the_running_frame():
    samples = [Sample((RUN, ROUTE), 7), Sample((RUN, ROUTE, ENCODE), 2), Sample((RUN,), 1)]
    assert self_by_package(samples) == {"serve": 7, "msgspec": 2, "asyncio": 1}


def test_a_function_counts_once_a_stack_whatever_its_lines():
    again = ROUTE.replace(":30", ":31")
    counts = inclusive_by_function([Sample((RUN, ROUTE, again), 5), Sample((RUN, again), 1)])
    assert counts == {
        "route (/app/src/serve/routes.py)": 6,
        "run (/usr/lib/python3.11/asyncio/runners.py)": 6,
    }


def test_the_report_lists_packages_by_own_time_with_their_functions():
    report = profile_report([Sample((RUN, ROUTE), 60), Sample((RUN, ROUTE, ENCODE), 40)])
    assert report.splitlines() == [
        "100 samples; self time by package, inclusive time by function",
        " 60.0%  serve",
        "    100.0%  route (serve/routes.py)",
        " 40.0%  msgspec",
        "     40.0%  encode (msgspec/json.py)",
        "  0.0%  asyncio",
        "    100.0%  run (asyncio/runners.py)",
    ]


def test_an_idle_process_has_a_report_too():
    assert profile_report([]) == "no samples: the process was idle"


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("ray::ServeReplica:tradeplane:Api", "api"),
        ("ray::ServeReplica:tradeplane:Api.handle_request", "api"),
        ("ray::LedgerShard", "ledger"),
        ("ray::LedgerShard.apply", "ledger"),
        ("ray::ServeReplica:tradeplane:Stream", None),
        ("ray::Market", None),
        ("python bench/run.py", None),
        ("grep ray::LedgerShard", None),
    ],
)
def test_replicas_of_the_api_and_ledger_shards_are_profiled(title, kind):
    assert title_kind(title) == kind
