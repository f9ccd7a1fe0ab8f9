"""Between protobuf frames and this package's own types; the only module that builds frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tidegate._gen.tidegate.client.v1 import (
    error_pb2,
    frame_pb2,
    history_pb2,
    message_pb2,
    room_pb2,
)
from tidegate.codecs import Codec
from tidegate.errors import TidegateError
from tidegate.events import Gap, GapReason, Message, Page, RoomPolicy, T
from tidegate.membership import JoinedFacts, JoinWish
from tidegate.position import Position

ServerFrame = frame_pb2.ServerFrame
PROTOCOL = 1
"""The one version of the protocol that this package speaks."""

_GAP_REASONS: dict[int, GapReason] = {
    message_pb2.GAP_REASON_RETENTION: "RETENTION",
    message_pb2.GAP_REASON_POSITION_UNKNOWN: "POSITION_UNKNOWN",
    message_pb2.GAP_REASON_SLOW_MEMBER: "SLOW_MEMBER",
    message_pb2.GAP_REASON_EPHEMERAL: "EPHEMERAL",
    message_pb2.GAP_REASON_BUS: "BUS",
}


def encode_hello(
    token: str,
    app_name: str,
    app_version: str,
    platform: str,
    producer_key: bytes,
    session_token: bytes,
    dial_count: int,
    attributes: Mapping[str, str],
    region: str,
) -> bytes:
    """Encode the first frame of a connection."""
    frame = frame_pb2.ClientFrame()
    hello = frame.hello
    hello.protocol_min = PROTOCOL
    hello.protocol_max = PROTOCOL
    hello.token = token
    hello.build.name = app_name
    hello.build.version = app_version
    hello.build.platform = platform
    hello.producer_key = producer_key
    hello.session_token = session_token
    hello.dial_count = dial_count
    for key, value in attributes.items():
        hello.attributes.add(key=key, value=value)
    hello.region = region
    return frame.SerializeToString()


def encode_join(request_id: int, wishes: Iterable[tuple[str, JoinWish]]) -> bytes:
    """Encode one Join for up to 256 rooms."""
    frame = frame_pb2.ClientFrame()
    frame.join.request_id = request_id
    for room, wish in wishes:
        added = frame.join.rooms.add(room=room, history=wish.history)
        if wish.after is not None:
            _put_position(added.after, wish.after)
    return frame.SerializeToString()


def encode_leave(request_id: int, alias: int) -> bytes:
    """Encode a Leave."""
    frame = frame_pb2.ClientFrame()
    frame.leave.request_id = request_id
    frame.leave.room_alias = alias
    return frame.SerializeToString()


def encode_publish(
    request_id: int,
    alias: int,
    room: str,
    producer_seq: int,
    first_sent_us: int,
    payload: bytes,
    traceparent: str,
) -> bytes:
    """Encode a Publish; hot path. Alias 0: by name."""
    frame = frame_pb2.ClientFrame()
    publish = frame.publish
    publish.request_id = request_id
    if alias:
        publish.room_alias = alias
    else:
        publish.room = room
    publish.producer_seq = producer_seq
    publish.first_sent_us = first_sent_us
    publish.payload = payload
    publish.traceparent = traceparent
    return frame.SerializeToString()


def encode_history(
    request_id: int, room: str, before: Position | None, after: Position | None, limit: int
) -> bytes:
    """Encode a History request."""
    frame = frame_pb2.ClientFrame()
    history = frame.history
    history.request_id = request_id
    history.room = room
    history.limit = limit
    if before is not None:
        _put_position(history.before, before)
    if after is not None:
        _put_position(history.after, after)
    return frame.SerializeToString()


def encode_ping(ping_id: int) -> bytes:
    """Encode a Ping."""
    frame = frame_pb2.ClientFrame()
    frame.ping.id = ping_id
    return frame.SerializeToString()


def encode_refresh(request_id: int, token: str) -> bytes:
    """Encode a Refresh."""
    frame = frame_pb2.ClientFrame()
    frame.refresh.token = token
    frame.refresh.request_id = request_id
    return frame.SerializeToString()


def encode_flag_exposures(told: Iterable[tuple[tuple[str, str], int]]) -> bytes:
    """Encode how often each variant, named by key and variant, was used."""
    frame = frame_pb2.ClientFrame()
    for (key, variant), count in told:
        frame.flag_exposures.exposures.add(key=key, variant=variant, count=count)
    return frame.SerializeToString()


def read_position(holder: message_pb2.Message | message_pb2.Gap, name: str) -> Position | None:
    """Read an optional position of a frame."""
    if not holder.HasField(name):
        return None
    found: message_pb2.Position = getattr(holder, name)
    return Position(found.epoch, found.seq, found.time_us)


def read_joined(joined: room_pb2.Joined) -> JoinedFacts:
    """Read what matters of a Joined to the membership."""
    head = None
    if joined.HasField("head"):
        head = Position(joined.head.epoch, joined.head.seq, joined.head.time_us)
    return JoinedFacts(
        is_durable=joined.policy.durable,
        head=head,
        recovered=joined.recovered if joined.HasField("recovered") else None,
        loss=_GAP_REASONS.get(joined.loss, "UNKNOWN"),
    )


def read_policy(policy: room_pb2.RoomPolicy) -> RoomPolicy:
    """Read a policy."""
    return RoomPolicy(
        durable=policy.durable,
        may_publish=policy.may_publish,
        may_read_history=policy.may_read_history,
        history_count_max=policy.history_count_max,
        history_age_max_s=policy.history_age_max_s,
        is_degraded=policy.degraded,
    )


def read_message(
    room: str,
    message: message_pb2.Message,
    codec: Codec[T],
    producer: bytes,
    trace: object = None,
) -> Message[T]:
    """Read a message; hot path.

    Args:
        room: Name of the room.
        message: What came.
        codec: Of the room.
        producer: The id of this client, to recognise its own messages.
        trace: What tracing.py made of its arrival.
    """
    envelope = message.envelope
    return Message(
        room,
        envelope.payload,
        read_position(message, "position"),
        envelope.user,
        envelope.producer,
        envelope.producer_seq,
        envelope.first_sent_us,
        producer != b"" and envelope.producer == producer,
        codec,
        trace,
    )


def read_gap(room: str, gap: message_pb2.Gap) -> Gap:
    """Read a Gap."""
    reason = _GAP_REASONS.get(gap.reason, "UNKNOWN")
    return Gap(room, reason, gap.missed_count, read_position(gap, "after"))


def read_page(
    room: str, page: history_pb2.HistoryPage, codec: Codec[T], producer: bytes
) -> Page[T]:
    """Read a history page."""
    return Page(
        messages=tuple(read_message(room, one, codec, producer) for one in page.messages),
        has_more=page.has_more,
        recovered=page.recovered if page.HasField("recovered") else None,
    )


def read_error(frame: error_pb2.ErrorFrame) -> TidegateError:
    """Read an ErrorFrame; what it says of retries counts more than the table."""
    return TidegateError(
        frame.code,
        frame.message,
        retryable=frame.retryable,
        retry_after_ms=frame.retry_after_ms,
        limit=frame.limit,
        limit_value=frame.limit_value,
        trace_id=frame.trace_id,
    )


def _put_position(target: message_pb2.Position, position: Position) -> None:
    target.epoch = position.epoch
    target.seq = position.seq
    target.time_us = position.time_us
