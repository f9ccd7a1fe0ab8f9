from tidegate._gen.tidegate.client.v1 import flag_pb2 as _flag_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GoAwayReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GO_AWAY_REASON_UNSPECIFIED: _ClassVar[GoAwayReason]
    GO_AWAY_REASON_DRAIN: _ClassVar[GoAwayReason]
    GO_AWAY_REASON_BALANCE: _ClassVar[GoAwayReason]
    GO_AWAY_REASON_CUT_OFF: _ClassVar[GoAwayReason]
GO_AWAY_REASON_UNSPECIFIED: GoAwayReason
GO_AWAY_REASON_DRAIN: GoAwayReason
GO_AWAY_REASON_BALANCE: GoAwayReason
GO_AWAY_REASON_CUT_OFF: GoAwayReason

class Hello(_message.Message):
    __slots__ = ("protocol_min", "protocol_max", "token", "build", "producer_key", "session_token", "dial_count", "attributes", "region")
    PROTOCOL_MIN_FIELD_NUMBER: _ClassVar[int]
    PROTOCOL_MAX_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    BUILD_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_KEY_FIELD_NUMBER: _ClassVar[int]
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    DIAL_COUNT_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    REGION_FIELD_NUMBER: _ClassVar[int]
    protocol_min: int
    protocol_max: int
    token: str
    build: ClientBuild
    producer_key: bytes
    session_token: bytes
    dial_count: int
    attributes: _containers.RepeatedCompositeFieldContainer[Attribute]
    region: str
    def __init__(self, protocol_min: _Optional[int] = ..., protocol_max: _Optional[int] = ..., token: _Optional[str] = ..., build: _Optional[_Union[ClientBuild, _Mapping]] = ..., producer_key: _Optional[bytes] = ..., session_token: _Optional[bytes] = ..., dial_count: _Optional[int] = ..., attributes: _Optional[_Iterable[_Union[Attribute, _Mapping]]] = ..., region: _Optional[str] = ...) -> None: ...

class Attribute(_message.Message):
    __slots__ = ("key", "value")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    key: str
    value: str
    def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...

class ClientBuild(_message.Message):
    __slots__ = ("name", "version", "platform")
    NAME_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PLATFORM_FIELD_NUMBER: _ClassVar[int]
    name: str
    version: str
    platform: str
    def __init__(self, name: _Optional[str] = ..., version: _Optional[str] = ..., platform: _Optional[str] = ...) -> None: ...

class Welcome(_message.Message):
    __slots__ = ("protocol", "connection_id", "server_time_us", "limits", "idle_timeout_ms", "publish_budget_ms", "tenant", "user", "server_version", "session_token", "targets", "token_expires_in_ms", "flags", "producer")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_ID_FIELD_NUMBER: _ClassVar[int]
    SERVER_TIME_US_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    IDLE_TIMEOUT_MS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_BUDGET_MS_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    USER_FIELD_NUMBER: _ClassVar[int]
    SERVER_VERSION_FIELD_NUMBER: _ClassVar[int]
    SESSION_TOKEN_FIELD_NUMBER: _ClassVar[int]
    TARGETS_FIELD_NUMBER: _ClassVar[int]
    TOKEN_EXPIRES_IN_MS_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    PRODUCER_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    connection_id: str
    server_time_us: int
    limits: Limits
    idle_timeout_ms: int
    publish_budget_ms: int
    tenant: str
    user: str
    server_version: str
    session_token: bytes
    targets: _containers.RepeatedScalarFieldContainer[str]
    token_expires_in_ms: int
    flags: _flag_pb2.Flags
    producer: bytes
    def __init__(self, protocol: _Optional[int] = ..., connection_id: _Optional[str] = ..., server_time_us: _Optional[int] = ..., limits: _Optional[_Union[Limits, _Mapping]] = ..., idle_timeout_ms: _Optional[int] = ..., publish_budget_ms: _Optional[int] = ..., tenant: _Optional[str] = ..., user: _Optional[str] = ..., server_version: _Optional[str] = ..., session_token: _Optional[bytes] = ..., targets: _Optional[_Iterable[str]] = ..., token_expires_in_ms: _Optional[int] = ..., flags: _Optional[_Union[_flag_pb2.Flags, _Mapping]] = ..., producer: _Optional[bytes] = ...) -> None: ...

class Refresh(_message.Message):
    __slots__ = ("token", "request_id")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    token: str
    request_id: int
    def __init__(self, token: _Optional[str] = ..., request_id: _Optional[int] = ...) -> None: ...

