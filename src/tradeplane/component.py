"""What a stateful component is: a pure core that the actor shell hosts.

The shell gives every component the same life: it restores the newest snapshot, evolves it by the
journal's tail, then loops over batches of commands: ``apply`` each, append all events in one
transaction, publish them, reply. The component itself sees no clock, no database and no network.
"""

from __future__ import annotations

from typing import Any, Protocol

import msgspec


class Applied(msgspec.Struct, frozen=True):
    """What a command did.

    Attributes:
        reply: the answer for the caller, of the component's ``reply_type``.
        events: what happened, in order; empty when nothing did. Already evolved into the state.
        rows: records for the component's own tables, written in the same transaction.
    """

    reply: Any
    events: tuple[Any, ...] = ()
    rows: tuple[Any, ...] = ()


class Component(Protocol):
    """A deterministic state machine: the same commands at the same times give the same state.

    ``command_type``, ``query_type``, ``reply_type`` and ``event_type`` are msgspec tagged unions;
    the shell encodes and decodes with them.
    """

    name: str
    command_type: Any
    query_type: Any
    reply_type: Any
    event_type: Any

    def apply(self, command: Any, now_ns: int) -> Applied:
        """Decide *command*, evolve the state by the resulting events, and return both.

        Raises:
            RequestRefused: the command is refused; the state is unchanged.
        """

    def evolve(self, event: Any) -> None:
        """Change the state by one *event* of the journal. Never refuses a committed event."""

    def query(self, query: Any, now_ns: int) -> Any:
        """Answer *query* from the state, changing nothing."""

    def idempotency_key(self, command: Any) -> str | None:
        """Return the key that is stored with the command's effect, or None for one without."""

    def repeat(self, command: Any, first_event: Any) -> Any:
        """Return the reply of the first run of *command*, from the first event it journaled.

        Raises:
            RequestRefused: the key was used before by a different command.
        """

    def topic(self, event: Any) -> str:
        """Return the feed topic of *event*, such as an account id.

        An event under ``feed.PRIVATE_TOPIC`` is not shown to subscribers.
        """

    def to_bytes(self) -> bytes:
        """Return the whole state; ``from_bytes(to_bytes())`` is the same state, byte for byte."""

    def from_bytes(self, state: bytes) -> None:
        """Replace the state by one that :meth:`to_bytes` returned."""
