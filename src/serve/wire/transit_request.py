"""Request bodies under ``/v1/transit``, in Vault's words.

As in Vault, a field that is not known is ignored, and a number may be a text. What is known and
not supported is refused when it asks for something, because ignoring it would answer wrongly.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from serve.exchange import Exchange
from tradeplane.errors import InvalidRequest, MalformedBody

T = TypeVar("T")
BATCH_MAX = 1_000
"""Items in one batch."""

# Wider than any of them needs, and no wider than what the actors' messages can hold.
_Whole = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]


class KeyCreation(msgspec.Struct, frozen=True):
    """The body of ``POST keys/:name``."""

    type: str | None = None
    exportable: bool | None = None
    derived: bool | None = None
    convergent_encryption: bool | None = None
    allow_plaintext_backup: bool | None = None
    auto_rotate_period: Any = None
    key_size: _Whole | None = None

    def refuse_unsupported(self) -> None:
        """Refuse what this service does not do.

        Raises:
            InvalidRequest: names it.
        """
        refuse(derived=self.derived, convergent_encryption=self.convergent_encryption)
        refuse(allow_plaintext_backup=self.allow_plaintext_backup, key_size=self.key_size)
        _refuse_period(self.auto_rotate_period)


class KeyConfiguration(msgspec.Struct, frozen=True):
    """The body of ``POST keys/:name/config``."""

    min_decryption_version: _Whole | None = None
    min_encryption_version: _Whole | None = None
    deletion_allowed: bool | None = None
    exportable: bool | None = None
    allow_plaintext_backup: bool | None = None
    auto_rotate_period: Any = None

    def refuse_unsupported(self) -> None:
        """Refuse what this service does not do.

        Raises:
            InvalidRequest: names it.
        """
        refuse(allow_plaintext_backup=self.allow_plaintext_backup)
        _refuse_period(self.auto_rotate_period)


class KeyTrimming(msgspec.Struct, frozen=True):
    """The body of ``POST keys/:name/trim``."""

    min_available_version: _Whole | None = None


class Item(msgspec.Struct, frozen=True):
    """One piece of work: alone the body, or one of its ``batch_input``.

    Attributes:
        reference: comes back with the item's answer.
    """

    plaintext: str | None = None
    ciphertext: str | None = None
    associated_data: str | None = None
    key_version: _Whole = 0
    input: str | None = None
    signature: str | None = None
    hmac: str | None = None
    reference: str | None = None
    context: str | None = None
    nonce: str | None = None

    def refuse_unsupported(self) -> None:
        """Refuse what this service does not do.

        Raises:
            InvalidRequest: names it.
        """
        refuse(context=self.context, nonce=self.nonce)


class Work(Item, frozen=True):
    """The body of everything that uses a key."""

    batch_input: list[Item] | None = None
    partial_failure_response_code: _Whole = 400
    bits: _Whole = 256
    type: str | None = None
    convergent_encryption: bool | None = None
    padding_scheme: str | None = None
    hash_algorithm: str | None = None
    algorithm: str | None = None
    prehashed: bool = False
    signature_algorithm: str | None = None
    marshaling_algorithm: str | None = None
    salt_length: str | None = None
    bytes: _Whole = 32
    format: str | None = None

    def items(self) -> list[Item]:
        """Return the pieces of work.

        Raises:
            InvalidRequest: there are none, or too many, or something unsupported is asked for.
        """
        refuse(convergent_encryption=self.convergent_encryption)
        if self.padding_scheme not in {None, "", "oaep"}:
            raise InvalidRequest("padding_scheme must be oaep; it is the only one supported")
        if not 200 <= self.partial_failure_response_code <= 499:
            raise InvalidRequest("partial_failure_response_code must be from 200 to 499")
        if self.batch_input is None:
            return [self]
        if not 1 <= len(self.batch_input) <= BATCH_MAX:
            raise InvalidRequest(f"batch_input must have 1 to {BATCH_MAX} items")
        return list(self.batch_input)


async def transit_body(exchange: Exchange, kind: type[T]) -> T:
    """Read the body of *exchange* as a *kind*; nothing is the empty object, as in Vault.

    Raises:
        MalformedBody: it is not a JSON object, or nested too deeply.
        InvalidRequest: a field has another type; the message names it.
        BodyTooLarge: it is larger than the limit.
    """
    body = await exchange.body()
    try:
        found = msgspec.json.decode(body) if body.strip() else {}
        if not isinstance(found, dict):
            raise MalformedBody("request body must be a JSON object")
        given = {name: value for name, value in found.items() if value is not None}
        return msgspec.convert(given, kind, strict=False)
    except RecursionError:
        raise MalformedBody("request body is nested too deeply") from None
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"request body: {str(error)[:300]}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise MalformedBody("request body must be a JSON object") from None


def decoded(name: str, text: str | None, *, required: bool = True) -> bytes:
    """Return the bytes behind base64 in the field *name*.

    Raises:
        InvalidRequest: it is missing or no base64.
    """
    if text is None:
        if required:
            raise InvalidRequest(f"missing {name}")
        return b""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidRequest(f"{name} must be base64") from None


def encoded(data: bytes) -> str:
    """Return *data* in base64."""
    return base64.b64encode(data).decode()


def refuse(**given: object) -> None:
    """Refuse what is given and asks for something.

    Raises:
        InvalidRequest: names it.
    """
    for name, value in given.items():
        if value:
            raise InvalidRequest(f"{name} is not supported; leave it out")


def _refuse_period(period: object) -> None:
    if period not in {None, "", 0, "0", "0s"}:
        raise InvalidRequest("auto_rotate_period is not supported; rotate by a scheduled job")
