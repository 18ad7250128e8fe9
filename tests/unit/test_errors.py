"""Errors form one tree, survive pickling and the wire, and are drawn as they are."""

import pickle

import pytest

from tradeplane import errors
from tradeplane.errors import CLASSES, TradeplaneError, from_wire, to_wire


@pytest.mark.parametrize("kind", CLASSES.values(), ids=CLASSES.keys())
def test_every_error_survives_pickling_and_the_wire(kind: type[TradeplaneError]) -> None:
    error = kind("what was wrong", {"symbol": "AAPL", "related_orders": ["a", "b"]})

    for copy in (pickle.loads(pickle.dumps(error)), from_wire(to_wire(error))):
        assert type(copy) is kind
        assert (copy.message, copy.details, str(copy)) == (
            "what was wrong",
            {"symbol": "AAPL", "related_orders": ["a", "b"]},
            "what was wrong",
        )


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = [line for line in (errors.__doc__ or "").splitlines() if "── " in line]

    assert {line.split("── ")[1].split()[0] for line in drawn} == set(CLASSES) - {"TradeplaneError"}
    for line in drawn:
        name = line.split("── ")[1].split()[0]
        depth = line.index("── ") // 4
        assert len(CLASSES[name].__mro__) - len(TradeplaneError.__mro__) == depth + 1


def test_an_unknown_error_of_a_newer_version_is_still_an_error() -> None:
    assert isinstance(from_wire(("InventedLater", "text", {})), errors.ServiceFailed)
