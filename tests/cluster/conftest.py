"""One running system for all tests of this folder that do not break it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from running_system import RunningSystem


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    home: Path = tmp_path_factory.mktemp("system") / "home"
    running = RunningSystem(home, TRADEPLANE_STARTING_CASH="100000000").start()
    try:
        yield running
    finally:
        status = running.stop()
    assert status == 0, "".join(running.output)
