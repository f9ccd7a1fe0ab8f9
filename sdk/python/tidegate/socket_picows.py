"""A socket by the `picows` package: C, several times less CPU for each frame.

Installed by the extra ``fast``; this module is imported only when ``socket="picows"`` is chosen.
"""

from __future__ import annotations

import asyncio
from collections import deque

import picows
from picows import WSFrame, WSListener, WSMsgType, WSTransport

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

_TURN_FRAME_COUNT_MAX = 256
"""Frames given in one turn of the event loop. The package gives all of a read at once; the rest is
held until the consumers had their turn, else a burst would overflow rooms with a quick consumer."""


async def open_picows(options: SocketOptions, handler: SocketHandler) -> PicowsSocket:
    """Open a socket.

    Raises:
        TidegateError: The upgrade was refused (see upgrade.py).
        OSError, TimeoutError, picows.WSError: Nobody there, or no WebSocket.
    """
    try:
        transport, listener = await asyncio.wait_for(
            picows.ws_connect(
                lambda: PicowsSocket(handler),
                options.url,
                ssl_context=options.ssl,
                websocket_handshake_timeout=options.open_timeout_s,
                max_frame_size=FRAME_BYTES_MAX,
                max_redirects=0,
                enable_auto_ping=False,  # the protocol has its own Ping
                enable_auto_pong=True,
                proxy=options.proxy,
                extra_headers={
                    "Sec-WebSocket-Protocol": SUBPROTOCOL,
                    "User-Agent": options.user_agent,
                },
            ),
            options.open_timeout_s,
        )
    except picows.WSInvalidStatusError as error:
        response = error.response
        status = 0 if response is None else int(response.status)
        body = b"" if response is None else bytes(response.body or b"")
        raise describe_refusal(status, body) from error
    if transport.response.headers.get("Sec-WebSocket-Protocol") != SUBPROTOCOL:
        transport.disconnect(graceful=False)
        raise TidegateError("CONNECT_FAILED", f"the server does not speak {SUBPROTOCOL}")
    assert isinstance(listener, PicowsSocket)
    return listener


class PicowsSocket(WSListener):
    """See :class:`tidegate.socket_seam.Socket`; the package's listener is the socket itself."""

    def __init__(self, handler: SocketHandler) -> None:
        self._handler = handler
        self._transport: WSTransport | None = None
        self._close_code: int | None = None
        self._close_reason = ""
        self._parts: list[bytes] = []
        self._parts_bytes = 0
        self._is_writable = True
        self._is_closing = False
        self._is_paused = False
        self._is_gone = False
        self._turn_count = 0
        self._held: deque[bytes] = deque()  # read and not given; bounded by the package's one read

    @property
    def is_writable(self) -> bool:
        """Whether less than `WRITE_BUFFER_BYTES` wait to be written."""
        return self._is_writable

    def send(self, data: bytes) -> None:
        """Write a binary message, without waiting; ignored once closing."""
        if not self._is_closing and self._transport is not None:
            self._transport.send(WSMsgType.BINARY, data)

    def pause_reading(self) -> None:
        """Take no more frames; those already read are held."""
        self._is_paused = True
        if self._transport is not None and not self._is_closing:
            self._transport.underlying_transport.pause_reading()

    def resume_reading(self) -> None:
        """Take frames again, soon."""
        if self._is_paused:
            self._is_paused = False
            asyncio.get_running_loop().call_soon(self._give_held)

    def close(self, close_code: int, reason: str) -> None:
        """Close cleanly, within `CLOSE_TIMEOUT_S`."""
        if self._is_closing or self._transport is None:
            return
        self.resume_reading()
        self._is_closing = True
        self._transport.send_close(picows.WSCloseCode(close_code), reason.encode())
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.disconnect, False)

    def abort(self) -> None:
        """Cut the TCP connection, at once and without a word."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Of the package: the upgrade is complete."""
        self._transport = transport
        transport.underlying_transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Of the package: a WebSocket frame; hot path."""
        kind = frame.msg_type
        if kind == WSMsgType.BINARY and frame.fin:
            self._give(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            self._on_close_frame(transport, frame.get_payload_as_bytes())
        elif kind in (WSMsgType.BINARY, WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._on_part(frame)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """Of the package: the connection is gone."""
        self._is_closing = True
        self._is_gone = True
        while self._held:
            self._handler.on_frame(self._held.popleft())
        self._handler.on_closed(self._close_code, self._close_reason)

    def pause_writing(self) -> None:
        """Of the package: the write buffer is over its limit."""
        self._is_writable = False

    def resume_writing(self) -> None:
        """Of the package: the write buffer has drained."""
        self._is_writable = True
        self._handler.on_writable()

    def _on_close_frame(self, transport: WSTransport, payload: bytes) -> None:
        if len(payload) >= 2:
            self._close_code = int.from_bytes(payload[:2], "big")
            self._close_reason = payload[2:].decode("utf-8", "replace")
        if not self._is_closing:
            transport.send_close(picows.WSCloseCode.OK)
        self._is_closing = True
        transport.disconnect()

    def _on_part(self, frame: WSFrame) -> None:
        """A fragment, or text: put together here, as the package gives frames as they come."""
        self._parts.append(frame.get_payload_as_bytes())
        self._parts_bytes += frame.payload_size
        if self._parts_bytes > FRAME_BYTES_MAX:
            raise picows.WSProtocolError(picows.WSCloseCode.MESSAGE_TOO_BIG, "message too big")
        if frame.fin:
            data = b"".join(self._parts)
            self._parts.clear()
            self._parts_bytes = 0
            self._give(data)

    def _give(self, data: bytes) -> None:
        """Give a frame to the handler, or hold it; hot path."""
        if self._held or self._is_paused:
            self._held.append(data)
            return
        if self._turn_count == 0:
            asyncio.get_running_loop().call_soon(self._end_turn)
        self._turn_count += 1
        if self._turn_count <= _TURN_FRAME_COUNT_MAX:
            self._handler.on_frame(data)
            return
        self._held.append(data)
        if self._transport is not None and not self._is_closing:
            self._transport.underlying_transport.pause_reading()

    def _end_turn(self) -> None:
        self._turn_count = 0
        if self._held:
            self._give_held()

    def _give_held(self) -> None:
        """Give what was held, a turn's worth at a time; then read again."""
        for _ in range(min(len(self._held), _TURN_FRAME_COUNT_MAX)):
            if self._is_paused or self._is_gone:
                return
            self._handler.on_frame(self._held.popleft())
        if self._is_paused or self._is_gone:
            return
        if self._held:
            asyncio.get_running_loop().call_soon(self._give_held)
        elif self._transport is not None and not self._is_closing:
            self._transport.underlying_transport.resume_reading()
