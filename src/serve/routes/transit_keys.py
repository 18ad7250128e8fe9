"""``/v1/transit/keys``: named keys, as Vault's clients manage them."""

from __future__ import annotations

from collections.abc import Callable

from serve.exchange import Exchange, Reply
from serve.operation import Answer, Handler, Operation, text_parameter
from serve.vault_error import ROOT, VaultErrors
from serve.wire.transit_body import Answered, answer, key_body
from serve.wire.transit_request import (
    KeyConfiguration,
    KeyCreation,
    KeyTrimming,
    refuse,
    transit_body,
)
from tradeplane.auth.decision import REASON_MAX
from tradeplane.auth.principal import Origin, Principal
from tradeplane.encryption.kinds import DEFAULT_KIND, kind_of
from tradeplane.encryption.service import Configuration, EncryptionService
from tradeplane.errors import InvalidRequest, NotFound

_BY_VAULT = "by a client of the Vault Transit API"
_NAME = text_parameter("name", "The key's name, unique in the firm.", place="path")
_TAG = "encryption"
_DONE = (Answer(204, "Done."),)

UNSUPPORTED: tuple[tuple[str, str, str, str], ...] = (
    ("GET", "/export/{type}/{name}", "exportKey", "a key never leaves this service; export is off"),
    (
        "GET",
        "/export/{type}/{name}/{version}",
        "exportKeyVersion",
        "a key never leaves this service; export is off",
    ),
    ("GET", "/backup/{name}", "backupKey", "back up the database and the root key instead"),
    ("POST", "/restore", "restoreKey", "restore the database and the root key instead"),
    ("POST", "/restore/{name}", "restoreKeyAs", "restore the database and the root key instead"),
    ("POST", "/keys/{name}/import", "importKey", "keys are made here and are not imported"),
    (
        "POST",
        "/keys/{name}/import_version",
        "importKeyVersion",
        "keys are made here and are not imported",
    ),
    ("GET", "/wrapping_key", "getWrappingKey", "keys are made here and are not imported"),
    ("POST", "/cache-config", "setCacheConfig", "the cache needs no configuration"),
    ("GET", "/cache-config", "getCacheConfig", "the cache needs no configuration"),
    ("POST", "/config/keys", "configureAllKeys", "there is no configuration of all keys"),
    ("GET", "/config/keys", "getKeysConfig", "there is no configuration of all keys"),
)
"""What Vault has and this service has not: method, path, name, and the reason in the answer."""


def origin(exchange: Exchange, pseudonym: Callable[[str], str], reason: str = _BY_VAULT) -> Origin:
    """Return who asks, from where, and why.

    Vault's clients send no reason, so that of the header is optional here.

    Raises:
        InvalidRequest: the header is there, and too long or not printable.
    """
    principal = asker(exchange)
    said = exchange.headers.get(b"x-tradeplane-reason")
    if said is not None:
        reason = said.decode("utf-8", "replace").strip()
        if not 1 <= len(reason) <= REASON_MAX or not reason.isprintable():
            raise InvalidRequest(
                f"X-Tradeplane-Reason must have 1 to {REASON_MAX} printable characters"
            )
    return Origin(
        principal.kind,
        principal.subject_id or principal.key_id,
        principal.tenant_id,
        exchange.request_id.decode(),
        pseudonym(exchange.address),
        reason,
    )


def with_existing_key(handler: Handler) -> Handler:
    """Return *handler* with Vault's status for the use of a key that there is not, which is 400."""

    async def handled(exchange: Exchange) -> Reply:
        try:
            return await handler(exchange)
        except NotFound as error:
            raise InvalidRequest(error.message) from error

    return handled


def asker(exchange: Exchange) -> Principal:
    """Return who asks."""
    assert exchange.principal is not None, "no operation here is public"
    return exchange.principal


