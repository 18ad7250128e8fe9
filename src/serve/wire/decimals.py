"""Decimals on the wire: strings in trading bodies, JSON numbers in market-data bodies."""

from __future__ import annotations

from typing import Annotated

import msgspec

DecimalText = Annotated[
    str, msgspec.Meta(description="A plain decimal number.", examples=["100", "0.5"])
]
"""An amount in a trading body: a string, so that no client rounds it."""

Timestamp = Annotated[str, msgspec.Meta(extra_json_schema={"format": "date-time"})]
"""An instant, RFC 3339 with up to nine decimals of the second."""

Uuid = Annotated[str, msgspec.Meta(extra_json_schema={"format": "uuid"})]

encode = msgspec.json.Encoder().encode
"""Encodes trading bodies; they hold strings only."""

encode_numbers = msgspec.json.Encoder(decimal_format="number").encode
"""Encodes market-data bodies: a Decimal becomes a JSON number with exactly its digits."""
