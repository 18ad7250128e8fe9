"""``/v1/transit/encrypt`` and its like: work with keys, one item or a batch, as Vault has it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from serve.exchange import Exchange, Reply
from serve.operation import Answer, Handler, Operation, text_parameter
from serve.routes.transit_keys import asker, origin, with_existing_key
from serve.vault_error import ROOT, VaultErrors
from serve.wire.transit_body import Answered, answer
from serve.wire.transit_request import Item, Work, decoded, encoded, transit_body
from tradeplane.audit.entry import AuditEntry
from tradeplane.clock import Clock
from tradeplane.encryption.service import Decrypt, Encrypt, EncryptionService, Rewrap, Sign, Verify
from tradeplane.encryption.signature_form import DEFAULT_HASH, HASHES, SignatureForm, hash_name
from tradeplane.errors import InvalidRequest, RequestRefused
from tradeplane.ports import AuditSink

T = TypeVar("T")
RANDOM_BYTES_MAX = 16_384
_SOURCES = ("platform", "seal", "all")


class TransitWorkRoutes:
    """The operations that use keys. Each use is told to the audit sink, once a request.

    Args:
        encryption: the keys.
        pseudonym: returns what stands for a client's address in records.
        clock: wall time, for the records.
        audit_sink: takes the records; None for nobody.
    """

    def __init__(
        self,
        encryption: EncryptionService,
        pseudonym: Callable[[str], str],
        clock: Clock,
        audit_sink: AuditSink | None = None,
    ) -> None:
        self._encryption = encryption
        self._pseudonym = pseudonym
        self._clock = clock
        self._audit_sink = audit_sink

    async def encrypt(self, exchange: Exchange) -> Reply:
        """Encrypt."""
        work = await transit_body(exchange, Work)

        def read(item: Item) -> Encrypt:
            return Encrypt(decoded("plaintext", item.plaintext), _bound(item), item.key_version)

        return await self._batch(exchange, work, "encrypt", read, self._encryption.encrypt, _sealed)

    async def decrypt(self, exchange: Exchange) -> Reply:
        """Decrypt."""
        work = await transit_body(exchange, Work)

        def read(item: Item) -> Decrypt:
            return Decrypt(_ciphertext(item), _bound(item))

        def shown(plaintext: bytes) -> dict[str, Any]:
            return {"plaintext": encoded(plaintext)}

        return await self._batch(exchange, work, "decrypt", read, self._encryption.decrypt, shown)

    async def rewrap(self, exchange: Exchange) -> Reply:
        """Encrypt again under the latest version, without showing the plaintext."""
        work = await transit_body(exchange, Work)

        def read(item: Item) -> Rewrap:
            return Rewrap(_ciphertext(item), _bound(item), item.key_version)

        return await self._batch(exchange, work, "rewrap", read, self._encryption.rewrap, _sealed)

    async def data_key(self, exchange: Exchange) -> Reply:
        """Make a key for use elsewhere, encrypted, and in the clear if the path says so."""
        work = await transit_body(exchange, Work)
        shown = exchange.params["type"]
        if shown not in {"plaintext", "wrapped"}:
            raise InvalidRequest("the path must have datakey/plaintext or datakey/wrapped")
        work.refuse_unsupported()
        name, tenant_id = exchange.params["name"], asker(exchange).tenant_id
        made = await self._encryption.data_key(tenant_id, name, work.bits, _bound(work))
        self._record(exchange, "data_key", 1, 0)
        data = _sealed(made.ciphertext)
        if shown == "plaintext":
            data["plaintext"] = encoded(made.plaintext)
        return answer(exchange, data)

    async def sign(self, exchange: Exchange) -> Reply:
        """Sign."""
        work = await transit_body(exchange, Work)
        form = _form(work, exchange)

        async def do(tenant_id: str, name: str, items: Sequence[Sign]) -> Sequence[Any]:
            return await self._encryption.sign(tenant_id, name, items, form)

        return await self._batch(exchange, work, "sign", _signing, do, _signed("signature"))

    async def verify(self, exchange: Exchange) -> Reply:
        """Verify signatures, or HMACs."""
        work = await transit_body(exchange, Work)
        items = work.items()
        with_hmac = any(item.hmac is not None for item in items)
        if with_hmac and any(item.signature is not None for item in items):
            raise InvalidRequest("give signatures or HMACs, not both")
        form = _form(work, exchange)

        async def do(tenant_id: str, name: str, items: Sequence[Verify]) -> Sequence[Any]:
            if with_hmac:
                return await self._encryption.verify_hmac(
                    tenant_id, name, items, form.hash_algorithm
                )
            return await self._encryption.verify(tenant_id, name, items, form)

        def read(item: Item) -> Verify:
            given = item.hmac if with_hmac else item.signature
            if given is None:
                raise InvalidRequest("missing signature or hmac")
            return Verify(decoded("input", item.input), given)

        return await self._batch(exchange, work, "verify", read, do, lambda valid: {"valid": valid})

    async def hmac(self, exchange: Exchange) -> Reply:
        """Make HMACs."""
        work = await transit_body(exchange, Work)
        algorithm = hash_name(exchange.params.get("algorithm") or work.algorithm or DEFAULT_HASH)

        async def do(tenant_id: str, name: str, items: Sequence[Sign]) -> Sequence[Any]:
            return await self._encryption.hmac(tenant_id, name, items, algorithm)

        return await self._batch(exchange, work, "hmac", _signing, do, lambda made: {"hmac": made})

    async def random(self, exchange: Exchange) -> Reply:
        """Return random bytes."""
        work = await transit_body(exchange, Work)
        if exchange.params.get("source", "platform") not in _SOURCES:
            raise InvalidRequest(f"the source must be one of {', '.join(_SOURCES)}")
        asked = exchange.params.get("bytes")
        if asked is not None and not (asked.isascii() and asked.isdigit() and len(asked) <= 6):
            raise InvalidRequest("the number of bytes must be a number")
        count = work.bytes if asked is None else int(asked)
        if not 1 <= count <= RANDOM_BYTES_MAX:
            raise InvalidRequest(f"bytes must be from 1 to {RANDOM_BYTES_MAX}")
        data = self._encryption.random(count)
        return answer(exchange, {"random_bytes": _in_format(data, work.format or "base64")})

    async def hash(self, exchange: Exchange) -> Reply:
        """Return a digest."""
        work = await transit_body(exchange, Work)
        algorithm = hash_name(exchange.params.get("algorithm") or work.algorithm or DEFAULT_HASH)
        digest = hashlib.new(HASHES[algorithm], decoded("input", work.input)).digest()
        return answer(exchange, {"sum": _in_format(digest, work.format or "hex")})

    async def _batch(  # noqa: PLR0913, PLR0917  # the steps of the work
        self,
        exchange: Exchange,
        work: Work,
        action: str,
        read: Callable[[Item], Any],
        do: Callable[[str, str, Sequence[Any]], Awaitable[Sequence[Any]]],
        show: Callable[[Any], dict[str, Any]],
    ) -> Reply:
        items = work.items()
        readied: list[Any] = []
        for item in items:
            try:
                item.refuse_unsupported()
                readied.append(read(item))
            except InvalidRequest as refusal:
                readied.append(refusal)
        good = [each for each in readied if not isinstance(each, InvalidRequest)]
        done = iter(await do(asker(exchange).tenant_id, exchange.params["name"], good))
        answers = [each if isinstance(each, InvalidRequest) else next(done) for each in readied]
        failed = sum(isinstance(each, RequestRefused) for each in answers)
        self._record(exchange, action, len(answers), failed)
        if work.batch_input is None:
            if isinstance(answers[0], RequestRefused):
                raise answers[0]
            return answer(exchange, show(answers[0]))
        results = [_result(item, each, show) for item, each in zip(items, answers, strict=True)]
        status = 200
        if failed:
            status = 400 if failed == len(answers) else work.partial_failure_response_code
        return answer(exchange, {"batch_results": results}, status)

    def _record(self, exchange: Exchange, action: str, count: int, failed: int) -> None:
        if self._audit_sink is None:
            return
        self._audit_sink.observe(
            AuditEntry(
                action=f"encryption.{action}",
                outcome="failure" if failed else "success",
                at_ns=self._clock.wall_ns(),
                by=origin(exchange, self._pseudonym, ""),
                tenant_id=asker(exchange).tenant_id,
                target_kind="encryption_key",
                target_id=exchange.params["name"],
                details={"items": str(count), "failed": str(failed)},
            )
        )

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        return tuple(
            _operation(path, handler, name)
            for path, handler, name in (
                ("/encrypt/{name}", self.encrypt, "Encrypt"),
                ("/decrypt/{name}", self.decrypt, "Decrypt"),
                ("/rewrap/{name}", self.rewrap, "Rewrap"),
                ("/datakey/{type}/{name}", self.data_key, "DataKey"),
                ("/sign/{name}", self.sign, "Sign"),
                ("/sign/{name}/{algorithm}", self.sign, "SignWith"),
                ("/verify/{name}", self.verify, "Verify"),
                ("/verify/{name}/{algorithm}", self.verify, "VerifyWith"),
                ("/hmac/{name}", self.hmac, "Hmac"),
                ("/hmac/{name}/{algorithm}", self.hmac, "HmacWith"),
                ("/random", self.random, "Random"),
                ("/random/{bytes}", self.random, "RandomOf"),
                ("/random/{source}/{bytes}", self.random, "RandomFrom"),
                ("/hash", self.hash, "Hash"),
                ("/hash/{algorithm}", self.hash, "HashWith"),
            )
        )


def _operation(path: str, handler: Handler, name: str) -> Operation:
    parameters = tuple(
        text_parameter(part[1:-1], f"The {part[1:-1]}.", place="path")
        for part in path.split("/")
        if part.startswith("{")
    )
    return Operation(
        "POST",
        f"{ROOT}{path}",
        with_existing_key(handler),
        f"transit{name}",
        (handler.__doc__ or "").rstrip("."),
        "encryption",
        (Answer(200, "The result, or one for each item of the batch.", Answered),),
        errors=(400, 413),
        parameters=parameters,
        body=Work,
        error_body=VaultErrors,
        action="encryption:use",
    )


def _bound(item: Item) -> bytes:
    return decoded("associated_data", item.associated_data, required=False)


def _ciphertext(item: Item) -> str:
    if item.ciphertext is None:
        raise InvalidRequest("missing ciphertext")
    return item.ciphertext


def _signing(item: Item) -> Sign:
    return Sign(decoded("input", item.input), item.key_version)


def _sealed(ciphertext: str) -> dict[str, Any]:
    return {"ciphertext": ciphertext, "key_version": _version_of(ciphertext)}


def _signed(field: str) -> Callable[[str], dict[str, Any]]:
    def show(made: str) -> dict[str, Any]:
        return {field: made, "key_version": _version_of(made)}

    return show


def _version_of(written: str) -> int:
    return int(written.split(":", 2)[1][1:])


def _result(item: Item, found: Any, show: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    result = {"error": found.message} if isinstance(found, RequestRefused) else show(found)
    if item.reference is not None:
        result["reference"] = item.reference
    return result


def _form(work: Work, exchange: Exchange) -> SignatureForm:
    asked = exchange.params.get("algorithm") or work.hash_algorithm or work.algorithm
    return SignatureForm(
        asked or DEFAULT_HASH,
        work.prehashed,
        work.signature_algorithm or "pss",
        work.marshaling_algorithm or "asn1",
        work.salt_length or "auto",
    )


def _in_format(data: bytes, form: str) -> str:
    if form not in {"hex", "base64"}:
        raise InvalidRequest("format must be hex or base64")
    return data.hex() if form == "hex" else encoded(data)