class TransitKeyRoutes:
    """The operations on keys.

    Args:
        encryption: the keys.
        pseudonym: returns what stands for a client's address in records.
    """

    def __init__(self, encryption: EncryptionService, pseudonym: Callable[[str], str]) -> None:
        self._encryption = encryption
        self._pseudonym = pseudonym

    async def create(self, exchange: Exchange) -> Reply:
        """Make a key; one of the same type stays as it is."""
        wanted = await transit_body(exchange, KeyCreation)
        wanted.refuse_unsupported()
        kind = kind_of(wanted.type or DEFAULT_KIND)
        await self._encryption.generate_key(
            asker(exchange).tenant_id,
            exchange.params["name"],
            kind,
            origin(exchange, self._pseudonym),
            exportable=bool(wanted.exportable),
        )
        return Reply(204)

    async def read(self, exchange: Exchange) -> Reply:
        """Return what is known of a key."""
        name = exchange.params["name"]
        ring = await self._encryption.key(asker(exchange).tenant_id, name)
        return answer(exchange, key_body(name, ring))

    async def list_with_get(self, exchange: Exchange) -> Reply:
        """Return the names of all keys, when the query says ``list=true``."""
        if exchange.query.get("list") != "true":
            raise InvalidRequest("use the method LIST, or GET with list=true")
        return await self.list_all(exchange)

    async def list_all(self, exchange: Exchange) -> Reply:
        """Return the names of all keys."""
        names = self._encryption.key_names(asker(exchange).tenant_id)
        if not names:
            raise NotFound("there are no keys")
        return answer(exchange, {"keys": names})

    async def configure(self, exchange: Exchange) -> Reply:
        """Change what may be done with a key."""
        wanted = await transit_body(exchange, KeyConfiguration)
        wanted.refuse_unsupported()
        await self._encryption.configure_key(
            asker(exchange).tenant_id,
            exchange.params["name"],
            Configuration(
                wanted.min_decryption_version,
                wanted.min_encryption_version,
                wanted.deletion_allowed,
                wanted.exportable,
            ),
            origin(exchange, self._pseudonym),
        )
        return Reply(204)

    async def rotate(self, exchange: Exchange) -> Reply:
        """Add a version; it encrypts when this returns."""
        refuse(**await transit_body(exchange, dict))
        await self._encryption.rotate_key(
            asker(exchange).tenant_id, exchange.params["name"], origin(exchange, self._pseudonym)
        )
        return Reply(204)

    async def trim(self, exchange: Exchange) -> Reply:
        """Destroy old versions."""
        wanted = await transit_body(exchange, KeyTrimming)
        if wanted.min_available_version is None:
            raise InvalidRequest("missing min_available_version")
        await self._encryption.trim_key(
            asker(exchange).tenant_id,
            exchange.params["name"],
            wanted.min_available_version,
            origin(exchange, self._pseudonym),
        )
        return Reply(204)

    async def delete(self, exchange: Exchange) -> Reply:
        """Destroy a key."""
        await self._encryption.delete_key(
            asker(exchange).tenant_id, exchange.params["name"], origin(exchange, self._pseudonym)
        )
        return Reply(204)

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        key, keys = f"{ROOT}/keys/{{name}}", f"{ROOT}/keys"
        listed = (Answer(200, "The names.", Answered),)
        found = (Answer(200, "The key, without its secrets.", Answered),)
        list_flag = text_parameter("list", "true, or the answer is a refusal", required=True)
        return (
            _operation(
                "GET", keys, self.list_with_get, "listKeys", listed, (list_flag,), (400, 404)
            ),
            _operation("LIST", keys, self.list_all, "listKeysByMethod", listed, (), (404,)),
            _operation("POST", key, self.create, "createKey", _DONE, body=KeyCreation),
            _operation("PUT", key, self.create, "putKey", _DONE, body=KeyCreation),
            _operation("GET", key, self.read, "getKey", found, errors=(404,)),
            _operation("DELETE", key, self.delete, "deleteKey", _DONE, errors=(400,)),
            _operation(
                "POST", f"{key}/config", self.configure, "configKey", _DONE, body=KeyConfiguration
            ),
            _operation("POST", f"{key}/rotate", self.rotate, "rotateKey", _DONE, errors=(400,)),
            _operation("POST", f"{key}/trim", self.trim, "trimKey", _DONE, body=KeyTrimming),
            *(_refusal(*row) for row in UNSUPPORTED),
        )


def _operation(  # noqa: PLR0913, PLR0917  # the columns of a row
    method: str,
    path: str,
    handler: Handler,
    name: str,
    answers: tuple[Answer, ...],
    parameters: tuple = (),  # type: ignore[type-arg]  # of Parameter
    errors: tuple[int, ...] = (400, 413),
    body: object = None,
) -> Operation:
    named = (_NAME,) if "{name}" in path else ()
    return Operation(
        method,
        path,
        handler if method in {"GET", "LIST"} else with_existing_key(handler),
        f"transit{name[0].upper()}{name[1:]}",
        (handler.__doc__ or "").partition(";")[0].rstrip("."),
        _TAG,
        answers,
        errors=errors,
        parameters=(*named, *parameters),
        body=body,
        error_body=VaultErrors,
        action="encryption:manage",
    )


def _refusal(method: str, path: str, name: str, reason: str) -> Operation:
    async def refused(exchange: Exchange) -> Reply:
        del exchange
        raise InvalidRequest(f"not supported: {reason}")

    parameters = tuple(
        text_parameter(part[1:-1], "Not used.", place="path")
        for part in path.split("/")
        if part.startswith("{")
    )
    return Operation(
        method,
        f"{ROOT}{path}",
        refused,
        f"transit{name[0].upper()}{name[1:]}",
        f"Not supported: {reason}",
        _TAG,
        (),
        errors=(400,),
        parameters=parameters,
        error_body=VaultErrors,
        action="encryption:manage",
    )
