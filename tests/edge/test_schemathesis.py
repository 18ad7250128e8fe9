"""The OpenAPI document against the application: schemathesis asks everything it describes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from whole_edge import WholeEdge, whole_edge

CHECKS = [
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
]
EXAMPLES = 6
TABLE = Path(__file__).with_name("access_matrix.txt").read_text()
EVERY_OPERATION = [
    line.split()[0] for line in TABLE.splitlines() if line and not line.startswith("#")
]
NOT_ASKED = {
    "startExternalLogin",
    "finishExternalLogin",
    "getOpenApi",
    "transitListKeysByMethod",
}
"""Two need a provider of identities and have tests of their own, schemathesis leaves out the
address of the document itself, and OpenAPI has no method LIST.
"""


@pytest.fixture(scope="module")
def edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeEdge]:
    with whole_edge(tmp_path_factory.mktemp("edge")) as running:
        yield running


@pytest.fixture(scope="module")
def described(edge: WholeEdge) -> dict[str, schemathesis.APIOperation]:
    """Every operation of the document by its id."""
    document = schemathesis.openapi.from_url(f"{edge.url}/openapi.json")
    found = [each.ok() for each in document.get_all_operations()]
    return {operation.definition.raw["operationId"]: operation for operation in found}


def test_nothing_that_the_document_describes_is_left_out(described) -> None:
    assert set(described) == set(EVERY_OPERATION) - NOT_ASKED


@pytest.mark.parametrize("name", sorted(set(EVERY_OPERATION) - NOT_ASKED))
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
def test_every_operation_answers_as_its_document_says(edge, described, name, mode) -> None:
    reason = {"X-Tradeplane-Reason": "a test"}
    cases = described[name].as_strategy(generation_mode=mode)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(headers={**edge.key, **reason}, checks=CHECKS, timeout=20)

    try:
        ask()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "there is a right way to ask"


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 2**70, 10**300])
@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("PUT", "/admin/policies", "version"),
        ("POST", "/v1/transit/keys/k/config", "min_decryption_version"),
        ("POST", "/v1/transit/keys/k/trim", "min_available_version"),
        ("POST", "/v1/transit/encrypt/k", "key_version"),
        ("POST", "/v1/transit/keys/k", "key_size"),
    ],
)
def test_numbers_that_no_message_can_hold_are_refused(edge, number, method, path, field) -> None:
    body = {field: number, "documents": {}, "plaintext": "eA=="}
    headers = {**edge.key, "X-Tradeplane-Reason": "a test"}
    answer = httpx.request(method, f"{edge.url}{path}", json=body, headers=headers)

    assert answer.status_code in {400, 422}
