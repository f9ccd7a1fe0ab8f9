"""Writes what the publish queues decide, and tells each publish how it ended.

One `PublishQueue` for each room; this is their I/O: request ids, the window that all rooms of a
connection share, and the clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field

from tidegate._gen.tidegate.client.v1 import frame_pb2
from tidegate.connection import Connection
from tidegate.errors import TidegateError, copy_error
from tidegate.events import Ack
from tidegate.position import Position
from tidegate.publish_queue import Entry, Failure, PublishQueue
from tidegate.unsure_acks import UnsureAcks
from tidegate.wire import encode_publish, read_error

DEFAULT_BUDGET_MS = 20_000
"""Of Welcome.publish_budget_ms, when it says none."""

QUEUED_BYTES_MAX = 64 * 1024 * 1024
"""Payload bytes of publishes that have not ended; more are refused with ``QUEUE_FULL``."""

IDLE_QUEUE_COUNT_MAX = 4_096
"""Rooms whose counter is kept while they publish nothing. The oldest beyond is forgotten, and new
rooms then start above every number ever given, so that no number is given twice."""

_TURN_MAX = 64
"""Publishes one room may write before the next room's turn."""

_TICK_S = 0.1
"""How often budgets and waits are looked at while something is queued."""

_FRAME_OVERHEAD_BYTES = 64
"""What a Publish adds around room name and payload, at most: tags, lengths, ids and numbers."""

_Future = asyncio.Future[Ack]


@dataclass(slots=True, eq=False)
class _Lane:
    """One room's queue."""

    room: str
    queue: PublishQueue[_Future]
    acks: UnsureAcks[_Future] = field(default_factory=UnsureAcks)


