"""One room's membership on the wire: the life of Join and Leave, and the queue to the consumer.

It outlives connections. session.py hands it what arrives and does what it asks; membership.py
decides what is delivered; room.py is what users hold.
"""

from __future__ import annotations

import asyncio
from typing import Literal, Protocol

from tidegate._gen.tidegate.client.v1 import message_pb2, room_pb2
from tidegate.errors import TidegateError
from tidegate.event_queue import EventQueue
from tidegate.events import Gap, PolicyChanged, RoomPolicy
from tidegate.membership import JoinWish, Membership
from tidegate.options import ConnectOptions
from tidegate.position import Position
from tidegate.trace_seam import Arrived
from tidegate.wire import read_gap, read_joined, read_policy, read_position

LinkState = Literal["out", "joining", "in", "leaving", "parked", "ended"]
"""``out``: a Join is due. ``leaving``: a Leave is sent, its Left awaited. ``parked``: left because
the consumer is behind; joined again when it has drained."""

AfterLeave = Literal["rejoin", "park", "end"]

QueuedEvent = message_pb2.Message | Arrived | Gap | PolicyChanged


class LinkOwner(Protocol):
    """What a link asks of its session."""

    def want_join(self, link: RoomLink, delay_ms: float) -> None:
        """Join this room, when connected and the delay is over."""

    def send_leave(self, link: RoomLink) -> None:
        """Send a Leave for the link's alias; `take_left` follows, or `take_break`."""

    def bind(self, link: RoomLink, alias: int) -> None:
        """Messages with this alias are this link's."""

    def unbind(self, link: RoomLink) -> None:
        """The link's alias is void."""

    def note_behind(self, link: RoomLink) -> None:
        """Whether the link is behind may have changed."""

    def forget(self, link: RoomLink) -> None:
        """The link has ended."""


