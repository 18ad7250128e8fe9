"""What letting one request through costs in a replica: the policies' decision and the rate limit.

Run ``.venv/bin/python bench/authorization.py``. The comparison is Cedar itself without memory, in
the same process.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from policies.authorization.authorizer import packaged_authorizer
from policies.authorization.compiled import CompiledPolicies, Question
from policies.authorization.document import packaged_policies
from policies.rate_limits import RateLimiter
from serve.shared_counts import SharedCounts
from tradeplane.auth.principal import Principal

_ROUNDS = 7
_REPLICAS = 4


def _cost_us(call: Callable[[], object], times: int) -> tuple[float, float]:
    """Return median and worst mean of some rounds, microseconds a call."""
    means = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        for _ in range(times):
            call()
        means.append((time.perf_counter() - started) / times * 1e6)
    return statistics.median(means), max(means)


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        _measure([SharedCounts(Path(folder)) for _ in range(_REPLICAS)])


def _measure(pages: list[SharedCounts]) -> None:
    authorizer = packaged_authorizer()
    compiled = CompiledPolicies(packaged_policies())
    principal = Principal("PK1", "firm", "account", subject_id="PK1", user_id="user")
    scoped = Principal("PK1", "firm", "account", subject_id="PK1", scopes=("account:read",))
    question = Question("key", "PK1", "user", "firm", "trader", "account:read")
    rows: tuple[tuple[str, Callable[[], object], int], ...] = (
        ("remembered", lambda: authorizer.authorize(principal, "account:read"), 50_000),
        ("remembered, with scopes", lambda: authorizer.authorize(scoped, "account:read"), 50_000),
        ("made by Cedar", lambda: compiled.permits(question), 2_000),
    )
    for counts in pages:
        counts.add("key PK1", 0)
    shared, alone = RateLimiter(10**9, pages[0], name="key "), RateLimiter(10**9, name="key ")
    rows += (
        ("rate limit, alone", lambda: alone.check("PK1", 0), 50_000),
        (f"rate limit, {_REPLICAS} replicas", lambda: shared.check("PK1", 0), 50_000),
    )
    for name, call, times in rows:
        median, worst = _cost_us(call, times)
        print(f"{name:<24} {median:8.2f} us  (worst round {worst:.2f})")


if __name__ == "__main__":
    main()
