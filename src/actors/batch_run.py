"""One batch of commands on its way through a component: apply, records, results."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import structlog

from tradeplane.component import Component
from tradeplane.errors import InvalidRequest, ServiceFailed, TradeplaneError, from_wire, to_wire
from tradeplane.feed import PRIVATE_TOPIC, FeedEvent
from tradeplane.journal import Record
from tradeplane.protocol import Result, SubmitReply, SubmitRequest

log = structlog.get_logger()
_to_json = msgspec.json.Encoder(order="deterministic").encode
_to_msgpack = msgspec.msgpack.Encoder().encode


class Submission(msgspec.Struct, eq=False):
    """A client's request in the queue.

    Attributes:
        poisoned: results of commands that broke the component, by index; they are not run again.
    """

    request: SubmitRequest
    done: asyncio.Future[SubmitReply]
    poisoned: dict[int, Result] = msgspec.field(default_factory=dict)

    def reply(self, reply: SubmitReply) -> None:
        """Answer the client, unless it has gone."""
        if not self.done.done():
            self.done.set_result(reply)

    def fail(self, error: TradeplaneError, epoch: int) -> None:
        """Answer every command with *error*."""
        result = Result(error=to_wire(error))
        self.reply(SubmitReply(epoch, 0, (result,) * len(self.request.envelopes)))

    def reply_after(self, waits: Sequence[asyncio.Future[None]], reply: SubmitReply) -> None:
        """Answer the client when all of *waits* are done."""
        missing = len(waits)

        def one_done(_: asyncio.Future[None]) -> None:
            nonlocal missing
            missing -= 1
            if missing == 0:
                self.reply(reply)

        for wait in waits:
            wait.add_done_callback(one_done)


class Touched(msgspec.Struct, eq=False):
    """What one command did to one topic.

    Attributes:
        sequence: the last of its events there.
        after: what the topic's events had reached before; filled at the commit.
        repeated: the command had been done before; there are no events now.
    """

    owner: Submission
    index: int
    topic: str
    sequence: int
    repeated: bool
    after: int = 0
    events: list[FeedEvent] = msgspec.field(default_factory=list)


class _Command(msgspec.Struct, eq=False):
    owner: Submission
    index: int
    command: Any
    key: str | None
    fresh: bool


class Known(msgspec.Struct, frozen=True):
    """The first event of a command that was done before, as JSON, and where it is."""

    sequence: int
    event: bytes


class BatchRun:
    """The batch and its outcome; it touches the component and nothing else.

    Args:
        component: the state; changed by :meth:`apply`.
        submissions: the requests of the batch, in the order of their arrival.
        recent: keys that are known without asking the journal.
        sequence: the journal's last sequence.
    """

    def __init__(
        self,
        component: Component,
        submissions: list[Submission],
        recent: Mapping[str, Known],
        sequence: int,
    ) -> None:
        self.submissions = submissions
        self.records: list[Record] = []
        self.rows: list[Any] = []
        self.touched: list[Touched] = []
        self.new_keys: dict[str, Known] = {}
        self.found: Mapping[str, Record] = {}
        self.poisoned = False
        self._component = component
        self._recent = recent
        self._sequence = sequence
        self._topics: list[str] = []
        self._decode_event = msgspec.json.Decoder(component.event_type).decode
        self._results: dict[tuple[int, int], Result] = {}
        self._commands = list(self._decoded())

    def _decoded(self) -> list[_Command]:
        decode = msgspec.msgpack.Decoder(self._component.command_type).decode
        commands = []
        for owner in self.submissions:
            for index, envelope in enumerate(owner.request.envelopes):
                if index in owner.poisoned:
                    self._results[id(owner), index] = owner.poisoned[index]
                    continue
                try:
                    command = decode(envelope.command)
                except msgspec.DecodeError as error:
                    invalid = InvalidRequest(
                        f"this is no command of {self._component.name}: {error}"
                    )
                    self._results[id(owner), index] = Result(error=to_wire(invalid))
                    continue
                key = self._component.idempotency_key(command)
                commands.append(_Command(owner, index, command, key, envelope.fresh))
        return commands

    def unknown_keys(self) -> list[str]:
        """Return the keys that only the journal can tell to be new."""
        return list(
            {
                item.key
                for item in self._commands
                if item.key and not item.fresh and item.key not in self._recent
            }
        )

    def apply(self, now_ns: int, wall_ns: int) -> None:
        """Run every command at *now_ns*; records are stamped with *wall_ns*."""
        for item in self._commands:
            try:
                result = self._run_one(item, now_ns, wall_ns)
            except TradeplaneError as error:
                result = Result(error=to_wire(error))
            except Exception:
                log.exception("command failed", component=self._component.name)
                internal = ServiceFailed("internal error; it was logged, and nothing was done")
                item.owner.poisoned[item.index] = Result(error=to_wire(internal))
                self.poisoned = True
                return
            self._results[id(item.owner), item.index] = result

    def _run_one(self, item: _Command, now_ns: int, wall_ns: int) -> Result:
        known = self._known(item.key)
        if known is not None:
            event = self._decode_event(known.event)
            reply = self._component.repeat(item.command, event)
            topic = self._component.topic(event)
            self.touched.append(Touched(item.owner, item.index, topic, known.sequence, True))
            return Result(reply=msgspec.Raw(_to_msgpack(reply)))
        applied = self._component.apply(item.command, now_ns)
        # The component may go on changing what its events refer to: encode before the next one.
        reply = msgspec.Raw(_to_msgpack(applied.reply))
        self._record(item, applied.events, wall_ns)
        self.rows.extend(applied.rows)
        return Result(reply=reply)

    def _record(self, item: _Command, events: Sequence[Any], wall_ns: int) -> None:
        key = item.key
        touched: dict[str, Touched] = {}
        for event in events:
            self._sequence += 1
            encoded = _to_json(event)
            topic = self._component.topic(event)
            self.records.append(Record(self._sequence, encoded, key, wall_ns))
            self._topics.append(topic)
            if key is not None:
                self.new_keys[key] = Known(self._sequence, encoded)
                key = None
            if topic not in touched:
                touched[topic] = Touched(item.owner, item.index, topic, 0, False)
            touched[topic].sequence = self._sequence
            touched[topic].events.append(FeedEvent(self._sequence, topic, encoded))
        self.touched.extend(touched.values())

    def _known(self, key: str | None) -> Known | None:
        if key is None:
            return None
        known = self.new_keys.get(key) or self._recent.get(key)
        if known is None and key in self.found:
            record = self.found[key]
            return Known(record.sequence, record.event)
        return known

    def published(self) -> list[FeedEvent]:
        """Return the batch's records as the feed carries them."""
        return [
            FeedEvent(record.sequence, topic, b"" if topic == PRIVATE_TOPIC else record.event)
            for record, topic in zip(self.records, self._topics, strict=True)
        ]

    def reply_to(self, submission: Submission, epoch: int, session_id: int) -> SubmitReply:
        """Return the results of *submission*, with the events of topics that it may mirror."""
        results = [
            self._results[id(submission), index]
            for index in range(len(submission.request.envelopes))
        ]
        if session_id:
            for touched in self.touched:
                if touched.owner is submission and touched.events:
                    results[touched.index] = msgspec.structs.replace(
                        results[touched.index], after=touched.after, events=tuple(touched.events)
                    )
        return SubmitReply(epoch, session_id, tuple(results))


def reply_of(result: Result, reply_type: Any) -> Any:
    """Return the reply in *result*.

    Raises:
        TradeplaneError: the command was refused, or it failed.
    """
    if result.error is not None:
        raise from_wire(result.error)
    return msgspec.msgpack.decode(result.reply, type=reply_type)
