"""What the measuring loop needs of a side, product or peer."""

from pathlib import Path
from typing import Protocol


class Side(Protocol):
    """One of the two programs that are compared.

    Attributes:
        name: ``product`` or ``peer``.
        url: address that wrk loads.
        callers_file: headers of its callers, as ``load.lua`` reads them.
    """

    name: str
    url: str
    callers_file: Path

    def settle(self) -> None:
        """Return when nothing that was accepted is still being worked on.

        Raises:
            BenchmarkFailed: that takes too long.
        """
        ...

    def orders_held(self) -> int:
        """Return how many of the run's orders the side has, by its own durable state."""
        ...
