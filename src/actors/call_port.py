"""How a component's actor is called: what its clients need, and a test can stand in for."""

from __future__ import annotations

from typing import Protocol


class CallPort(Protocol):
    """One actor. :class:`actors.ray_call.ActorPort` reaches it through Ray."""

    actor_name: str

    async def call(self, method: str, payload: bytes) -> bytes:
        """Call *method* with *payload*.

        Raises:
            ComponentUnavailable: the actor does not exist (yet); nothing was done.
            OutcomeUnknown: the call may have run.
        """