class Refreshed(_message.Message):
    __slots__ = ("request_id", "token_expires_in_ms")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    TOKEN_EXPIRES_IN_MS_FIELD_NUMBER: _ClassVar[int]
    request_id: int
    token_expires_in_ms: int
    def __init__(self, request_id: _Optional[int] = ..., token_expires_in_ms: _Optional[int] = ...) -> None: ...

class TokenExpiring(_message.Message):
    __slots__ = ("expires_in_ms", "revoked")
    EXPIRES_IN_MS_FIELD_NUMBER: _ClassVar[int]
    REVOKED_FIELD_NUMBER: _ClassVar[int]
    expires_in_ms: int
    revoked: bool
    def __init__(self, expires_in_ms: _Optional[int] = ..., revoked: _Optional[bool] = ...) -> None: ...

class GoAway(_message.Message):
    __slots__ = ("reason", "delay_ms", "target", "deadline_ms")
    REASON_FIELD_NUMBER: _ClassVar[int]
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    DEADLINE_MS_FIELD_NUMBER: _ClassVar[int]
    reason: GoAwayReason
    delay_ms: int
    target: str
    deadline_ms: int
    def __init__(self, reason: _Optional[_Union[GoAwayReason, str]] = ..., delay_ms: _Optional[int] = ..., target: _Optional[str] = ..., deadline_ms: _Optional[int] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("frame_bytes_max", "room_count_max", "publish_in_flight_max", "history_page_max", "tenant_connection_count_max", "user_connection_count_max", "ip_connection_count_max", "tenant_room_count_max", "frames_per_second_max", "bytes_per_second_max", "user_publishes_per_second_max", "tenant_stored_bytes_max", "tenant_connects_per_second_max")
    FRAME_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    ROOM_COUNT_MAX_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_IN_FLIGHT_MAX_FIELD_NUMBER: _ClassVar[int]
    HISTORY_PAGE_MAX_FIELD_NUMBER: _ClassVar[int]
    TENANT_CONNECTION_COUNT_MAX_FIELD_NUMBER: _ClassVar[int]
    USER_CONNECTION_COUNT_MAX_FIELD_NUMBER: _ClassVar[int]
    IP_CONNECTION_COUNT_MAX_FIELD_NUMBER: _ClassVar[int]
    TENANT_ROOM_COUNT_MAX_FIELD_NUMBER: _ClassVar[int]
    FRAMES_PER_SECOND_MAX_FIELD_NUMBER: _ClassVar[int]
    BYTES_PER_SECOND_MAX_FIELD_NUMBER: _ClassVar[int]
    USER_PUBLISHES_PER_SECOND_MAX_FIELD_NUMBER: _ClassVar[int]
    TENANT_STORED_BYTES_MAX_FIELD_NUMBER: _ClassVar[int]
    TENANT_CONNECTS_PER_SECOND_MAX_FIELD_NUMBER: _ClassVar[int]
    frame_bytes_max: int
    room_count_max: int
    publish_in_flight_max: int
    history_page_max: int
    tenant_connection_count_max: int
    user_connection_count_max: int
    ip_connection_count_max: int
    tenant_room_count_max: int
    frames_per_second_max: int
    bytes_per_second_max: int
    user_publishes_per_second_max: int
    tenant_stored_bytes_max: int
    tenant_connects_per_second_max: int
    def __init__(self, frame_bytes_max: _Optional[int] = ..., room_count_max: _Optional[int] = ..., publish_in_flight_max: _Optional[int] = ..., history_page_max: _Optional[int] = ..., tenant_connection_count_max: _Optional[int] = ..., user_connection_count_max: _Optional[int] = ..., ip_connection_count_max: _Optional[int] = ..., tenant_room_count_max: _Optional[int] = ..., frames_per_second_max: _Optional[int] = ..., bytes_per_second_max: _Optional[int] = ..., user_publishes_per_second_max: _Optional[int] = ..., tenant_stored_bytes_max: _Optional[int] = ..., tenant_connects_per_second_max: _Optional[int] = ...) -> None: ...

class Ping(_message.Message):
    __slots__ = ("id",)
    ID_FIELD_NUMBER: _ClassVar[int]
    id: int
    def __init__(self, id: _Optional[int] = ...) -> None: ...

class Pong(_message.Message):
    __slots__ = ("id", "server_time_us")
    ID_FIELD_NUMBER: _ClassVar[int]
    SERVER_TIME_US_FIELD_NUMBER: _ClassVar[int]
    id: int
    server_time_us: int
    def __init__(self, id: _Optional[int] = ..., server_time_us: _Optional[int] = ...) -> None: ...
