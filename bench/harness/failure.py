"""The one error of the benchmark."""


class BenchmarkFailed(Exception):
    """A run that gives no valid figure; its message says what was wrong and what would be right."""
