"""Exact money and quantities: Decimals that never round unless told to.

Prices have at most 4 decimals, quantities at most 9, so a product has at most 13: arithmetic here
is exact, and an inexact result is a programming error that raises instead of drifting.
"""

from __future__ import annotations

import decimal
from decimal import Decimal

from tradeplane.errors import InvalidRequest

EXACT = decimal.Context(
    prec=60,
    traps=[decimal.Inexact, decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
"""The context of all money arithmetic: 60 digits, and an exception where they do not suffice."""

ROUNDING = decimal.Context(prec=60, rounding=decimal.ROUND_HALF_EVEN)
"""For the named places that round: an average for display, the cost of an increased position."""

ZERO = Decimal(0)
QUANTITY_DECIMALS = 9
AMOUNT_MAX = Decimal(10) ** 12
"""Larger quantities, prices or amounts are refused as mistakes."""


def parse_amount(name: str, value: Decimal | str | int | None, decimals_max: int) -> Decimal:
    """Return *value* as a positive Decimal with at most *decimals_max* decimals.

    Raises:
        InvalidRequest: it is missing, no plain decimal number, not above zero, or too large.
    """
    if value is None:
        raise InvalidRequest(f"{name} is required")
    text = str(value)
    if len(text) > 40 or not text.replace(".", "", 1).isascii():
        raise InvalidRequest(f"{name} must be a decimal number, such as 10 or 10.5")
    if not text.replace(".", "", 1).isdigit():
        if text.startswith("-") and text[1:].replace(".", "", 1).isdigit():
            raise InvalidRequest(f"{name} must be > 0")
        raise InvalidRequest(f"{name} must be a decimal number, such as 10 or 10.5")
    amount = Decimal(text)
    if amount <= 0:
        raise InvalidRequest(f"{name} must be > 0")
    if amount > AMOUNT_MAX:
        raise InvalidRequest(f"{name} must be <= {AMOUNT_MAX}")
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > decimals_max:
        stripped = amount.normalize(EXACT).as_tuple().exponent
        if isinstance(stripped, int) and -stripped > decimals_max:
            raise InvalidRequest(f"{name} must have at most {decimals_max} decimal places")
    return amount


def plain(amount: Decimal) -> str:
    """Return *amount* without exponent and without trailing zeros: ``100``, ``0.5``."""
    text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text or "0"
