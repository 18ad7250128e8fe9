"""Where the time goes, from the folded stacks of a sampling profiler."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

_FRAME = re.compile(r"(?P<function>.+) \((?P<path>[^()]*?)(?::\d+)?\)")
_INSTALLED = re.compile(r"/(?:site|dist)-packages/([^/]+)")
_OWN = re.compile(r"/(?:src|bench)/([^/]+)/")
_STANDARD = re.compile(r"/lib/python\d+\.\d+/([^/]+)")


@dataclass(frozen=True)
class Sample:
    """One stack and how often it was seen; the frames run from the outermost to the running one."""

    frames: tuple[str, ...]
    count: int


def parse_folded(text: str) -> list[Sample]:
    """Return the samples of a folded file: lines of frames joined by ``;``, then a count."""
    samples = []
    for line in text.splitlines():
        stack, _, count = line.rpartition(" ")
        if stack and count.isdigit():
            samples.append(Sample(tuple(stack.split(";")), int(count)))
    return samples


def package_of(frame: str) -> str:
    """Return the package of *frame*, which reads ``function (path:line)``.

    An installed package is its folder, our own code its top-level package, the standard library
    its module; anything else, such as a built-in, is ``(other)``.
    """
    match = _FRAME.fullmatch(frame)
    if match is None:
        return "(other)"
    for pattern in (_INSTALLED, _OWN, _STANDARD):
        found = pattern.search(match["path"])
        if found is not None:
            return PurePosixPath(found[1]).stem
    return "(other)"


def self_by_package(samples: Iterable[Sample]) -> Counter[str]:
    """Return the samples in which each package was the one that ran."""
    counts: Counter[str] = Counter()
    for sample in samples:
        counts[package_of(sample.frames[-1])] += sample.count
    return counts


def inclusive_by_function(samples: Iterable[Sample]) -> Counter[str]:
    """Return the samples in which each function was on the stack; recursion counts once."""
    counts: Counter[str] = Counter()
    for sample in samples:
        for function in {_without_line(frame) for frame in sample.frames}:
            counts[function] += sample.count
    return counts


def profile_report(samples: list[Sample], functions_max: int = 12) -> str:
    """Return the share of each package's own time and, below it, its top inclusive functions.

    Args:
        samples: what the profiler saw.
        functions_max: functions listed for each package.
    """
    total = sum(sample.count for sample in samples)
    if not total:
        return "no samples: the process was idle"
    own = self_by_package(samples)
    inclusive = inclusive_by_function(samples)
    by_package: dict[str, list[tuple[str, int]]] = {}
    for function, count in inclusive.most_common():
        by_package.setdefault(package_of(function), []).append((function, count))
    lines = [f"{total} samples; self time by package, inclusive time by function"]
    for package, functions in sorted(by_package.items(), key=lambda item: -own[item[0]]):
        lines.append(f"{100 * own[package] / total:5.1f}%  {package}")
        lines.extend(
            f"    {100 * count / total:5.1f}%  {_short(function)}"
            for function, count in functions[:functions_max]
            if count * 100 >= total
        )
    return "\n".join(lines)


def _without_line(frame: str) -> str:
    return re.sub(r":\d+\)$", ")", frame)


def _short(function: str) -> str:
    match = _FRAME.fullmatch(function)
    if match is None:
        return function
    return f"{match['function']} ({'/'.join(PurePosixPath(match['path']).parts[-2:])})"
