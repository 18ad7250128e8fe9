"""Policies that were parsed, checked against the schema and found safe to put in force."""

from __future__ import annotations

import json
from collections.abc import Iterator

import cedarpy
import msgspec

from policies.authorization.document import PolicyDocument, packaged_schema
from policies.authorization.statements import Statement, statements
from tradeplane.auth.principal import HOME_TENANT, ROLES
from tradeplane.errors import InvalidPolicy

_STATEMENTS_MAX = 1_000


class Question(msgspec.Struct, frozen=True):
    """Everything that a decision depends on, beside the policies."""

    kind: str
    subject_id: str
    user_id: str
    tenant_id: str
    role: str
    action: str


class CompiledPolicies:
    """One set of policies. Immutable.

    Args:
        document: the files.

    Raises:
        InvalidPolicy: a policy does not parse or does not fit the schema, an ``@id`` is there
            twice, or nobody could replace the policies any more; names file and line.
    """

    def __init__(self, document: PolicyDocument) -> None:
        self._schema = cedarpy.Schema.from_str(packaged_schema())
        text = "\n".join(self._checked(document))
        self._policies = cedarpy.PolicySet.from_str(text)
        if not self.permits(Question("user", "", "", HOME_TENANT, "admin", "platform:manage")):
            raise InvalidPolicy(
                "these policies keep the home tenant's administrators from platform:manage, so "
                "nobody could replace them again"
            )

    def _checked(self, document: PolicyDocument) -> Iterator[str]:
        names: dict[str, str] = {}
        count = 0
        for name, text in document:
            for statement in statements(text):
                count += 1
                if count > _STATEMENTS_MAX:
                    raise _refusal(name, statement.line, f"more than {_STATEMENTS_MAX} policies")
                policy_id = self._check(name, statement)
                if policy_id and policy_id in names:
                    where = names[policy_id]
                    message = f'@id("{policy_id}") is taken by {where}'
                    raise _refusal(name, statement.line, message)
                names[policy_id] = f"{name}:{statement.line}"
                yield statement.text
        if count == 0:
            raise InvalidPolicy("there is no policy, so nobody could do anything")

    def _check(self, name: str, statement: Statement) -> str:
        """Return the policy's ``@id``, or nothing."""
        try:
            parsed = json.loads(cedarpy.policies_to_json_str(statement.text))
        except ValueError as error:
            raise _refusal(name, statement.line_of(str(error)), str(error)) from error
        if parsed["templates"]:
            raise _refusal(name, statement.line, "a template permits nothing; write a policy")
        result = cedarpy.validate_policies(statement.text, self._schema)
        for problem in result.errors:
            message = problem.error.removeprefix("for policy `policy0`, ")
            raise _refusal(name, statement.line_of(message), message)
        policy = parsed["staticPolicies"]["policy0"]
        return str(policy.get("annotations", {}).get("id") or "")

    def permits(self, asked: Question) -> bool:
        """Return whether the subject may do this in its own tenant. An error permits nothing."""
        if asked.role not in ROLES:
            return False
        subject = {"type": "Subject", "id": f"{asked.kind}:{asked.subject_id}"}
        tenant = {"type": "Tenant", "id": asked.tenant_id}
        own = {"kind": asked.kind, "user": asked.user_id, "tenant": {"__entity": tenant}}
        entities: list[dict[str, object]] = [
            {"uid": subject, "attrs": own, "parents": [{"type": "Role", "id": asked.role}]},
            {"uid": tenant, "attrs": {}, "parents": []},
        ]
        request = {
            "principal": subject,
            "action": {"type": "Action", "id": asked.action},
            "resource": tenant,
            "context": {},
        }
        answer = cedarpy.is_authorized(request, self._policies, entities, self._schema)
        return bool(answer.allowed and not answer.diagnostics.errors)


def _refusal(name: str, line: int, message: str) -> InvalidPolicy:
    return InvalidPolicy(f"{name}:{line}: {message}", {"file": name, "line": str(line)})
