"""What a decision about one request costs in a replica: remembered, and made anew.

Run ``.venv/bin/python bench/authorization.py``. The comparison is Cedar itself without memory, in
the same process.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from policies.authorization.authorizer import packaged_authorizer
from policies.authorization.compiled import CompiledPolicies, Question
from policies.authorization.document import packaged_policies
from tradeplane.auth.principal import Principal

_ROUNDS = 7


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
    authorizer = packaged_authorizer()
    compiled = CompiledPolicies(packaged_policies())
    principal = Principal("PK1", "firm", "account", subject_id="PK1", user_id="user")
    scoped = Principal("PK1", "firm", "account", subject_id="PK1", scopes=("account:read",))
    question = Question("key", "PK1", "user", "firm", "trader", "account:read")
    rows = (
        ("remembered", lambda: authorizer.authorize(principal, "account:read"), 50_000),
        ("remembered, with scopes", lambda: authorizer.authorize(scoped, "account:read"), 50_000),
        ("made by Cedar", lambda: compiled.permits(question), 2_000),
    )
    for name, call, times in rows:
        median, worst = _cost_us(call, times)
        print(f"{name:<24} {median:8.2f} us  (worst round {worst:.2f})")


if __name__ == "__main__":
    main()
