"""The seam between the protocol and the package that carries its bytes.

Two implementations: socket_websockets.py (the default) and socket_picows.py (the ``fast`` extra).
Both push whole binary messages to a `SocketHandler` on the event loop, and both can stop reading,
so that a client that is behind pushes back on the gateway instead of filling its memory.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Protocol

SUBPROTOCOL = "tidegate.v1"

FRAME_BYTES_MAX = 64 * 1024 * 1024
"""Largest frame taken from a gateway: a history page of 500 payloads of 64 KiB, and room to spare.
A larger one closes the connection with 1009."""

WRITE_BUFFER_BYTES = 256 * 1024
"""Bytes waiting to be written above which a socket is not writable: publishes then wait in their
own queue, where they still count as never written."""

CLOSE_TIMEOUT_S = 1.0
"""How long a clean close may wait for the other side's; then the connection is cut."""


@dataclass(frozen=True, slots=True)
class SocketOptions:
    """How to open a socket.

    Attributes:
        url: ``ws:`` or ``wss:``.
        user_agent: Of the upgrade request.
        open_timeout_s: For TCP, TLS and the upgrade together.
        ssl: The context for ``wss:``; None for ``ws:``.
        proxy: URL of an HTTP or SOCKS proxy; None connects directly.
    """

    url: str
    user_agent: str
    open_timeout_s: float
    ssl: ssl.SSLContext | None
    proxy: str | None


class SocketHandler(Protocol):
    """What a socket tells; all of it on the event loop, `on_closed` once and last."""

    def on_frame(self, data: bytes) -> None:
        """A whole binary message came."""

    def on_writable(self) -> None:
        """The socket was not writable and is again."""

    def on_closed(self, close_code: int | None, reason: str) -> None:
        """The socket is gone; the code is None when the connection broke without one."""


class Socket(Protocol):
    """An open WebSocket."""

    @property
    def is_writable(self) -> bool:
        """Whether less than `WRITE_BUFFER_BYTES` wait to be written."""

    def send(self, data: bytes) -> None:
        """Write a binary message, without waiting; ignored once closing."""

    def pause_reading(self) -> None:
        """Take no more from the connection; a few frames already taken may still come."""

    def resume_reading(self) -> None:
        """Take frames again."""

    def close(self, close_code: int, reason: str) -> None:
        """Close cleanly, within `CLOSE_TIMEOUT_S`."""

    def abort(self) -> None:
        """Cut the TCP connection, at once and without a word."""
