from tidegate._gen.tidegate.client.v1 import message_pb2 as _message_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Join(_message.Message):
    __slots__ = ("request_id", "rooms")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ROOMS_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    rooms: _containers.RepeatedCompositeFieldContainer[JoinRoom]
    def __init__(self, request_id: _Optional[int] = ..., rooms: _Optional[_Iterable[_Union[JoinRoom, _Mapping]]] = ...) -> None: ...

class JoinRoom(_message.Message):
    __slots__ = ("room", "after", "history")
    ROOM_FIELD_NUMBER: _ClassVar[int]
    AFTER_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    room: str
    after: _message_pb2.Position
    history: int
    def __init__(self, room: _Optional[str] = ..., after: _Optional[_Union[_message_pb2.Position, _Mapping]] = ..., history: _Optional[int] = ...) -> None: ...

class Joined(_message.Message):
    __slots__ = ("request_id", "room", "room_alias", "head", "recovered", "loss", "policy", "sibling")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    ROOM_ALIAS_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    RECOVERED_FIELD_NUMBER: _ClassVar[int]
    LOSS_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SIBLING_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    room: str
    room_alias: int
    head: _message_pb2.Position
    recovered: bool
    loss: _message_pb2.GapReason
    policy: RoomPolicy
    sibling: str
    def __init__(self, request_id: _Optional[int] = ..., room: _Optional[str] = ..., room_alias: _Optional[int] = ..., head: _Optional[_Union[_message_pb2.Position, _Mapping]] = ..., recovered: _Optional[bool] = ..., loss: _Optional[_Union[_message_pb2.GapReason, str]] = ..., policy: _Optional[_Union[RoomPolicy, _Mapping]] = ..., sibling: _Optional[str] = ...) -> None: ...

class Leave(_message.Message):
    __slots__ = ("request_id", "room_alias")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_ALIAS_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    room_alias: int
    def __init__(self, request_id: _Optional[int] = ..., room_alias: _Optional[int] = ...) -> None: ...

class Left(_message.Message):
    __slots__ = ("request_id", "room_alias", "code")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    ROOM_ALIAS_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    room_alias: int
    code: str
    def __init__(self, request_id: _Optional[int] = ..., room_alias: _Optional[int] = ..., code: _Optional[str] = ...) -> None: ...

class RoomPolicy(_message.Message):
    __slots__ = ("durable", "may_publish", "may_read_history", "history_count_max", "history_age_max_s", "degraded", "member_count_max", "room_publishes_per_second_max", "class_publishes_per_second_max", "payload_bytes_max")
    DURABLE_FIELD_NUMBER: _ClassVar[int]
    MAY_PUBLISH_FIELD_NUMBER: _ClassVar[int]
    MAY_READ_HISTORY_FIELD_NUMBER: _ClassVar[int]
    HISTORY_COUNT_MAX_FIELD_NUMBER: _ClassVar[int]
    HISTORY_AGE_MAX_S_FIELD_NUMBER: _ClassVar[int]
    DEGRADED_FIELD_NUMBER: _ClassVar[int]
    MEMBER_COUNT_MAX_FIELD_NUMBER: _ClassVar[int]
    ROOM_PUBLISHES_PER_SECOND_MAX_FIELD_NUMBER: _ClassVar[int]
    CLASS_PUBLISHES_PER_SECOND_MAX_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    durable: bool
    may_publish: bool
    may_read_history: bool
    history_count_max: int
    history_age_max_s: int
    degraded: bool
    member_count_max: int
    room_publishes_per_second_max: int
    class_publishes_per_second_max: int
    payload_bytes_max: int
    def __init__(self, durable: _Optional[bool] = ..., may_publish: _Optional[bool] = ..., may_read_history: _Optional[bool] = ..., history_count_max: _Optional[int] = ..., history_age_max_s: _Optional[int] = ..., degraded: _Optional[bool] = ..., member_count_max: _Optional[int] = ..., room_publishes_per_second_max: _Optional[int] = ..., class_publishes_per_second_max: _Optional[int] = ..., payload_bytes_max: _Optional[int] = ...) -> None: ...

class RoomPolicyChanged(_message.Message):
    __slots__ = ("room_alias", "policy")
    ROOM_ALIAS_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    room_alias: int
    policy: RoomPolicy
    def __init__(self, room_alias: _Optional[int] = ..., policy: _Optional[_Union[RoomPolicy, _Mapping]] = ...) -> None: ...
