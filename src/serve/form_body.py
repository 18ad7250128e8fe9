"""Forms: ``application/x-www-form-urlencoded``, of a body or of a query, within limits."""

from __future__ import annotations

from urllib.parse import parse_qsl

from serve.exchange import Exchange
from tradeplane.errors import InvalidRequest

FORM = b"application/x-www-form-urlencoded"
_FIELDS_MAX = 32
_NAME_MAX = 64
_VALUE_MAX = 4_096
_FORM_BYTES_MAX = 16_384


async def form_body(exchange: Exchange) -> dict[str, str]:
    """Read the body of *exchange* as a form.

    Raises:
        InvalidRequest: it has another content type, or it is no form; see :func:`parse_form`.
        BodyTooLarge: it is larger than the limit of bodies.
    """
    content_type = exchange.headers.get(b"content-type", b"")
    if content_type.partition(b";")[0].strip().lower() != FORM:
        raise InvalidRequest(f"send a form, with content-type {FORM.decode()}")
    return parse_form(await exchange.body())


def parse_form(raw: bytes) -> dict[str, str]:
    """Return the fields of a form. An empty one counts as absent (RFC 6749, section 3.1).

    Raises:
        InvalidRequest: a field is there twice, there are too many, one is too long, or a character
            is none.
    """
    if len(raw) > _FORM_BYTES_MAX:
        raise InvalidRequest(f"a form has at most {_FORM_BYTES_MAX} bytes")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_FIELDS_MAX,
        )
    except ValueError:
        # Decoding errors are ValueErrors too.
        raise InvalidRequest(
            f"a form has at most {_FIELDS_MAX} fields, percent-encoded, in UTF-8"
        ) from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise InvalidRequest(f"the field {name[:_NAME_MAX]!r} is there twice")
        if len(name) > _NAME_MAX or len(value) > _VALUE_MAX:
            raise InvalidRequest(f"a field has at most {_VALUE_MAX} characters")
        fields[name] = value
    return {name: value for name, value in fields.items() if value}