class RoomLink:
    """A room as the client has it.

    Attributes:
        name: Of the room.
        state: See `LinkState`.
        alias: Of the room on this connection; 0 while not in.
        policy: What the last Joined or RoomPolicyChanged said; None before.
        joined: Done at the first Joined; holds the error when that never comes.
        left: Done when the link has ended.
        retry_count: Joins refused in a row, for the back-off.
    """

    def __init__(
        self,
        owner: LinkOwner,
        name: str,
        after: Position | None,
        history: int,
        options: ConnectOptions,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.name = name
        self.state: LinkState = "out"
        self.alias = 0
        self.policy: RoomPolicy | None = None
        self.joined: asyncio.Future[None] = loop.create_future()
        self.left: asyncio.Future[None] = loop.create_future()
        self.retry_count = 0
        self._owner = owner
        self._membership = Membership(name, after, history)
        self._queue: EventQueue[QueuedEvent] = EventQueue(options.room_queue_max)
        self._tracing = options.tracing
        self._after_leave: AfterLeave = "rejoin"
        self._was_behind = False

    @property
    def position(self) -> Position | None:
        """The last position queued for the consumer, or joined after."""
        return self._membership.position

    @property
    def is_behind(self) -> bool:
        """Whether the consumer lags so far that nothing more need be read for this room."""
        return self._queue.is_behind or self._after_leave == "park"

    async def next_event(self) -> QueuedEvent:
        """Take the next event; see :meth:`EventQueue.get`."""
        event = await self._queue.get()
        if self._was_behind:
            self._on_drain()
        return event

    def leave(self) -> None:
        """Leave for good, as the user asked; `left` tells when."""
        if self.state == "in":
            self._leave("end")
        elif self.state in ("leaving", "joining"):
            self._after_leave = "end"
        elif self.state in ("out", "parked"):
            self.end(None)

    def end(self, error: TidegateError | None) -> None:
        """Over: the consumer reads what is queued, then the end, or the error."""
        if self.state == "ended":
            return
        self.state = "ended"
        self._owner.unbind(self)
        self._owner.forget(self)
        self._queue.end(error)
        if not self.joined.done():
            self.joined.set_exception(error or TidegateError("CLOSED", "the room was left"))
            self.joined.exception()  # its waiter may be gone
        if not self.left.done():
            self.left.set_result(None)

    def take_join_sent(self) -> JoinWish:
        """A Join is being written; gives what it has to ask for."""
        self.state = "joining"
        return self._membership.wish()

    def take_joined(self, joined: room_pb2.Joined) -> None:
        """The gateway answered a Join, or re-joined the member by itself."""
        if self.state not in ("joining", "in"):
            return
        self.retry_count = 0
        self.alias = joined.room_alias
        self._owner.bind(self, joined.room_alias)
        self.state = "in"
        gap = self._membership.take_joined(read_joined(joined))
        if gap is not None:
            self._queue.put(gap, 0)
        policy = read_policy(joined.policy)
        if self.policy is not None and policy != self.policy:
            self._queue.put(PolicyChanged(self.name, policy), 0)
        self.policy = policy
        if not self.joined.done():
            self.joined.set_result(None)
        if self._after_leave == "end":
            self._leave("end")

    def take_join_error(self, error: TidegateError, delay_ms: float) -> None:
        """The gateway refused a Join."""
        if self.state != "joining":
            return
        if self._after_leave == "end":
            self.end(None)
        elif error.retryable and (
            not error.limit or error.code == "RATE_LIMITED" or self.joined.done()
        ):
            self.state = "out"  # a quota refuses a first join for good: who asks decides
            self.retry_count += 1
            self._owner.want_join(self, delay_ms)
        else:
            self.end(error)

    def take_message(self, message: message_pb2.Message) -> None:
        """A message came; hot path."""
        if self.state != "in":
            return
        if self._queue.is_full:
            self._overflow()
            return
        position = read_position(message, "position")
        verdict = self._membership.take_message(position, message.prev_seq, message.ephemeral_seq)
        if verdict.action == "deliver":
            if verdict.gap is not None:
                self._queue.put(verdict.gap, 0)
            event = message if self._tracing is None else self._tracing.arrive(message)
            self._queue.put(event, len(message.envelope.payload))
            if not self._was_behind and self._queue.is_behind:
                self._note_behind()
        elif verdict.action == "rejoin":
            self._leave("rejoin")

    def take_gap(self, gap: message_pb2.Gap) -> None:
        """The gateway says that messages are missing here."""
        if self.state != "in":
            return
        if self._queue.is_full:
            self._overflow()  # joining again will tell it, or bring the messages
            return
        self._membership.take_gap()
        self._queue.put(read_gap(self.name, gap), 0)

    def take_policy(self, policy: room_pb2.RoomPolicy) -> None:
        """The policy changed."""
        if self.state != "in":
            return
        self.policy = read_policy(policy)
        if self._queue.is_full:
            self._overflow()
        else:
            self._queue.put(PolicyChanged(self.name, self.policy), 0)

    def take_left(self, error: TidegateError | None, delay_ms: float) -> None:
        """The membership ended: as we asked (None), or by the gateway."""
        if self.state not in ("in", "leaving"):
            return
        self._owner.unbind(self)
        if self.state == "leaving" and (error is None or self._after_leave == "end"):
            self._take_out()
        elif error is not None and not error.retryable:
            self.end(error)
        else:
            self.state = "out"
            self._after_leave = "rejoin"
            self._owner.want_join(self, delay_ms)

    def take_break(self) -> None:
        """The connection broke."""
        if self.state in ("joining", "in", "leaving"):
            self._owner.unbind(self)
            self._take_out()

    def _take_out(self) -> None:
        """No member any more; on to what was wanted after that."""
        if self._after_leave == "end":
            self.end(None)
        elif self._after_leave == "park" and not self._queue.is_drained:
            self.state = "parked"
        else:
            self.state = "out"
            self._after_leave = "rejoin"
            self._owner.want_join(self, 0)
            self._note_behind()

    def _overflow(self) -> None:
        """The consumer is too far behind: leave, and join after the last queued when it drained."""
        self._membership.note_loss()
        self._leave("park")
        self._note_behind()

    def _leave(self, then: AfterLeave) -> None:
        self.state = "leaving"
        self._after_leave = then
        self._owner.send_leave(self)

    def _on_drain(self) -> None:
        if self._after_leave == "park" and self._queue.is_drained:
            self._after_leave = "rejoin"
            if self.state == "parked":
                self.state = "out"
                self._owner.want_join(self, 0)
        self._note_behind()

    def _note_behind(self) -> None:
        is_behind = self.is_behind
        if is_behind != self._was_behind:
            self._was_behind = is_behind
            self._owner.note_behind(self)
