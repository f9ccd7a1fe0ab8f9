"""A socket by the `websockets` package: pure Python with a small C part, works everywhere."""

from __future__ import annotations

import asyncio
from collections import deque

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tidegate.errors import TidegateError
from tidegate.socket_seam import (
    CLOSE_TIMEOUT_S,
    FRAME_BYTES_MAX,
    SUBPROTOCOL,
    WRITE_BUFFER_BYTES,
    SocketHandler,
    SocketOptions,
)
from tidegate.upgrade import describe_refusal


async def open_websockets(options: SocketOptions, handler: SocketHandler) -> WebsocketsSocket:
    """Open a socket.

    Raises:
        TidegateError: The upgrade was refused (see upgrade.py).
        OSError, TimeoutError, websockets.WebSocketException: Nobody there, or no WebSocket.
    """
    try:
        connection = await connect(
            options.url,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            user_agent_header=options.user_agent,
            open_timeout=options.open_timeout_s,
            close_timeout=CLOSE_TIMEOUT_S,
            max_size=FRAME_BYTES_MAX,
            compression=None,
            ping_interval=None,  # the protocol has its own Ping
            proxy=options.proxy,
            ssl=options.ssl,
        )
    except InvalidStatus as error:
        body = error.response.body or b""
        raise describe_refusal(error.response.status_code, bytes(body)) from error
    if connection.subprotocol != SUBPROTOCOL:
        connection.transport.abort()
        raise TidegateError("CONNECT_FAILED", f"the server does not speak {SUBPROTOCOL}")
    return WebsocketsSocket(connection, handler)


class WebsocketsSocket:
    """See :class:`tidegate.socket_seam.Socket`."""

    def __init__(self, connection: ClientConnection, handler: SocketHandler) -> None:
        self._connection = connection
        self._handler = handler
        self._outgoing: deque[bytes] = deque()
        self._outgoing_bytes = 0
        self._has_outgoing = asyncio.Event()
        self._may_read = asyncio.Event()
        self._may_read.set()
        self._was_full = False
        self._is_closing = False
        self._writer = asyncio.create_task(self._write(), name="tidegate-write")
        self._reader = asyncio.create_task(self._read(), name="tidegate-read")
        self._closer: asyncio.Task[None] | None = None

    @property
    def is_writable(self) -> bool:
        """Whether less than `WRITE_BUFFER_BYTES` wait to be written."""
        if self._outgoing_bytes < WRITE_BUFFER_BYTES:
            return True
        self._was_full = True
        return False

    def send(self, data: bytes) -> None:
        """Write a binary message, without waiting; ignored once closing."""
        if self._is_closing:
            return
        self._outgoing.append(data)
        self._outgoing_bytes += len(data)
        self._has_outgoing.set()

    def pause_reading(self) -> None:
        """Take no more frames; the package reads 16 more, then stops reading the connection."""
        self._may_read.clear()

    def resume_reading(self) -> None:
        """Take frames again."""
        self._may_read.set()

    def close(self, close_code: int, reason: str) -> None:
        """Close cleanly, within `CLOSE_TIMEOUT_S`, after what was sent before."""
        if self._is_closing:
            return
        self._is_closing = True
        self._has_outgoing.set()
        self._may_read.set()
        self._closer = asyncio.create_task(self._close(close_code, reason), name="tidegate-close")

    def abort(self) -> None:
        """Cut the TCP connection, at once and without a word."""
        self._is_closing = True
        self._may_read.set()
        self._connection.transport.abort()

    async def _read(self) -> None:
        """Give every frame to the handler; the end of this task is the end of the socket."""
        close_code: int | None = None
        reason = ""
        try:
            while True:
                if not self._may_read.is_set():
                    await self._may_read.wait()
                data = await self._connection.recv(decode=False)
                self._handler.on_frame(data)
        except ConnectionClosed as closed:
            if closed.rcvd is not None:
                close_code, reason = closed.rcvd.code, closed.rcvd.reason
        finally:
            self._is_closing = True
            self._writer.cancel()
            self._handler.on_closed(close_code, reason)

    async def _write(self) -> None:
        """Write what was sent, in order, waiting while the connection does not take it."""
        try:
            while True:
                await self._has_outgoing.wait()
                self._has_outgoing.clear()
                while self._outgoing:
                    data = self._outgoing.popleft()
                    await self._connection.send(data)
                    self._outgoing_bytes -= len(data)
                    if self._was_full and self._outgoing_bytes * 2 < WRITE_BUFFER_BYTES:
                        self._was_full = False
                        self._handler.on_writable()
                if self._is_closing:
                    return
        except ConnectionClosed:
            return  # the reader sees it too, and tells

    async def _close(self, close_code: int, reason: str) -> None:
        await asyncio.wait([self._writer], timeout=CLOSE_TIMEOUT_S)
        await self._connection.close(close_code, reason)
