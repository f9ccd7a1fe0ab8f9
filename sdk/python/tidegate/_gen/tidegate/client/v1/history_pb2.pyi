from tidegate._gen.tidegate.client.v1 import message_pb2 as _message_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class History(_message.Message):
    __slots__ = ("request_id", "room_alias", "room", "before", "after", "limit")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_ALIAS_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    room_alias: int
    room: str
    before: _message_pb2.Position
    after: _message_pb2.Position
    limit: int
    def __init__(self, request_id: _Optional[int] = ..., room_alias: _Optional[int] = ..., room: _Optional[str] = ..., before: _Optional[_Union[_message_pb2.Position, _Mapping]] = ..., after: _Optional[_Union[_message_pb2.Position, _Mapping]] = ..., limit: _Optional[int] = ...) -> None: ...

class HistoryPage(_message.Message):
    __slots__ = ("request_id", "messages", "has_more", "recovered")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    MESSAGES_FIELD_NUMBER: _ClassVar[int]
    HAS_MORE_FIELD_NUMBER: _ClassVar[int]
    RECOVERED_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    messages: _containers.RepeatedCompositeFieldContainer[_message_pb2.Message]
    has_more: bool
    recovered: bool
    def __init__(self, request_id: _Optional[int] = ..., messages: _Optional[_Iterable[_Union[_message_pb2.Message, _Mapping]]] = ..., has_more: _Optional[bool] = ..., recovered: _Optional[bool] = ...) -> None: ...
