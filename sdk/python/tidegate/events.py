"""What a room yields, and what calls return: plain, immutable data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from tidegate.codecs import Codec, decode_with
from tidegate.position import Position

T = TypeVar("T")

GapReason = Literal["RETENTION", "POSITION_UNKNOWN", "SLOW_MEMBER", "EPHEMERAL", "BUS", "UNKNOWN"]
"""Why messages are missing.

``RETENTION``: older than the class keeps, or more than it keeps were missed.
``POSITION_UNKNOWN``: the position is not in this room's history (another history, a restored
backup, the future). ``SLOW_MEMBER``: this member read too slowly and its class, or an ephemeral
room, drops. ``EPHEMERAL``: what an ephemeral room said while the client was away can not be
recovered. ``BUS``: messages of an ephemeral room were lost between gateways, or may have been.
"""


@dataclass(frozen=True, slots=True)
class Message(Generic[T]):
    """One message of a room.

    Attributes:
        room: Name of the room.
        payload: The publisher's bytes, untouched.
        position: Keep it to resume after this message; None in ephemeral rooms.
        user: The authenticated publisher, empty when anonymous.
        producer: 16 bytes that name the publishing client instance; may be empty.
        producer_seq: The publisher's count in this room; 0 if none was given.
        first_sent_us: Server time of the publisher's first try, microseconds since 1970-01-01 UTC;
            0 if none was given.
        is_own: Whether this very client published it.
    """

    room: str
    payload: bytes
    position: Position | None
    user: str
    producer: bytes
    producer_seq: int
    first_sent_us: int
    is_own: bool
    _codec: Codec[T] = field(repr=False, compare=False)
    _trace: object = field(default=None, repr=False, compare=False)

    @property
    def data(self) -> T:
        """The payload, decoded by the room's codec at each read.

        Raises:
            TidegateError: ``PAYLOAD_INVALID`` when the codec can not decode it. The stream goes on:
                one bad message of another publisher ends nothing.
        """
        return decode_with(self._codec, self.payload)


@dataclass(frozen=True, slots=True)
class Gap:
    """Messages are missing here for good, between the event before and the event after.

    Attributes:
        room: Name of the room.
        reason: Why.
        missed_count: How many are missing; 0 when unknown.
        after: Durable rooms: the last position before the gap, if any.
    """

    room: str
    reason: GapReason
    missed_count: int
    after: Position | None


@dataclass(frozen=True, slots=True)
class RoomPolicy:
    """What a room's class and the member's own capabilities allow now.

    Attributes:
        durable: True: stored, acknowledged, ordered, resumable. False: at most once.
        may_publish: Whether this member may publish.
        may_read_history: Whether this member may read history.
        history_count_max: Messages that history and resume can reach back; 0 in ephemeral rooms.
        history_age_max_s: Age that history and resume can reach back, seconds; 0 in ephemeral
            rooms.
        is_degraded: The gateway is cut off from the others: nothing comes from elsewhere until it
            is back.
    """

    durable: bool
    may_publish: bool
    may_read_history: bool
    history_count_max: int
    history_age_max_s: int
    is_degraded: bool


@dataclass(frozen=True, slots=True)
class PolicyChanged:
    """The policy of a joined room changed while it was joined.

    Attributes:
        room: Name of the room.
        policy: What is allowed from now on.
    """

    room: str
    policy: RoomPolicy


@dataclass(frozen=True, slots=True)
class Ack:
    """A publish was taken.

    Attributes:
        position: Where it is stored; None in ephemeral rooms, where it was passed on to the bus.
        is_duplicate: True when an earlier try had been stored already; `position` is that one's.
        trace_id: The trace of the message, 32 hex digits: quote it to operators. Empty: not
            sampled.
    """

    position: Position | None
    is_duplicate: bool
    trace_id: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of history.

    Attributes:
        messages: Oldest first.
        has_more: Whether the class still keeps more in the asked direction.
        recovered: Set when asked ``after``: whether the page continues exactly there.
    """

    messages: tuple[Message[T], ...]
    has_more: bool
    recovered: bool | None
