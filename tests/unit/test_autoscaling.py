"""Scaling by requests in flight."""

from types import SimpleNamespace

import pytest

from policies.autoscaling import IN_FLIGHT, InFlightPolicy, replicas_for


@pytest.mark.parametrize(
    ("in_flight", "current", "desired"),
    [
        ([], 2, 2.0),
        ([12.0, 12.0], 2, 2.0),
        ([24.0, 24.0], 2, 4.0),
        ([0.0, 0.0, 0.0], 3, 0.0),
        ([24.0], 2, 4.0),
        ([1.0, 23.0], 2, 2.0),
    ],
)
def test_replicas_follow_the_requests_in_flight(
    in_flight: list[float], current: int, desired: float
) -> None:
    assert replicas_for(in_flight, 12.0, current) == desired


def test_the_policy_reads_what_the_replicas_report() -> None:
    context = SimpleNamespace(
        current_num_replicas=2, aggregated_metrics={IN_FLIGHT: {"a": 36.0, "b": 36.0}}
    )

    assert InFlightPolicy()(context) == (6.0, {})


def test_without_reports_nothing_changes() -> None:
    for metrics in (None, {}, {"other": {"a": 1.0}}):
        context = SimpleNamespace(current_num_replicas=3, aggregated_metrics=metrics)
        assert InFlightPolicy()(context) == (3.0, {})
