"""How many API replicas there should be, from the requests that each has in flight.

Ray Serve calls the policy in its controller and applies bounds, delays and smoothing to what it
returns, so the policy is arithmetic alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol


class ScalingContext(Protocol):
    """What of Ray Serve's ``AutoscalingContext`` the policy reads."""

    current_num_replicas: int
    aggregated_metrics: Mapping[str, Mapping[Any, float]]


IN_FLIGHT = "in_flight"
"""The figure that replicas report: requests being answered, averaged since the last report."""


def replicas_for(in_flight: Iterable[float], target: float, current: int) -> float:
    """Return how many replicas keep *target* requests in flight on each.

    Without a report there is nothing to decide by, and *current* stands.
    """
    reports = list(in_flight)
    if not reports:
        return float(current)
    # Replicas that have not reported yet are taken to be as busy as the others.
    total = sum(reports) / len(reports) * max(current, len(reports))
    return math.ceil(total / target * 1_000) / 1_000


class InFlightPolicy:
    """Scales by requests in flight.

    Args:
        target: requests in flight that one replica should have.
    """

    def __init__(self, target: float = 12.0) -> None:
        self._target = target

    def __call__(self, context: ScalingContext) -> tuple[float, dict[str, Any]]:
        """Return the desired number of replicas, and no state."""
        reports = (context.aggregated_metrics or {}).get(IN_FLIGHT, {})
        desired = replicas_for(reports.values(), self._target, context.current_num_replicas)
        return desired, {}
