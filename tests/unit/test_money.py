import decimal
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradeplane.errors import InvalidRequest
from tradeplane.money import AMOUNT_MAX, EXACT, parse_amount, plain


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("10", "10"),
        ("10.5", "10.5"),
        (3, "3"),
        (Decimal("0.0001"), "0.0001"),
        ("1.50000", "1.50000"),
    ],
)
def test_an_amount_is_read_exactly(value, expected):
    assert str(parse_amount("qty", value, 4)) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "qty is required"),
        ("", "qty must be a decimal number, such as 10 or 10.5"),
        ("ten", "qty must be a decimal number, such as 10 or 10.5"),
        ("1e5", "qty must be a decimal number, such as 10 or 10.5"),
        ("NaN", "qty must be a decimal number, such as 10 or 10.5"),
        ("Infinity", "qty must be a decimal number, such as 10 or 10.5"),
        ("1.2.3", "qty must be a decimal number, such as 10 or 10.5"),
        ("٣", "qty must be a decimal number, such as 10 or 10.5"),
        ("1" * 41, "qty must be a decimal number, such as 10 or 10.5"),
        ("0", "qty must be > 0"),
        ("-1", "qty must be > 0"),
        (-2, "qty must be > 0"),
        ("1000000000001", "qty must be <= 1000000000000"),
        ("0.00001", "qty must have at most 4 decimal places"),
    ],
)
def test_a_bad_amount_is_refused_with_the_reason(value, message):
    with pytest.raises(InvalidRequest) as refused:
        parse_amount("qty", value, 4)

    assert refused.value.message == message


def test_the_largest_amount_is_accepted():
    assert parse_amount("cash", "1000000000000", 2) == AMOUNT_MAX


def test_an_inexact_result_raises_instead_of_drifting():
    with pytest.raises(decimal.Inexact):
        EXACT.divide(Decimal(1), Decimal(3))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("100", "100"),
        ("1E+2", "100"),
        ("0.50", "0.5"),
        ("0E-9", "0"),
        ("10.000", "10"),
        ("-2.5", "-2.5"),
    ],
)
def test_plain_has_no_exponent_and_no_trailing_zeros(value, expected):
    assert plain(Decimal(value)) == expected


@settings(max_examples=200, deadline=None)
@given(st.decimals(min_value=0, max_value=10**12, places=9))
def test_plain_loses_nothing(amount):
    assert Decimal(plain(amount)) == amount
