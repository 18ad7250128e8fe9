"""``/audit``: the checkpoints, tiles, entries and proofs of the audit log."""

from __future__ import annotations

from typing import Any

import msgspec

from serve.exchange import Exchange, Reply
from serve.operation import (
    Answer,
    Operation,
    Parameter,
    choice_parameter,
    instant_parameter,
    integer_parameter,
    text_parameter,
)
from serve.query import Query, uuid_of
from serve.wire.decimals import encode
from tradeplane.audit.search import AuditSearch
from tradeplane.auth.principal import HOME_TENANT, Principal
from tradeplane.errors import InvalidRequest, NotFound
from tradeplane.ports import AuditReader

_TAG = "audit"
_TEXT = b"text/plain; charset=utf-8"
_BYTES = b"application/octet-stream"
_LIMIT_MAX = 200
_LIMIT_DEFAULT = 50
_INDEX_MAX = 2**63 - 1
_TEXT_MAX = 256
_OUTCOMES = ("", "success", "failure")
_OWN_ONLY = frozenset({"trader", "researcher"})
_FOREVER = ((b"cache-control", b"private, max-age=31536000, immutable"),)
_SEGMENTS = ("one", "two", "three", "four")


class LogEntry(msgspec.Struct, frozen=True):
    """One entry.

    Attributes:
        index: its place in the log, from 0.
        record: the OCSF document. Its canonical JSON is what the log holds: this very text.
    """

    index: int
    record: msgspec.Raw


class LogEntriesBody(msgspec.Struct, frozen=True):
    """One page of entries, newest first.

    Attributes:
        size: the size of the log that they are of.
        next_page_token: what to ask the next page with, or null.
    """

    size: int
    entries: list[LogEntry]
    next_page_token: str | None


class _EntrySchema(msgspec.Struct, frozen=True):
    index: int
    record: dict[str, Any]


class _EntriesSchema(msgspec.Struct, frozen=True):
    size: int
    entries: list[_EntrySchema]
    next_page_token: str | None