class Publisher:
    """All publishes of one client.

    Args:
        now_us: Server time now.
        alias_of: The alias of a room joined on this connection, or 0.
        is_durable: Whether a room is durable, by its class; None when not known.
        learn_mode: Takes what an acknowledgement shows of a room's mode.
        ask_mode: Finds out whether a room is durable; False when that can not be found out.
        count_max: Publishes that have not ended, over all rooms.
    """

    def __init__(
        self,
        now_us: Callable[[], int],
        alias_of: Callable[[str], int],
        is_durable: Callable[[str], bool | None],
        learn_mode: Callable[[str, bool], None],
        ask_mode: Callable[[str], Coroutine[None, None, bool]],
        count_max: int,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._now_us = now_us
        self._alias_of = alias_of
        self._is_durable = is_durable
        self._learn_mode = learn_mode
        self._ask_mode = ask_mode
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._count_max = count_max
        self._lanes: dict[str, _Lane] = {}
        self._ready: dict[str, _Lane] = {}  # may have something to write; oldest turn first
        self._first_seq = 1
        self._budget_us = DEFAULT_BUDGET_MS * 1000
        self._connection: Connection | None = None
        self._frame_bytes_max = 65_536
        self._window = 1
        self._unanswered = 0
        self._is_held = False
        self._count = 0
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def unanswered_count(self) -> int:
        """Publishes written on this connection and not answered yet."""
        return self._unanswered

    @property
    def is_publishing(self) -> bool:
        """Whether publishes wait for an answer or to be sent, but for rooms known as ephemeral."""
        return any(
            not lane.queue.is_empty and self._is_durable(lane.room) is not False
            for lane in self._lanes.values()
        )

    def publish(self, room: str, payload: bytes, traceparent: str) -> _Future:
        """Queue a publish, in the order of calls, and write it if the window allows.

        Returns:
            A future that gets the Ack, or the TidegateError. Cancelled before the first write, the
            publish is forgotten; later it goes on without listener.

        Raises:
            TidegateError: ``QUEUE_FULL``, ``PAYLOAD_TOO_LARGE``.
        """
        size = len(payload)
        if self._count >= self._count_max or self._bytes + size > QUEUED_BYTES_MAX:
            raise TidegateError(
                "QUEUE_FULL",
                f"{self._count} publishes of {self._bytes} bytes wait; the limits are "
                f"{self._count_max} (publish_queue_max) and {QUEUED_BYTES_MAX} bytes",
            )
        if size + len(room.encode()) + _FRAME_OVERHEAD_BYTES > self._frame_bytes_max:
            raise TidegateError(
                "PAYLOAD_TOO_LARGE",
                f"a payload of {size} bytes does not fit a frame of {self._frame_bytes_max}",
            )
        lane = self._lane(room)
        future: _Future = self._loop.create_future()
        entry = Entry(payload, future, self._now_us(), traceparent)
        self._count += 1
        self._bytes += size
        lane.queue.add(entry)
        future.add_done_callback(lambda done: self._on_done(lane, entry, done))
        self._ready[room] = lane
        self.pump()
        if self._timer is None:
            self._timer = self._loop.call_later(_TICK_S, self._tick)
        return future

    def attach(self, connection: Connection) -> None:
        """A connection has its Welcome: go on, what failed first."""
        welcome = connection.welcome
        self._connection = connection
        self._is_held = False
        self._window = max(welcome.limits.publish_in_flight_max, 1)
        self._frame_bytes_max = welcome.limits.frame_bytes_max or 65_536
        self._budget_us = (welcome.publish_budget_ms or DEFAULT_BUDGET_MS) * 1000
        for lane in self._lanes.values():
            lane.queue.budget_us = self._budget_us
        # First end what has passed its budget: this process may have been stopped meanwhile.
        self._expire()
        self.pump()

    def hold(self) -> None:
        """Write nothing new, until `release` or the next connection."""
        self._is_held = True

    def release(self) -> None:
        """Go on writing."""
        self._is_held = False
        self.pump()

    def detach(self) -> None:
        """The connection broke: all that flew is unanswered."""
        self._connection = None
        self._unanswered = 0
        for lane in self._lanes.values():
            if not lane.queue.is_empty:
                lane.queue.is_durable = self._is_durable(lane.room)
                self._end(lane, lane.queue.break_off())
                self._ready[lane.room] = lane

    def pump(self) -> None:
        """Write what may be written now; hot path."""
        connection = self._connection
        if connection is None or self._is_held:
            return
        now_us = self._now_us()
        for _ in range(len(self._ready)):
            room, lane = next(iter(self._ready.items()))
            del self._ready[room]
            if lane.queue.needs_mode:
                self._settle_mode(lane)
            while True:
                credit = min(self._window - self._unanswered, _TURN_MAX)
                if credit <= 0 or not connection.is_writable:
                    self._ready[room] = lane
                    return
                taken = lane.queue.take(now_us, credit)
                for entry in taken:
                    self._write(connection, lane, entry)
                if len(taken) < credit:
                    break
                if len(self._ready) > 0:
                    self._ready[room] = lane  # others' turn
                    break

    def close(self, error: TidegateError) -> None:
        """End everything: what was written as unknown, the rest with this error."""
        self._connection = None
        if self._timer is not None:
            self._timer.cancel()
        for asking in self._asking.values():
            asking.cancel()
        for lane in self._lanes.values():
            left = lane.queue.drain()
            # What is unanswered will not be acknowledged, so it overtakes nothing.
            self._tell_sure(lane)
            for entry in left:
                self._finish(entry)
                if entry.tag.done():
                    continue
                if entry.seq == 0:
                    entry.tag.set_exception(copy_error(error))
                else:
                    unknown = TidegateError(
                        "OUTCOME_UNKNOWN",
                        "the client ended before this publish was answered; it may appear once, "
                        "later, or never",
                        cause=error,
                    )
                    entry.tag.set_exception(unknown)

    def _lane(self, room: str) -> _Lane:
        lane = self._lanes.get(room)
        if lane is None:
            if len(self._lanes) >= IDLE_QUEUE_COUNT_MAX:
                self._forget_idle()
            queue: PublishQueue[_Future] = PublishQueue(self._budget_us, self._first_seq)
            lane = _Lane(room, queue)
            self._lanes[room] = lane
        return lane

    def _forget_idle(self) -> None:
        for room, lane in self._lanes.items():
            if lane.queue.is_empty:
                self._first_seq = max(self._first_seq, lane.queue.next_seq)
                self._ready.pop(room, None)
                del self._lanes[room]
                return

    def _settle_mode(self, lane: _Lane) -> None:
        """Find out the mode of a room whose unanswered publishes wait for it."""
        is_durable = self._is_durable(lane.room)
        if is_durable is not None:
            self._end(lane, lane.queue.set_mode(is_durable))
        elif lane.room not in self._asking:
            self._asking[lane.room] = asyncio.create_task(self._ask(lane), name="tidegate-mode")

    async def _ask(self, lane: _Lane) -> None:
        is_durable = await self._ask_mode(lane.room)
        del self._asking[lane.room]
        self._end(lane, lane.queue.set_mode(is_durable))
        self._ready[lane.room] = lane
        self.pump()

    def _write(self, connection: Connection, lane: _Lane, entry: Entry[_Future]) -> None:
        self._unanswered += 1
        seq = entry.seq

        def encode(request_id: int) -> bytes:
            return encode_publish(
                request_id,
                self._alias_of(lane.room),
                lane.room,
                seq,
                entry.first_sent_us,
                entry.payload,
                entry.traceparent,
            )

        def on_reply(frame: frame_pb2.ServerFrame | None) -> None:
            if frame is None:
                return  # `detach` settles the whole queue
            self._unanswered -= 1
            self._on_reply(lane, seq, frame)

        connection.request(encode, on_reply)

    def _on_reply(self, lane: _Lane, seq: int, frame: frame_pb2.ServerFrame) -> None:
        if frame.HasField("publish_ack"):
            ack = frame.publish_ack
            position: Position | None = None
            if ack.HasField("position"):
                found = ack.position
                position = Position(found.epoch, found.seq, found.time_us)
            self._learn_mode(lane.room, position is not None)
            entry = lane.queue.acknowledge(seq)
            if entry is not None:
                lane.acks.add(entry, Ack(position, ack.duplicate, ack.trace_id))
            self._tell_sure(lane)
        else:
            _, ended = lane.queue.refuse(seq, read_error(frame.error), self._now_us())
            self._end(lane, ended)
        if not lane.queue.is_empty:
            self._ready[lane.room] = lane
        if self._ready:
            self.pump()

    def _end(self, lane: _Lane, failures: list[Failure[_Future]]) -> None:
        for failure in failures:
            self._finish(failure.entry)
            if not failure.entry.tag.done():
                failure.entry.tag.set_exception(copy_error(failure.error))
        self._tell_sure(lane)

    def _tell_sure(self, lane: _Lane) -> None:
        for unsure in lane.acks.take_sure(lane.queue.uncertain_seq_max):
            self._finish(unsure.entry)
            future = unsure.entry.tag
            if future.done():
                continue
            if unsure.is_overtaken:
                text = "it is stored, but behind a later publish of this client"
                future.set_exception(TidegateError("OUTCOME_UNKNOWN", text))
            else:
                future.set_result(unsure.ack)

    def _finish(self, entry: Entry[_Future]) -> None:
        self._count -= 1
        self._bytes -= len(entry.payload)

    def _on_done(self, lane: _Lane, entry: Entry[_Future], done: _Future) -> None:
        if done.cancelled() and lane.queue.remove_waiting(entry):
            self._finish(entry)

    def _tick(self) -> None:
        self._timer = None
        self._expire()
        self.pump()
        if self._count > 0:
            self._timer = self._loop.call_later(_TICK_S, self._tick)

    def _expire(self) -> None:
        """End what has passed its budget; whatever is left may have something to write."""
        now_us = self._now_us()
        for lane in self._lanes.values():
            if not lane.queue.is_empty:
                self._end(lane, lane.queue.expire(now_us))
                self._ready[lane.room] = lane
