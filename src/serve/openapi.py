"""The OpenAPI 3.1 document, made from the route table and the types of its bodies."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from serve.credentials import ACCOUNT_HEADER
from serve.error_table import ErrorBody
from serve.operation import Operation, Parameter
from serve.problem import PROBLEM_JSON, ProblemBody, speaks_problems
from serve.wire.order_request import OrderRequest

_REFERENCE = "#/components/schemas/{name}"
# What every operation that needs a key can answer.
# 404 and 422 are the answers to an account that it names, or to a header that is there twice.
_GENERAL_ERRORS = (401, 403, 404, 422, 429, 500, 503)
_ACCOUNT = Parameter(
    ACCOUNT_HEADER,
    {"type": "string", "format": "uuid"},
    "Which of the accounts within a token's reach is meant; by default the user's first.",
    "header",
)
_RETRY_AFTER = {429, 503}
_SECURITY: list[dict[str, list[str]]] = [
    {"keyId": [], "secretKey": []},
    {"basic": []},
    {"bearer": []},
]
_SECURITY_SCHEMES = {
    "keyId": {"type": "apiKey", "in": "header", "name": "APCA-API-KEY-ID"},
    "secretKey": {"type": "apiKey", "in": "header", "name": "APCA-API-SECRET-KEY"},
    "basic": {"type": "http", "scheme": "basic", "description": "key id and secret key"},
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
}


def openapi_document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """Return the document that describes *operations*, complete."""
    types = _types(operations)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    schema_of = dict(zip(map(str, types), schemas, strict=True))
    components["OrderRequest"]["required"] = list(OrderRequest.REQUIRED)
    for errors in ("ErrorBody", "ProblemBody"):
        components[errors]["additionalProperties"] = True
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        if operation.method == "LIST":  # Vault's own method, which OpenAPI has no word for
            continue
        described = _operation(operation, schema_of)
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tradeplane",
            "version": version,
            "description": "A paper-trading venue with Alpaca's API.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": _SECURITY,
        "tags": [{"name": tag} for tag in dict.fromkeys(row.tag for row in operations)],
        "paths": paths,
        "components": {
            "schemas": {name: _numbers(schema) for name, schema in components.items()},
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def _types(operations: Sequence[Operation]) -> list[Any]:
    types: dict[str, Any] = {str(kind): kind for kind in (ErrorBody, ProblemBody)}
    for operation in operations:
        bodies = (operation.body, operation.error_body)
        for kind in (*bodies, *(answer.type for answer in operation.answers)):
            if kind is not None:
                types[str(kind)] = kind
    return list(types.values())


def _operation(operation: Operation, schema_of: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for answer in operation.answers:
        response: dict[str, Any] = {"description": answer.description}
        if answer.type is not None:
            response["content"] = {answer.media_type: {"schema": schema_of[str(answer.type)]}}
        responses[str(answer.status)] = response
    media_type, body = "application/json", str(ErrorBody)
    if speaks_problems(operation.path):
        media_type, body = PROBLEM_JSON.decode(), str(ProblemBody)
    if operation.error_body is not None:
        media_type, body = "application/json", str(operation.error_body)
    for status in sorted({*operation.errors, *_general_errors(operation)}):
        responses[str(status)] = _error_response(status, media_type, schema_of[body])
    described: dict[str, Any] = {
        "operationId": operation.operation_id,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [_parameter(parameter) for parameter in _parameters(operation)],
        "responses": responses,
    }
    if operation.public:
        described["security"] = []
    if operation.body is not None:
        content = {operation.body_media_type: {"schema": schema_of[str(operation.body)]}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _general_errors(operation: Operation) -> tuple[int, ...]:
    if not operation.public:
        return (*_GENERAL_ERRORS, 408) if operation.body is not None else _GENERAL_ERRORS
    return (422, 500) if operation.budget == "none" else (422, 429, 500, 503)


def _error_response(status: int, media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    response: dict[str, Any] = {
        "description": HTTPStatus(status).phrase,
        "content": {media_type: {"schema": schema}},
    }
    if status in _RETRY_AFTER:
        response["headers"] = {
            "Retry-After": {
                "description": "Seconds to wait; absent where a repetition may do harm.",
                "schema": {"type": "integer"},
            }
        }
    return response


def _parameters(operation: Operation) -> tuple[Parameter, ...]:
    named = operation.action.startswith("account:")
    return (*operation.parameters, _ACCOUNT) if named else operation.parameters


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.required,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _numbers(schema: Any) -> Any:
    """Return *schema* with Decimals as numbers, which is how they are encoded.

    Amounts in trading bodies are typed as text, so every Decimal belongs to market data.
    """
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            rest = {key: value for key, value in schema.items() if key not in {"type", "format"}}
            return {**rest, "type": "number"}
        return {key: _numbers(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_numbers(value) for value in schema]
    return schema
