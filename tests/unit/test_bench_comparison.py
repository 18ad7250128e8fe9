import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))

from harness.comparison import Comparison, Plan
from harness.failure import BenchmarkFailed
from harness.figures import Cell, compare, comparison_table, one_sided_table, results, summarise
from harness.work import GET_POSITION, POST_ORDER
from harness.wrk import Measurement

SEEN = Measurement(requests=100, per_s=50.0, p50_ms=1.0, p99_ms=4.0, non_2xx=0, socket_errors=0)


class FakeSide:
    """A side that holds what it acknowledged, and *surplus* orders more."""

    url = "http://127.0.0.1:1"
    callers_file = Path("unused")

    def __init__(self, name, surplus=0, before=0):
        self.name = name
        self.held = before
        self.surplus = surplus
        self.settled = 0

    def settle(self):
        self.settled += 1

    def orders_held(self):
        return self.held + (self.surplus if self.settled else 0)


def always(answer):
    return lambda *_: answer


ALL_WELL = always(SEEN)


def run(sides, plan, answers=ALL_WELL):
    loads = []

    def load(side, work, connections, seconds):
        loads.append((side.name, work.name, connections, seconds))
        seen = answers(side, work)
        if work == POST_ORDER:
            side.held += seen.requests - seen.non_2xx
        return seen

    comparison = Comparison(sides, plan, load, report=always(None))
    comparison.run()
    return comparison, loads


def test_the_sides_take_turns_in_every_cell_and_round_after_a_warm_up():
    _, loads = run(
        [FakeSide("product"), FakeSide("peer")],
        Plan(works=[GET_POSITION], connections=(1, 32), rounds=2, seconds=6),
    )
    one_round = [
        ("product", "get_position", 1, 6),
        ("peer", "get_position", 1, 6),
        ("product", "get_position", 32, 6),
        ("peer", "get_position", 32, 6),
    ]
    warm_up = [("product", "get_position", 32, 2), ("peer", "get_position", 32, 2)]
    assert loads == warm_up + one_round * 2


def test_by_default_three_rounds_measure_both_works_at_three_numbers_of_connections():
    plan = Plan()
    assert [work.name for work in plan.works] == ["get_position", "post_order"]
    assert (tuple(plan.connections), plan.rounds, plan.seconds) == ((1, 32, 64), 3, 6)


def test_a_cell_is_the_median_over_its_rounds():
    figures = [(30.0, 3.0, 9.0), (10.0, 1.0, 7.0), (20.0, 2.0, 80.0)]
    cell = summarise([replace(SEEN, per_s=a, p50_ms=b, p99_ms=c) for a, b, c in figures])
    assert cell == Cell(per_s=20.0, p50_ms=2.0, p99_ms=9.0)


def test_an_acknowledged_order_that_is_missing_makes_the_run_invalid():
    comparison, _ = run([FakeSide("product", surplus=-1)], Plan(works=[POST_ORDER], rounds=1))
    assert comparison.problems == [
        "product: 400 orders were acknowledged and it holds 399; right would be 400 to 529"
    ]


@pytest.mark.parametrize(("surplus", "valid"), [(0, True), (129, True), (130, False)])
def test_only_orders_that_were_under_way_may_exist_without_an_answer(surplus, valid):
    side = FakeSide("product", surplus=surplus, before=64)
    comparison, _ = run([side], Plan(works=[POST_ORDER], rounds=1))
    assert (comparison.problems == []) is valid


def test_a_side_settles_after_every_load_of_orders():
    side = FakeSide("product")
    run([side], Plan(works=[GET_POSITION, POST_ORDER], connections=(1,), rounds=2))
    assert side.settled == 3


@pytest.mark.parametrize(
    "failed",
    [replace(SEEN, non_2xx=3), replace(SEEN, socket_errors=2), replace(SEEN, requests=0)],
)
def test_an_answer_that_failed_makes_the_run_invalid(failed):
    def answers(side, work):
        return failed if side.name == "product" else SEEN

    comparison, _ = run(
        [FakeSide("product"), FakeSide("peer")],
        Plan(works=[GET_POSITION], connections=(1,), rounds=1),
        answers,
    )
    assert len(comparison.problems) == 2  # the warm-up counts as well
    assert comparison.problems[1] == (
        f"product get_position at 1 connections: of {failed.requests} answers "
        f"{failed.non_2xx} were not 2xx, and {failed.socket_errors} connections failed"
    )


def test_a_side_that_was_not_measured_has_no_cells():
    comparison, _ = run([FakeSide("peer")], Plan(works=[GET_POSITION], rounds=1))
    assert comparison.cells("peer").keys() == {
        ("get_position", 1),
        ("get_position", 32),
        ("get_position", 64),
    }
    with pytest.raises(BenchmarkFailed, match="nothing was measured on the product"):
        comparison.cells("product")


def test_the_ratio_is_product_over_peer():
    row = compare("get_position", 32, Cell(7_200.0, 4.0, 9.0), Cell(1_500.0, 20.0, 60.0))
    assert row.ratio == 4.8
    assert compare("get_position", 1, Cell(1.0, 1, 1), Cell(0.0, 0, 0)).ratio == 0.0


def test_results_have_exactly_the_fields_of_the_contract():
    row = compare("post_order", 64, Cell(10.128, 1.23456, 2.0), Cell(2.0, 3.0, 4.0))
    assert results([row]) == [
        {
            "name": "post_order",
            "connections": 64,
            "product_per_s": 10.13,
            "peer_per_s": 2.0,
            "ratio": 5.06,
            "product_p50_ms": 1.235,
            "product_p99_ms": 2.0,
            "peer_p50_ms": 3.0,
            "peer_p99_ms": 4.0,
        }
    ]


def test_the_table_has_a_line_for_each_row_and_aligned_columns():
    rows = [
        compare("get_position", 1, Cell(7_200.4, 0.4, 9.0), Cell(1_500.0, 20.0, 60.0)),
        compare("post_order", 64, Cell(10.0, 1.0, 2.0), Cell(2.0, 3.0, 4.0)),
    ]
    lines = comparison_table(rows).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert " ".join(lines[2].split()) == (
        "get_position 1 7,200 1,500 4.80x 0.40 / 9.00 20.00 / 60.00"
    )
    assert lines[3].split()[:5] == ["post_order", "64", "10", "2", "5.00x"]


def test_the_table_of_one_side_names_it():
    table = one_sided_table("peer", {("get_position", 32): Cell(3_500.0, 9.0, 50.0)})
    assert "peer/s" in table.splitlines()[0]
    assert " ".join(table.splitlines()[2].split()) == "get_position 32 3,500 9.00 / 50.00"
