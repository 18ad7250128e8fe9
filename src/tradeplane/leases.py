"""Read leases: who may answer reads of which topic without asking, and whom a write must wait for.

A replica that was granted a topic (an account) is sent every event of it, and says with its next
poll how far it has come. A write is acknowledged when every replica with a live lease on its topic
has come that far; a replica that stays silent loses its lease instead. Durations are measured by
each side's own monotonic clock: the replica counts from the moment it sent the call that renewed
the lease, the shard from the later moment at which that call arrived, so the replica always stops
first (Gray and Cheriton, "Leases", SOSP 1989).

**Invariant:** when ``awaited`` is empty for a sequence, every live holder of the topics has said
that it has seen that sequence.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Session(msgspec.Struct):
    """One subscriber's incarnation.

    Attributes:
        session_id: grows with every incarnation; a subscriber that lost its lease gets a new one.
        topics: what it holds leases on, each with the number of its newest grant.
        seen_sequence: the last sequence that it said it has seen.
        expires_ns: monotonic time at which all its leases end, unless it is heard before.
    """

    session_id: int
    seen_sequence: int
    expires_ns: int
    topics: dict[str, int] = msgspec.field(default_factory=dict)


class Leases:
    """The shard's table of sessions.

    Args:
        term_ns: how long a session lives after the last time it was heard.
        sessions_max: subscribers that may hold leases at the same time.
        topics_max: topics that one session may hold.
    """

    def __init__(self, term_ns: int, sessions_max: int = 1_024, topics_max: int = 100_000) -> None:
        self._term_ns = term_ns
        self._sessions_max = sessions_max
        self._topics_max = topics_max
        self._sessions: dict[str, Session] = {}
        self._holders: dict[str, set[str]] = {}
        self._last_session_id = 0
        self._last_grant_id = 0

    def session(self, subscriber: str, now_ns: int) -> Session | None:
        """Return the live session of *subscriber*, or None."""
        session = self._sessions.get(subscriber)
        if session is not None and session.expires_ns <= now_ns:
            self._end(subscriber)
            return None
        return session

    def open(self, subscriber: str, sequence: int, now_ns: int) -> Session | None:
        """Return the live session of *subscriber*, a new one if need be.

        Returns:
            None when there are too many sessions: the subscriber must ask for every read.
        """
        session = self.session(subscriber, now_ns)
        if session is None:
            self.expire(now_ns)
            if len(self._sessions) >= self._sessions_max:
                return None
            self._last_session_id += 1
            session = Session(self._last_session_id, sequence, now_ns + self._term_ns)
            self._sessions[subscriber] = session
        return session

    def hear(self, subscriber: str, session_id: int, sequence: int, now_ns: int) -> Session | None:
        """Renew a session whose subscriber says that it has seen *sequence*.

        Returns:
            The session, or None when this incarnation has ended.
        """
        session = self.session(subscriber, now_ns)
        if session is None or session.session_id != session_id:
            return None
        session.expires_ns = now_ns + self._term_ns
        session.seen_sequence = max(session.seen_sequence, sequence)
        return session

    def grant(self, subscriber: str, topic: str) -> int:
        """Give the session of *subscriber* a lease on *topic*.

        Returns:
            The number of this grant; 0 when the session holds too many.
        """
        session = self._sessions[subscriber]
        if len(session.topics) >= self._topics_max and topic not in session.topics:
            return 0
        self._last_grant_id += 1
        session.topics[topic] = self._last_grant_id
        self._holders.setdefault(topic, set()).add(subscriber)
        return self._last_grant_id

    def release(self, subscriber: str, grants: Iterable[tuple[str, int]]) -> None:
        """Take leases back that *subscriber* says it no longer uses.

        A topic that was granted anew meanwhile stays: calls may overtake each other.
        """
        session = self._sessions.get(subscriber)
        if session is None:
            return
        for topic, grant_id in grants:
            if session.topics.get(topic) == grant_id:
                del session.topics[topic]
                self._forget(topic, subscriber)

    def holders(self, topic: str) -> frozenset[str]:
        """Return the subscribers that hold *topic*, live or not yet found to be expired."""
        return frozenset(self._holders.get(topic, ()))

    def awaited(
        self, topics: Iterable[str], sequence: int, exempt: str, now_ns: int
    ) -> dict[str, int]:
        """Return the live holders of *topics* that have not said that they saw *sequence*.

        Args:
            topics: the topics that a write touched.
            sequence: the write's last sequence.
            exempt: the subscriber that gets the events with its reply; never awaited.
            now_ns: the shard's monotonic time.

        Returns:
            Each subscriber with its session: a later incarnation need not be waited for.
        """
        found = {}
        for topic in topics:
            for subscriber in self.holders(topic):
                session = self.session(subscriber, now_ns)
                if session and session.seen_sequence < sequence and subscriber != exempt:
                    found[subscriber] = session.session_id
        return found

    def expire(self, now_ns: int) -> frozenset[str]:
        """End every session that was not heard in time, and return their subscribers."""
        ended = frozenset(
            name for name, session in self._sessions.items() if session.expires_ns <= now_ns
        )
        for subscriber in ended:
            self._end(subscriber)
        return ended

    def earliest_expiry_ns(self) -> int | None:
        """Return the monotonic time at which the next session ends, or None without sessions."""
        return min((session.expires_ns for session in self._sessions.values()), default=None)

    def _end(self, subscriber: str) -> None:
        for topic in self._sessions.pop(subscriber).topics:
            self._forget(topic, subscriber)

    def _forget(self, topic: str, subscriber: str) -> None:
        holders = self._holders.get(topic)
        if holders is not None:
            holders.discard(subscriber)
            if not holders:
                del self._holders[topic]
