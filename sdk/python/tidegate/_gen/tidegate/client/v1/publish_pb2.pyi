from tidegate._gen.tidegate.client.v1 import message_pb2 as _message_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Publish(_message.Message):
    __slots__ = ("request_id", "room_alias", "room", "producer_seq", "first_sent_us", "payload", "traceparent")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_ALIAS_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_SEQ_FIELD_NUMBER: _ClassVar[int]
    FIRST_SENT_US_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    room_alias: int
    room: str
    producer_seq: int
    first_sent_us: int
    payload: bytes
    traceparent: str
    def __init__(self, request_id: _Optional[int] = ..., room_alias: _Optional[int] = ..., room: _Optional[str] = ..., producer_seq: _Optional[int] = ..., first_sent_us: _Optional[int] = ..., payload: _Optional[bytes] = ..., traceparent: _Optional[str] = ...) -> None: ...

class PublishAck(_message.Message):
    __slots__ = ("request_id", "position", "duplicate", "trace_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    TRACE_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    position: _message_pb2.Position
    duplicate: bool
    trace_id: str
    def __init__(self, request_id: _Optional[int] = ..., position: _Optional[_Union[_message_pb2.Position, _Mapping]] = ..., duplicate: _Optional[bool] = ..., trace_id: _Optional[str] = ...) -> None: ...
