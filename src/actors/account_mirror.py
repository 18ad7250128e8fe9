"""One replica's copies of the accounts of one shard: read without a call while a lease lives.

The rules, with their reasons in :mod:`tradeplane.leases`:

- A copy is used only while the lease is live, counted from the moment the renewing call was sent.
- A new session means that the shard had forgotten this replica: every older copy goes.
- While a copy is being fetched, events of its account are kept aside and applied on arrival.
- A write's own events come with its reply; they are applied only when nothing lies between.

**Invariant:** while the lease is live, a copy contains every event of its account that was
acknowledged to anyone.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from tradeplane.feed import FeedCursor, FeedEvent
from tradeplane.protocol import PollReply, PollRequest, SubmitReply
from tradeplane.trading.account import Account
from tradeplane.trading.events import AccountEvent, AccountOpened

_decode_event = msgspec.json.Decoder(AccountEvent).decode


class _Copy(msgspec.Struct, eq=False):
    account: Account
    sequence: int
    grant_id: int
    read_ns: int = 0


class _Fetch(msgspec.Struct, eq=False):
    """An account that is on its way.

    Attributes:
        kept: events that arrived meanwhile.
        spoilt: an event arrived that cannot be placed; the copy must be fetched again.
    """

    kept: list[FeedEvent] = msgspec.field(default_factory=list)
    spoilt: bool = False


class AccountMirror:
    """The copies, and the lease they live on. Pure: the caller gives the time and does the calls.

    Args:
        lease_ns: the term of a lease.
        accounts_max: copies that are kept; the least recently fetched one goes first.
    """

    def __init__(self, lease_ns: int, accounts_max: int = 10_000) -> None:
        self.session_id = 0
        self.cursor = FeedCursor()
        self._lease_ns = lease_ns
        self._accounts_max = accounts_max
        self._lease_until_ns = 0
        self._base_sequence = 0
        self._copies: OrderedDict[str, _Copy] = OrderedDict()
        self._fetches: dict[str, list[_Fetch]] = {}
        self._released: list[tuple[str, int]] = []

    def get(self, account_id: str, now_ns: int) -> Account | None:
        """Return the copy, or None when the shard must be asked."""
        if now_ns >= self._lease_until_ns:
            return None
        copy = self._copies.get(account_id)
        if copy is None:
            return None
        copy.read_ns = now_ns
        return copy.account

    def begin_fetch(self, account_id: str) -> _Fetch:
        """Note that *account_id* is being asked for; give the result to :meth:`end_fetch`."""
        fetch = _Fetch()
        self._fetches.setdefault(account_id, []).append(fetch)
        return fetch

    def abandon_fetch(self, account_id: str, fetch: _Fetch) -> None:
        """Note that the asking failed."""
        fetches = self._fetches[account_id]
        fetches.remove(fetch)
        if not fetches:
            del self._fetches[account_id]

    def end_fetch(  # noqa: PLR0913  # the parts of one answer
        self,
        account: Account,
        fetch: _Fetch,
        *,
        epoch: int,
        sequence: int,
        session_id: int,
        grant_id: int,
        lease_until_ns: int,
    ) -> bool:
        """Take in an account as of *sequence*.

        Args:
            account: the state that the shard answered with.
            fetch: what :meth:`begin_fetch` returned.
            epoch: the shard's epoch.
            sequence: the shard's sequence at the answer.
            session_id: the session that holds the lease, 0 when none was granted.
            grant_id: the grant of the lease.
            lease_until_ns: when the lease ends, counted from the sending of the question.

        Returns:
            Whether *account* is now kept as the copy. If not, it answers the one who asked, since
            it is newer than the question, and nobody else.
        """
        self.abandon_fetch(account.account_id, fetch)
        if fetch.spoilt:
            return False
        if session_id == 0:
            return False
        if (epoch, session_id) < (self.cursor.epoch, self.session_id):
            return False
        if (epoch, session_id) != (self.cursor.epoch, self.session_id):
            self._start_over(epoch, sequence, session_id)
        if sequence < self._base_sequence:
            # The feed is followed from a later point on: what lies between would be missing.
            return False
        copy = _Copy(account, sequence, grant_id, lease_until_ns)
        for event in fetch.kept:
            _evolve(copy, event)
        self._copies[account.account_id] = copy
        self._copies.move_to_end(account.account_id)
        self._lease_until_ns = max(self._lease_until_ns, lease_until_ns)
        while len(self._copies) > self._accounts_max:
            self.drop(next(iter(self._copies)))
        return True

    def take_poll(self, reply: PollReply, request: PollRequest, sent_ns: int) -> None:
        """Take in the answer to the poll *request* that was sent at *sent_ns*."""
        if (request.epoch, request.session_id) != (self.cursor.epoch, self.session_id):
            return
        if reply.session_id != self.session_id or reply.batch.epoch != self.cursor.epoch:
            self.forget()
            return
        events = self.cursor.take(reply.batch)
        if events is None:
            self.forget()
            return
        for event in events:
            self._apply(event)
        self._lease_until_ns = max(self._lease_until_ns, sent_ns + self._lease_ns)

    def take_reply(self, reply: SubmitReply) -> None:
        """Take in the events that came with the results of this replica's own commands."""
        for result in reply.results:
            if not result.events:
                continue
            topic = result.events[0].topic
            for fetch in self._fetches.get(topic, ()):
                fetch.spoilt = True
            copy = self._copies.get(topic)
            if copy is None:
                continue
            known = max(copy.sequence, self.cursor.sequence)
            ours = (reply.epoch, reply.session_id) == (self.cursor.epoch, self.session_id)
            if not ours or known < result.after:
                self.drop(topic)
                continue
            for event in result.events:
                _evolve(copy, event)

    def drop(self, account_id: str) -> None:
        """Forget one account; the next read asks the shard."""
        copy = self._copies.pop(account_id, None)
        if copy is not None:
            self._released.append((account_id, copy.grant_id))

    def drop_unread(self, since_ns: int) -> None:
        """Forget the accounts that were not read since *since_ns*.

        Their writes need not wait for this replica any more.
        """
        unread = [name for name, copy in self._copies.items() if copy.read_ns < since_ns]
        for account_id in unread:
            self.drop(account_id)

    def forget(self) -> None:
        """Forget everything, as when a call may have run and its reply was lost."""
        self._copies.clear()
        self._released.clear()
        self._lease_until_ns = 0
        self.session_id = 0
        for fetches in self._fetches.values():
            for fetch in fetches:
                fetch.spoilt = True

    def take_released(self) -> tuple[tuple[str, int], ...]:
        """Return the leases that the next poll gives back, once."""
        released = tuple(self._released)
        self._released.clear()
        return released

    def __len__(self) -> int:
        return len(self._copies)

    def _start_over(self, epoch: int, sequence: int, session_id: int) -> None:
        fetches = self._fetches
        self._fetches = {}
        self.forget()
        self._fetches = fetches
        self.session_id = session_id
        self.cursor = FeedCursor(epoch, sequence)
        self._base_sequence = sequence

    def _apply(self, event: FeedEvent) -> None:
        for fetch in self._fetches.get(event.topic, ()):
            fetch.kept.append(event)
        copy = self._copies.get(event.topic)
        if copy is not None:
            _evolve(copy, event)


def _evolve(copy: _Copy, event: FeedEvent) -> None:
    """Apply *event* to *copy* unless it contains it already."""
    if event.sequence <= copy.sequence:
        return
    decoded = _decode_event(event.payload)
    if not isinstance(decoded, AccountOpened):
        copy.account.evolve(decoded)
    copy.sequence = event.sequence
