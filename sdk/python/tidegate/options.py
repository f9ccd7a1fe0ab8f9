"""The options of a connection: defaults, bounds and their check."""

from __future__ import annotations

import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from tidegate.errors import TidegateError
from tidegate.trace_seam import TraceHooks

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]
"""A bearer token, or a function that gives a fresh one: for each connection, and before it ends."""

SocketKind: TypeAlias = Literal["websockets", "picows"]
"""Which package carries the bytes: ``websockets`` always works, ``picows`` (extra ``fast``) is
C."""

TOKEN_BYTES_MAX = 8192
"""Bound of Hello.token."""

ATTRIBUTE_COUNT_MAX = 32
"""Bound of Hello.attributes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectOptions:
    """How to connect; see :func:`tidegate.connect`, which takes these by name."""

    url: str
    token: Token = ""
    app_name: str = "tidegate-python"
    app_version: str = "0.1.0"
    connect_timeout_ms: int = 10_000
    request_timeout_ms: int = 10_000
    room_queue_max: int = 1_024
    publish_queue_max: int = 8_192
    socket: SocketKind = "websockets"
    ssl: ssl.SSLContext | None = None
    proxy: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    region: str = ""
    tracing: TraceHooks | None = None


def validate_options(options: ConnectOptions) -> ConnectOptions:
    """Check every option against its bounds.

    Raises:
        TidegateError: ``OPTION_INVALID``, naming the option, its value and its bounds.
    """
    parts = urlsplit(options.url)
    if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.fragment:
        _refuse("url", options.url, 'a URL like "ws://127.0.0.1:8080/ws"')
    if options.ssl is not None and parts.scheme != "wss":
        _refuse("ssl", options.ssl, "None with a ws: URL; use wss:")
    if isinstance(options.token, str) and len(options.token.encode()) > TOKEN_BYTES_MAX:
        _refuse("token", f"{len(options.token)} characters", f"at most {TOKEN_BYTES_MAX} bytes")
    for name in ("app_name", "app_version"):
        text: str = getattr(options, name)
        if len(text.encode()) > 64:
            _refuse(name, text, "at most 64 bytes of UTF-8")
    _check_range("connect_timeout_ms", options.connect_timeout_ms, 100, 300_000)
    _check_range("request_timeout_ms", options.request_timeout_ms, 100, 300_000)
    _check_range("room_queue_max", options.room_queue_max, 4, 1_000_000)
    _check_range("publish_queue_max", options.publish_queue_max, 1, 1_000_000)
    if options.socket not in ("websockets", "picows"):
        _refuse("socket", options.socket, '"websockets" or "picows"')
    if not re.fullmatch(r"[a-z0-9-]{0,32}", options.region):
        _refuse("region", options.region, "at most 32 of a-z, 0-9 and -")
    if len(options.attributes) > ATTRIBUTE_COUNT_MAX:
        _refuse("attributes", f"{len(options.attributes)} pairs", f"at most {ATTRIBUTE_COUNT_MAX}")
    for key, value in options.attributes.items():
        if not 1 <= len(key.encode()) <= 64 or len(value.encode()) > 256:
            _refuse("attributes", {key: value}, "keys of 1 to 64 bytes, values of at most 256")
    return options


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        _refuse(name, value, f"a whole number from {low} to {high}")


def _refuse(name: str, value: object, bound: str) -> None:
    raise TidegateError("OPTION_INVALID", f"option {name} is {value!r}; it must be {bound}")
