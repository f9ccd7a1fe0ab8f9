from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class VersionAction(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERSION_ACTION_UNSPECIFIED: _ClassVar[VersionAction]
    VERSION_ACTION_ALLOW: _ClassVar[VersionAction]
    VERSION_ACTION_WARN: _ClassVar[VersionAction]
    VERSION_ACTION_READ_ONLY: _ClassVar[VersionAction]
    VERSION_ACTION_REFUSE: _ClassVar[VersionAction]
VERSION_ACTION_UNSPECIFIED: VersionAction
VERSION_ACTION_ALLOW: VersionAction
VERSION_ACTION_WARN: VersionAction
VERSION_ACTION_READ_ONLY: VersionAction
VERSION_ACTION_REFUSE: VersionAction

class VersionMismatch(_message.Message):
    __slots__ = ("action", "version", "required", "message", "download_url", "room", "gate")
    ACTION_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DOWNLOAD_URL_FIELD_NUMBER: _ClassVar[int]
    ROOM_FIELD_NUMBER: _ClassVar[int]
    GATE_FIELD_NUMBER: _ClassVar[int]
    action: VersionAction
    version: str
    required: str
    message: str
    download_url: str
    room: str
    gate: str
    def __init__(self, action: _Optional[_Union[VersionAction, str]] = ..., version: _Optional[str] = ..., required: _Optional[str] = ..., message: _Optional[str] = ..., download_url: _Optional[str] = ..., room: _Optional[str] = ..., gate: _Optional[str] = ...) -> None: ...

class Redirect(_message.Message):
    __slots__ = ("target", "delay_ms")
    TARGET_FIELD_NUMBER: _ClassVar[int]
    DELAY_MS_FIELD_NUMBER: _ClassVar[int]
    target: str
    delay_ms: int
    def __init__(self, target: _Optional[str] = ..., delay_ms: _Optional[int] = ...) -> None: ...
