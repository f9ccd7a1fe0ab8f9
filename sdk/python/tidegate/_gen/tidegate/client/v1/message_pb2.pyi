from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GapReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_REASON_UNSPECIFIED: _ClassVar[GapReason]
    GAP_REASON_RETENTION: _ClassVar[GapReason]
    GAP_REASON_POSITION_UNKNOWN: _ClassVar[GapReason]
    GAP_REASON_SLOW_MEMBER: _ClassVar[GapReason]
    GAP_REASON_EPHEMERAL: _ClassVar[GapReason]
    GAP_REASON_BUS: _ClassVar[GapReason]
GAP_REASON_UNSPECIFIED: GapReason
GAP_REASON_RETENTION: GapReason
GAP_REASON_POSITION_UNKNOWN: GapReason
GAP_REASON_SLOW_MEMBER: GapReason
GAP_REASON_EPHEMERAL: GapReason
GAP_REASON_BUS: GapReason

class Position(_message.Message):
    __slots__ = ("epoch", "seq", "time_us")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    TIME_US_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    seq: int
    time_us: int
    def __init__(self, epoch: _Optional[int] = ..., seq: _Optional[int] = ..., time_us: _Optional[int] = ...) -> None: ...

class Message(_message.Message):
    __slots__ = ("room_alias", "position", "prev_seq", "envelope", "ephemeral_seq", "traceparent")
    ROOM_ALIAS_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    PREV_SEQ_FIELD_NUMBER: _ClassVar[int]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    EPHEMERAL_SEQ_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    room_alias: int
    position: Position
    prev_seq: int
    envelope: Envelope
    ephemeral_seq: int
    traceparent: str
    def __init__(self, room_alias: _Optional[int] = ..., position: _Optional[_Union[Position, _Mapping]] = ..., prev_seq: _Optional[int] = ..., envelope: _Optional[_Union[Envelope, _Mapping]] = ..., ephemeral_seq: _Optional[int] = ..., traceparent: _Optional[str] = ...) -> None: ...

class Envelope(_message.Message):
    __slots__ = ("first_sent_us", "user", "producer", "producer_seq", "payload", "traceparent")
    FIRST_SENT_US_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_SEQ_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    first_sent_us: int
    user: str
    producer: bytes
    producer_seq: int
    payload: bytes
    traceparent: str
    def __init__(self, first_sent_us: _Optional[int] = ..., user: _Optional[str] = ..., producer: _Optional[bytes] = ..., producer_seq: _Optional[int] = ..., payload: _Optional[bytes] = ..., traceparent: _Optional[str] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("room_alias", "reason", "missed_count", "after")
    ROOM_ALIAS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MISSED_COUNT_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    room_alias: int
    reason: GapReason
    missed_count: int
    after: Position
    def __init__(self, room_alias: _Optional[int] = ..., reason: _Optional[_Union[GapReason, str]] = ..., missed_count: _Optional[int] = ..., after: _Optional[_Union[Position, _Mapping]] = ...) -> None: ...
