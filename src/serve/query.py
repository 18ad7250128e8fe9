"""Query parameters, typed; every refusal names the parameter."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from serve.wire.timestamps import parse_date, parse_instant
from tradeplane.errors import InvalidRequest
from tradeplane.money import parse_amount

SYMBOLS_MAX = 500
_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9./-]{0,31}")
_FLAGS = {"true": True, "false": False, "1": True, "0": False}
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


class Query:
    """Reads parameters of one request. An empty one counts as absent.

    Every method may raise InvalidRequest.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values

    def text(self, name: str) -> str | None:
        """Return the text of *name*, or None."""
        return self._values.get(name) or None

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        """Return the value of *name*, which must be one of *choices*."""
        value = self.text(name)
        if value is None:
            return default
        if value not in choices:
            raise InvalidRequest(f"{name} must be one of {', '.join(choices)}")
        return value

    def integer(self, name: str, lowest: int, highest: int, default: int) -> int:
        """Return the whole number *name*."""
        value = self.text(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            raise InvalidRequest(f"{name} must be a whole number from {lowest} to {highest}")
        number = int(value)
        if not lowest <= number <= highest:
            raise InvalidRequest(f"{name} must be from {lowest} to {highest}, not {number}")
        return number

    def flag(self, name: str) -> bool:
        """Return whether *name* is true; False when absent."""
        value = self.text(name)
        if value is None:
            return False
        flag = _FLAGS.get(value.lower())
        if flag is None:
            raise InvalidRequest(f"{name} must be true or false")
        return flag

    def instant(self, name: str) -> int | None:
        """Return the instant *name*, nanoseconds since the Unix epoch, or None."""
        value = self.text(name)
        return None if value is None else parse_instant(name, value)

    def date(self, name: str) -> str | None:
        """Return the date *name* as ``YYYY-MM-DD``, or None. A time after it is cut off."""
        value = self.text(name)
        return None if value is None else parse_date(name, value)

    def amount(self, name: str, decimals_max: int) -> Decimal | None:
        """Return the positive number *name*, exact, or None."""
        value = self.text(name)
        return None if value is None else parse_amount(name, value, decimals_max)

    def symbols(self, name: str) -> tuple[str, ...]:
        """Return the comma-separated symbols of *name*, each once; none when absent."""
        value = self.text(name)
        if value is None:
            return ()
        symbols = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
        if len(symbols) > SYMBOLS_MAX:
            raise InvalidRequest(f"{name} must name at most {SYMBOLS_MAX} symbols")
        if not all(_SYMBOL.fullmatch(symbol) for symbol in symbols):
            raise InvalidRequest(f"{name} must be symbols with commas between, such as AAPL,IBM")
        return symbols

    def refuse(self, name: str, reason: str) -> None:
        """Refuse the request when *name* is given, because ignoring it would answer wrongly."""
        if self.text(name) is not None:
            raise InvalidRequest(f"{name} is not supported: {reason}")


def uuid_of(name: str, text: str) -> str:
    """Return *text* in lower case; it must be a UUID.

    Raises:
        InvalidRequest: it is none.
    """
    if _UUID.fullmatch(text) is None:
        raise InvalidRequest(f"{name} must be a UUID")
    return text.lower()
