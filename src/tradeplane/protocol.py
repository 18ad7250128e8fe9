"""What a shell and its clients say to each other: msgpack, never pickle.

Commands, queries, replies and events travel as :class:`msgspec.Raw` inside these envelopes and are
decoded by the component's own types on either side.
"""

from __future__ import annotations

import msgspec

from tradeplane.errors import Details
from tradeplane.feed import FeedBatch, FeedEvent

NOTHING = msgspec.Raw(b"\xc0")
"""A reply that is not there: msgpack's nil."""


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """One command on its way.

    Attributes:
        command: the command, msgpack.
        fresh: True when its idempotency key cannot have been used before: it was made for this
            very request, and this is the first attempt. Spares the look-up.
    """

    command: msgspec.Raw
    fresh: bool


class SubmitRequest(msgspec.Struct, frozen=True, array_like=True):
    """A batch of commands of one client.

    Attributes:
        subscriber: the client's name in the lease table; empty for a client without leases.
    """

    subscriber: str
    envelopes: tuple[Envelope, ...]


class Result(msgspec.Struct, frozen=True, array_like=True):
    """What became of one command: a reply or an error, never both.

    Attributes:
        reply: the component's reply, msgpack; NOTHING when refused or failed.
        error: ``errors.to_wire``; None when done.
        after: the events extend what was known of their topic up to this sequence.
        events: the command's own events, for the client's mirror.
    """

    reply: msgspec.Raw = NOTHING
    error: tuple[str, str, Details] | None = None
    after: int = 0
    events: tuple[FeedEvent, ...] = ()


class SubmitReply(msgspec.Struct, frozen=True, array_like=True):
    """The results of a batch, in its order.

    Attributes:
        session_id: the client's lease session that the results' events belong to; 0 without one.
    """

    epoch: int
    session_id: int
    results: tuple[Result, ...]


class AskRequest(msgspec.Struct, frozen=True, array_like=True):
    """A question about the state.

    Attributes:
        subscriber: who wants a lease on *topic*; empty for nobody.
        topic: the topic to lease with the answer.
    """

    query: msgspec.Raw
    subscriber: str = ""
    topic: str = ""


class AskReply(msgspec.Struct, frozen=True, array_like=True):
    """An answer, as of *sequence*.

    Attributes:
        session_id: the subscriber's session when a lease was granted, else 0.
        grant_id: names the grant, to release this one and no later one.
        lease_ns: how long the session lives on without a poll, from the answer on.
    """

    epoch: int
    sequence: int
    session_id: int
    grant_id: int = 0
    lease_ns: int = 0
    reply: msgspec.Raw = NOTHING
    error: tuple[str, str, Details] | None = None


class PollRequest(msgspec.Struct, frozen=True, array_like=True):
    """A subscriber's wish for what comes after (*epoch*, *sequence*); also its acknowledgement.

    Attributes:
        everything: True to follow without leases: every topic, or those of *topics*.
        released: leases that it no longer uses: topics with their grants.
        hold_ms: how long the answer may wait for news.
        topics: with *everything*, the topics to follow; empty for all of them.
    """

    subscriber: str
    session_id: int
    epoch: int
    sequence: int
    everything: bool = False
    released: tuple[tuple[str, int], ...] = ()
    hold_ms: int = 0
    topics: tuple[str, ...] = ()


class PollReply(msgspec.Struct, frozen=True, array_like=True):
    """A feed batch, and whether the subscriber's leases live on.

    Attributes:
        session_id: the session that was renewed; 0 when there is none: its leases have ended.
    """

    session_id: int
    batch: FeedBatch


class HistoryRequest(msgspec.Struct, frozen=True, array_like=True):
    """A wish for journaled events, for a subscriber that must not miss one."""

    after: int
    limit: int


class HistoryReply(msgspec.Struct, frozen=True, array_like=True):
    """Journaled events; *sequence* is the newest committed one."""

    epoch: int
    sequence: int
    events: tuple[FeedEvent, ...]
