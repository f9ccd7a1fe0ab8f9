from tidegate._gen.tidegate.client.v1 import error_pb2 as _error_pb2
from tidegate._gen.tidegate.client.v1 import flag_pb2 as _flag_pb2
from tidegate._gen.tidegate.client.v1 import history_pb2 as _history_pb2
from tidegate._gen.tidegate.client.v1 import message_pb2 as _message_pb2
from tidegate._gen.tidegate.client.v1 import publish_pb2 as _publish_pb2
from tidegate._gen.tidegate.client.v1 import room_pb2 as _room_pb2
from tidegate._gen.tidegate.client.v1 import session_pb2 as _session_pb2
from tidegate._gen.tidegate.client.v1 import version_pb2 as _version_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClientFrame(_message.Message):
    __slots__ = ("hello", "join", "leave", "publish", "history", "ping", "refresh", "flag_exposures")
    HELLO_FIELD_NUMBER: _ClassVar[int]
    JOIN_FIELD_NUMBER: _ClassVar[int]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    PING_FIELD_NUMBER: _ClassVar[int]
    REFRESH_FIELD_NUMBER: _ClassVar[int]
    FLAG_EXPOSURES_FIELD_NUMBER: _ClassVar[int]
    hello: _session_pb2.Hello
    join: _room_pb2.Join
    leave: _room_pb2.Leave
    publish: _publish_pb2.Publish
    history: _history_pb2.History
    ping: _session_pb2.Ping
    refresh: _session_pb2.Refresh
    flag_exposures: _flag_pb2.FlagExposures
    def __init__(self, hello: _Optional[_Union[_session_pb2.Hello, _Mapping]] = ..., join: _Optional[_Union[_room_pb2.Join, _Mapping]] = ..., leave: _Optional[_Union[_room_pb2.Leave, _Mapping]] = ..., publish: _Optional[_Union[_publish_pb2.Publish, _Mapping]] = ..., history: _Optional[_Union[_history_pb2.History, _Mapping]] = ..., ping: _Optional[_Union[_session_pb2.Ping, _Mapping]] = ..., refresh: _Optional[_Union[_session_pb2.Refresh, _Mapping]] = ..., flag_exposures: _Optional[_Union[_flag_pb2.FlagExposures, _Mapping]] = ...) -> None: ...

class ServerFrame(_message.Message):
    __slots__ = ("welcome", "joined", "left", "publish_ack", "message", "gap", "history_page", "pong", "room_policy_changed", "error", "go_away", "refreshed", "token_expiring", "flags", "version_mismatch", "redirect")
    WELCOME_FIELD_NUMBER: _ClassVar[int]
    JOINED_FIELD_NUMBER: _ClassVar[int]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_ACK_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    HISTORY_PAGE_FIELD_NUMBER: _ClassVar[int]
    PONG_FIELD_NUMBER: _ClassVar[int]
    ROOM_POLICY_CHANGED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    GO_AWAY_FIELD_NUMBER: _ClassVar[int]
    REFRESHED_FIELD_NUMBER: _ClassVar[int]
    TOKEN_EXPIRING_FIELD_NUMBER: _ClassVar[int]
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    VERSION_MISMATCH_FIELD_NUMBER: _ClassVar[int]
    REDIRECT_FIELD_NUMBER: _ClassVar[int]
    welcome: _session_pb2.Welcome
    joined: _room_pb2.Joined
    left: _room_pb2.Left
    publish_ack: _publish_pb2.PublishAck
    message: _message_pb2.Message
    gap: _message_pb2.Gap
    history_page: _history_pb2.HistoryPage
    pong: _session_pb2.Pong
    room_policy_changed: _room_pb2.RoomPolicyChanged
    error: _error_pb2.ErrorFrame
    go_away: _session_pb2.GoAway
    refreshed: _session_pb2.Refreshed
    token_expiring: _session_pb2.TokenExpiring
    flags: _flag_pb2.Flags
    version_mismatch: _version_pb2.VersionMismatch
    redirect: _version_pb2.Redirect
    def __init__(self, welcome: _Optional[_Union[_session_pb2.Welcome, _Mapping]] = ..., joined: _Optional[_Union[_room_pb2.Joined, _Mapping]] = ..., left: _Optional[_Union[_room_pb2.Left, _Mapping]] = ..., publish_ack: _Optional[_Union[_publish_pb2.PublishAck, _Mapping]] = ..., message: _Optional[_Union[_message_pb2.Message, _Mapping]] = ..., gap: _Optional[_Union[_message_pb2.Gap, _Mapping]] = ..., history_page: _Optional[_Union[_history_pb2.HistoryPage, _Mapping]] = ..., pong: _Optional[_Union[_session_pb2.Pong, _Mapping]] = ..., room_policy_changed: _Optional[_Union[_room_pb2.RoomPolicyChanged, _Mapping]] = ..., error: _Optional[_Union[_error_pb2.ErrorFrame, _Mapping]] = ..., go_away: _Optional[_Union[_session_pb2.GoAway, _Mapping]] = ..., refreshed: _Optional[_Union[_session_pb2.Refreshed, _Mapping]] = ..., token_expiring: _Optional[_Union[_session_pb2.TokenExpiring, _Mapping]] = ..., flags: _Optional[_Union[_flag_pb2.Flags, _Mapping]] = ..., version_mismatch: _Optional[_Union[_version_pb2.VersionMismatch, _Mapping]] = ..., redirect: _Optional[_Union[_version_pb2.Redirect, _Mapping]] = ...) -> None: ...
