"""Who may do what: the policies in force, and the decisions that were made by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

from policies.authorization.compiled import CompiledPolicies, Question
from policies.authorization.document import PolicyDocument, packaged_policies
from tradeplane.auth.answers import PoliciesFound
from tradeplane.auth.principal import Principal
from tradeplane.errors import NotAllowed

_DECISIONS_MAX = 16_384
_Decide = Callable[[Question], bool]


class Authorizer:
    """Satisfies :class:`tradeplane.auth.authorizer.Authorizer`. Denies what nothing permits.

    A decision is remembered by everything that it depends on, until other policies come or it is
    the one that was asked for least recently. A credential's scopes are a limit of the program,
    not of the policies: no policy can give a credential more than its owner meant it to have.

    Args:
        document: the policies in force at first.

    Raises:
        InvalidPolicy: they cannot be put in force.
    """

    def __init__(self, document: PolicyDocument) -> None:
        self._default = CompiledPolicies(document)
        self._decide: _Decide = _remembered(self._default)
        self._version = 0

    @property
    def version(self) -> int:
        """Return which policies are in force; 0 is what the installation came with."""
        return self._version

    def permits(self, principal: Principal, action: str) -> bool:
        """Return whether *principal* may do *action*."""
        scopes = principal.scopes
        if scopes and action not in scopes:
            return False
        return self._decide(
            Question(
                principal.kind,
                principal.subject_id or principal.key_id,
                principal.user_id,
                principal.tenant_id,
                principal.role,
                action,
            )
        )

    def authorize(self, principal: Principal, action: str) -> None:
        """Let *principal* do *action*, or refuse.

        Raises:
            NotAllowed: the policies or the credential's scopes do not permit it.
        """
        if self.permits(principal, action):
            return
        if principal.scopes and action not in principal.scopes:
            raise NotAllowed(f"this credential is not scoped for {action}")
        raise NotAllowed(f"{action} is not permitted to the role {principal.role}")

    def check(self, documents: Mapping[str, str]) -> None:
        """Refuse policies that cannot be put in force; none at all mean the installation's own.

        Raises:
            InvalidPolicy: names the file and the line.
        """
        if documents:
            CompiledPolicies(tuple(sorted(documents.items())))

    def install(self, policies: PoliciesFound) -> None:
        """Put *policies* in force; without documents, those that the installation came with.

        Raises:
            InvalidPolicy: they cannot be; what was in force stays.
        """
        compiled = self._default
        if policies.documents:
            compiled = CompiledPolicies(tuple(sorted(policies.documents.items())))
        self._decide = _remembered(compiled)
        self._version = policies.version


def compile_policies(document: PolicyDocument) -> Authorizer:
    """Return an authorizer by the policies of *document*.

    Raises:
        InvalidPolicy: names the file and the line.
    """
    return Authorizer(document)


def packaged_authorizer() -> Authorizer:
    """Return an authorizer by the policies that an installation comes with."""
    return Authorizer(packaged_policies())


def _remembered(compiled: CompiledPolicies) -> _Decide:
    return lru_cache(maxsize=_DECISIONS_MAX)(compiled.permits)