class AuditRoutes:
    """The operations on the published audit log.

    Hashes give nothing away and every firm shares one tree; records are shown to their own firm
    alone, and whole bundles of them to the installation's own auditors.

    Args:
        audit: the published log.
    """

    def __init__(self, audit: AuditReader) -> None:
        self._audit = audit

    async def checkpoint(self, exchange: Exchange) -> Reply:
        """Return the newest signed checkpoint."""
        del exchange
        return Reply(200, await self._audit.checkpoint(), media_type=_TEXT)

    async def key(self, exchange: Exchange) -> Reply:
        """Return the log's public key."""
        del exchange
        return Reply(200, f"{await self._audit.vkey()}\n".encode(), media_type=_TEXT)

    async def tile(self, exchange: Exchange) -> Reply:
        """Return one tile, or one bundle of entries."""
        level = exchange.params["level"]
        if level == "entries" and _principal(exchange).tenant_id != HOME_TENANT:
            raise NotFound("there is no such tile")
        rest = [exchange.params[name] for name in _SEGMENTS if name in exchange.params]
        tile = await self._audit.tile("/".join(["tile", level, *rest]))
        return Reply(200, tile, media_type=_BYTES, headers=_FOREVER)

    async def entries(self, exchange: Exchange) -> Reply:
        """Return one page of the caller's firm's entries."""
        query = Query(exchange.query)
        search = AuditSearch(
            tenant_id=_principal(exchange).tenant_id,
            before=_index(query.text("page_token")),
            limit=query.integer("limit", 1, _LIMIT_MAX, _LIMIT_DEFAULT),
            action=_short(query, "action"),
            outcome=query.choice("outcome", _OUTCOMES, ""),
            target_id=_short(query, "target_id"),
            account_id=_short(query, "account_id"),
            since_ns=query.instant("after"),
            until_ns=query.instant("until"),
        )
        found = await self._audit.entries(search)
        following = None if found.next_before is None else str(found.next_before)
        entries = [LogEntry(index, msgspec.Raw(document)) for index, document in found.entries]
        return Reply(200, encode(LogEntriesBody(found.size, entries, following)))

    async def proof(self, exchange: Exchange) -> Reply:
        """Return the proof that an order's acceptance is in the log."""
        order_id = uuid_of("order_id", exchange.params["order_id"])
        principal = _principal(exchange)
        own = principal.account_id if principal.role in _OWN_ONLY else None
        proof = await self._audit.order_proof(order_id, principal.tenant_id, own)
        return Reply(200, proof, media_type=_TEXT)

    def operations(self) -> tuple[Operation, ...]:
        """Return the rows of the route table."""
        return (
            Operation(
                "GET",
                "/audit/checkpoint",
                self.checkpoint,
                "getAuditCheckpoint",
                "The newest signed checkpoint of the audit log (C2SP tlog-checkpoint)",
                _TAG,
                (Answer(200, "A signed note.", str, "text/plain"),),
                action="audit:prove",
            ),
            Operation(
                "GET",
                "/audit/key",
                self.key,
                "getAuditKey",
                "The public key of the audit log (C2SP signed-note verifier key)",
                _TAG,
                (Answer(200, "Compare it with your own copy.", str, "text/plain"),),
                action="audit:prove",
            ),
            *(self._tile_operation(count) for count in range(1, len(_SEGMENTS) + 1)),
            Operation(
                "GET",
                "/audit/entries",
                self.entries,
                "listAuditEntries",
                "Audit entries of the caller's firm, newest first",
                _TAG,
                (Answer(200, "A page; it may be short and have a next one.", _EntriesSchema),),
                errors=(422,),
                parameters=_ENTRY_PARAMETERS,
                action="audit:read",
            ),
            Operation(
                "GET",
                "/audit/proof/{order_id}",
                self.proof,
                "getAuditProof",
                "Proof that an order's acceptance is in the audit log (C2SP tlog-proof)",
                _TAG,
                (Answer(200, "A file that is checked offline.", str, "text/plain"),),
                errors=(404, 422),
                parameters=(text_parameter("order_id", "The order's UUID.", place="path"),),
                action="audit:prove",
            ),
        )

    def _tile_operation(self, count: int) -> Operation:
        names = _SEGMENTS[:count]
        path = "/".join(f"{{{name}}}" for name in names)
        suffix = "" if count == 1 else str(count)
        return Operation(
            "GET",
            f"/audit/tile/{{level}}/{path}",
            self.tile,
            f"getAuditTile{suffix}",
            "A tile of the audit log (C2SP tlog-tiles)",
            _TAG,
            (Answer(200, "Hashes, or a bundle of entries.", bytes, "application/octet-stream"),),
            errors=(404,),
            parameters=(
                text_parameter("level", "The tile's level, or ``entries``.", place="path"),
                *(text_parameter(name, "A part of the number.", place="path") for name in names),
            ),
            action="audit:verify",
        )


_ENTRY_PARAMETERS: tuple[Parameter, ...] = (
    integer_parameter("limit", 1, _LIMIT_MAX, _LIMIT_DEFAULT, "How many at most."),
    text_parameter("page_token", "The page to continue with."),
    text_parameter("action", "Only this action, such as ``order.accepted``."),
    choice_parameter("outcome", _OUTCOMES[1:], "Only this outcome."),
    text_parameter("target_id", "Only what was done to this order, user, key or other thing."),
    text_parameter("account_id", "Only what concerns this trading account."),
    instant_parameter("after", "Only what happened at this time or later"),
    instant_parameter("until", "Only what happened before this"),
)


def _principal(exchange: Exchange) -> Principal:
    assert exchange.principal is not None, "no operation on the audit log is public"
    return exchange.principal


def _index(token: str | None) -> int:
    if token is None:
        return _INDEX_MAX
    if not (token.isascii() and token.isdigit() and len(token) <= 19 and int(token) <= _INDEX_MAX):
        raise InvalidRequest("page_token must be a next_page_token of an earlier page")
    return int(token)


def _short(query: Query, name: str) -> str:
    text = query.text(name) or ""
    if len(text) > _TEXT_MAX or not text.isprintable():
        raise InvalidRequest(f"{name} must be at most {_TEXT_MAX} printable characters")
    return text
