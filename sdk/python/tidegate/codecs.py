"""Payload codecs: what an application's values look like as bytes.

A codec is chosen for each room at join. Nothing of it is on the wire: a message published as text
by one member can be read as bytes by another.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tidegate.errors import TidegateError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """A pair of functions between an application's type and bytes.

    Both may raise anything; callers see ``PAYLOAD_INVALID`` with that as its cause.

    Attributes:
        name: Shown in errors.
        encode: Turns a value into bytes; runs inside ``publish``.
        decode: Turns bytes into a value; runs when ``Message.data`` is read, never on the read
            loop.
    """

    name: str
    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]


def encode_with(codec: Codec[T], value: T) -> bytes:
    """Encode a value.

    Raises:
        TidegateError: ``PAYLOAD_INVALID`` when the codec can not encode it.
    """
    try:
        payload = codec.encode(value)
    except Exception as error:
        raise TidegateError(
            "PAYLOAD_INVALID",
            f"the codec {codec.name!r} can not encode a {type(value).__name__}: {error}",
            cause=error,
        ) from error
    if isinstance(payload, bytes):
        return payload
    raise TidegateError(
        "PAYLOAD_INVALID",
        f"the codec {codec.name!r} gave a {type(payload).__name__}, not bytes; "
        "encode the value, or join with another codec",
    )


def decode_with(codec: Codec[T], payload: bytes) -> T:
    """Decode a payload.

    Raises:
        TidegateError: ``PAYLOAD_INVALID`` when the codec can not decode it.
    """
    try:
        return codec.decode(payload)
    except Exception as error:
        raise TidegateError(
            "PAYLOAD_INVALID",
            f"the codec {codec.name!r} can not decode a payload of {len(payload)} bytes: {error}; "
            "read Message.payload for the bytes",
            cause=error,
        ) from error


def _encode_bytes(value: bytes) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    raise TypeError("bytes are wanted; join with text_codec or json_codec for other types")


def _same(payload: bytes) -> bytes:
    return payload


def _encode_text(value: str) -> bytes:
    return value.encode()


def _decode_text(payload: bytes) -> str:
    return payload.decode()


def _encode_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


bytes_codec: Codec[bytes] = Codec("bytes", _encode_bytes, _same)
"""Bytes as they are; the default. Also takes ``bytearray`` and ``memoryview``."""

text_codec: Codec[str] = Codec("text", _encode_text, _decode_text)
"""``str`` as UTF-8."""

json_codec: Codec[Any] = Codec("json", _encode_json, json.loads)
"""JSON as compact UTF-8; NaN and infinities are refused, as JSON has none."""
