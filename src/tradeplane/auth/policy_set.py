"""Decisions about the authorization policies in force. What they say was checked before."""

from __future__ import annotations

from tradeplane.auth.commands import ReplacePolicies
from tradeplane.auth.decision import Decision, require_reason, require_text
from tradeplane.auth.events import PoliciesReplaced
from tradeplane.auth.limits import IdentityLimits
from tradeplane.auth.state import IdentityState
from tradeplane.errors import InvalidRequest, LimitReached

_NAME_MAX = 100


def replace_policies(
    state: IdentityState, command: ReplacePolicies, now_ns: int, limits: IdentityLimits
) -> Decision:
    """Put other policies in force.

    Raises:
        InvalidRequest: they were replaced by someone else meanwhile, or a file's name is malformed.
        LimitReached: they are too large.
    """
    require_reason(command.by)
    version, _ = state.directory.policies
    if command.version != version:
        raise InvalidRequest(
            f"version {version} is in force, not {command.version}; read it before it is replaced",
            {"version": str(version)},
        )
    for name in command.documents:
        require_text("a policy file's name", name, _NAME_MAX)
    size = sum(len(text.encode()) for text in command.documents.values())
    if size > limits.policy_bytes_max:
        raise LimitReached(f"the policies have {size} bytes, the most is {limits.policy_bytes_max}")
    event = PoliciesReplaced(
        at_ns=now_ns, by=command.by, version=version + 1, documents=command.documents
    )
    return Decision(events=(event,))
