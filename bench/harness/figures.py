"""From single runs to the table of ratios and ``results.json``."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median

from harness.wrk import Measurement


@dataclass(frozen=True)
class Cell:
    """What one side reaches with one kind of work at one number of connections.

    Attributes:
        per_s: median over the rounds of the answers a second.
        p50_ms: median over the rounds of the median latency, in milliseconds.
        p99_ms: median over the rounds of the 99th percentile, in milliseconds.
    """

    per_s: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Row:
    """One line of ``results.json``; its fields are that file's contract."""

    name: str
    connections: int
    product_per_s: float
    peer_per_s: float
    ratio: float
    product_p50_ms: float
    product_p99_ms: float
    peer_p50_ms: float
    peer_p99_ms: float


def summarise(measurements: Sequence[Measurement]) -> Cell:
    """Return the medians of the *measurements* of one cell, of which there is at least one."""
    return Cell(
        per_s=median(each.per_s for each in measurements),
        p50_ms=median(each.p50_ms for each in measurements),
        p99_ms=median(each.p99_ms for each in measurements),
    )


def compare(name: str, connections: int, product: Cell, peer: Cell) -> Row:
    """Return the row of one kind of work; a peer that answered nothing gives the ratio 0."""
    return Row(
        name=name,
        connections=connections,
        product_per_s=round(product.per_s, 2),
        peer_per_s=round(peer.per_s, 2),
        ratio=round(product.per_s / peer.per_s, 2) if peer.per_s else 0.0,
        product_p50_ms=round(product.p50_ms, 3),
        product_p99_ms=round(product.p99_ms, 3),
        peer_p50_ms=round(peer.p50_ms, 3),
        peer_p99_ms=round(peer.p99_ms, 3),
    )


def results(rows: Sequence[Row]) -> list[dict[str, str | int | float]]:
    """Return what ``results.json`` holds."""
    return [asdict(row) for row in rows]


_HEADINGS = (
    "work",
    "connections",
    "product/s",
    "peer/s",
    "ratio",
    "product p50/p99 ms",
    "peer p50/p99 ms",
)


def comparison_table(rows: Sequence[Row]) -> str:
    """Return the table of ratios."""
    lines = [
        (
            row.name,
            str(row.connections),
            f"{row.product_per_s:,.0f}",
            f"{row.peer_per_s:,.0f}",
            f"{row.ratio:.2f}x",
            _latencies(row.product_p50_ms, row.product_p99_ms),
            _latencies(row.peer_p50_ms, row.peer_p99_ms),
        )
        for row in rows
    ]
    return _aligned([_HEADINGS, *lines])


def one_sided_table(side: str, cells: Mapping[tuple[str, int], Cell]) -> str:
    """Return the table of a run that measured *side* alone; keys are (work, connections)."""
    lines = [
        (name, str(connections), f"{cell.per_s:,.0f}", _latencies(cell.p50_ms, cell.p99_ms))
        for (name, connections), cell in cells.items()
    ]
    return _aligned([("work", "connections", f"{side}/s", f"{side} p50/p99 ms"), *lines])


def _latencies(p50_ms: float, p99_ms: float) -> str:
    return f"{p50_ms:.2f} / {p99_ms:.2f}"


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rendered = [
        "  ".join(
            text.ljust(width) if index == 0 else text.rjust(width)
            for index, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    rendered.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(rendered)
