"""The port of authorization: who may do what, by the policies in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from tradeplane.auth.answers import PoliciesFound
from tradeplane.auth.principal import Principal


class Authorizer(Protocol):
    """Decides by policies. Makes no call."""

    def authorize(self, principal: Principal, action: str) -> None:
        """Let *principal* do *action*, or refuse.

        Raises:
            NotAllowed: the policies or the credential's scopes do not permit it.
        """

    def check(self, documents: Mapping[str, str]) -> None:
        """Refuse policies that cannot be put in force.

        Raises:
            InvalidRequest: names the file and the line.
        """

    def install(self, policies: PoliciesFound) -> None:
        """Put *policies* in force; at version 0, those that the installation came with."""
