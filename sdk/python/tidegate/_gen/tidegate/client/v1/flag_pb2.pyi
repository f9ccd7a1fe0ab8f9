from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Flags(_message.Message):
    __slots__ = ("flags", "all", "version", "age_ms", "stale")
    FLAGS_FIELD_NUMBER: _ClassVar[int]
    ALL_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    AGE_MS_FIELD_NUMBER: _ClassVar[int]
    STALE_FIELD_NUMBER: _ClassVar[int]
    flags: _containers.RepeatedCompositeFieldContainer[Flag]
    all: bool
    version: int
    age_ms: int
    stale: bool
    def __init__(self, flags: _Optional[_Iterable[_Union[Flag, _Mapping]]] = ..., all: _Optional[bool] = ..., version: _Optional[int] = ..., age_ms: _Optional[int] = ..., stale: _Optional[bool] = ...) -> None: ...

class Flag(_message.Message):
    __slots__ = ("key", "value_json", "variant", "reason", "version")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_JSON_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    key: str
    value_json: str
    variant: str
    reason: str
    version: int
    def __init__(self, key: _Optional[str] = ..., value_json: _Optional[str] = ..., variant: _Optional[str] = ..., reason: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class FlagExposures(_message.Message):
    __slots__ = ("exposures",)
    EXPOSURES_FIELD_NUMBER: _ClassVar[int]
    exposures: _containers.RepeatedCompositeFieldContainer[FlagExposure]
    def __init__(self, exposures: _Optional[_Iterable[_Union[FlagExposure, _Mapping]]] = ...) -> None: ...

class FlagExposure(_message.Message):
    __slots__ = ("key", "variant", "count")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VARIANT_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    key: str
    variant: str
    count: int
    def __init__(self, key: _Optional[str] = ..., variant: _Optional[str] = ..., count: _Optional[int] = ...) -> None: ...
