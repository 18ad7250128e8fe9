"""One budget for a key, whichever replica answers."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx
import pytest
from running_system import RunningSystem

pytestmark = pytest.mark.cluster
LIMIT, REPLICAS, ASKED = 60, 2, 240


async def ask(system: RunningSystem) -> tuple[Counter[str], int]:
    """Return how many passed in each window, over many connections, and how many did not."""
    passed: Counter[str] = Counter()
    refused = 0
    limits = httpx.Limits(max_connections=16, max_keepalive_connections=16)
    async with httpx.AsyncClient(limits=limits, headers=system.headers, timeout=30) as client:
        urls = [f"{system.url}/v2/clock"] * ASKED
        for answer in await asyncio.gather(*(client.get(url) for url in urls)):
            assert answer.status_code in {200, 429}
            if answer.status_code == 200:
                passed[answer.headers["x-ratelimit-reset"]] += 1
            else:
                refused += 1
                assert 1 <= int(answer.headers["retry-after"]) <= 60
    return passed, refused


def test_a_keys_budget_is_one_over_the_replicas_of_a_node(tmp_path: Path) -> None:
    system = RunningSystem(
        tmp_path / "home",
        TRADEPLANE_RATE_LIMIT_PER_MINUTE=str(LIMIT),
        TRADEPLANE_REPLICAS_MIN=str(REPLICAS),
        TRADEPLANE_REPLICAS_MAX=str(REPLICAS),
    ).start()
    try:
        passed, refused = asyncio.run(ask(system))
    finally:
        assert system.stop() == 0

    # The burst may lie over the turn of a minute; each window is held to the limit for itself.
    assert refused + sum(passed.values()) == ASKED
    for count in passed.values():
        assert count <= LIMIT + REPLICAS - 1
    assert max(passed.values()) >= LIMIT // 2
    assert refused > 0
