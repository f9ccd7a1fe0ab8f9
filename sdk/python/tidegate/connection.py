"""One connection, from Hello to its end: requests by id, health, and the last words of the gateway.

It lives once; session.py opens the next. Frames that answer no request go to the `FrameTaker`.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from google.protobuf.message import DecodeError

from tidegate._gen.errors import ERRORS
from tidegate._gen.tidegate.client.v1 import frame_pb2, session_pb2, version_pb2
from tidegate.errors import TidegateError
from tidegate.health import Health, judge_health
from tidegate.options import ConnectOptions
from tidegate.socket_choice import open_socket, tls_context
from tidegate.socket_seam import Socket, SocketOptions
from tidegate.wire import PROTOCOL, ServerFrame, encode_hello, encode_ping, read_error

ReplyTaker = Callable[["frame_pb2.ServerFrame | None"], None]
"""Takes the frame that answers a request, or None when the connection broke before."""

_REQUEST_ID_MAX = 0xFFFF_FFFF

_LOG = logging.getLogger("tidegate")

MOVED_CLOSE_CODE = 4100
"""How a connection is closed that another has replaced: its seats are on their way there."""

_REPLY_KINDS = frozenset({"publish_ack", "history_page", "left", "refreshed"})


@dataclass(frozen=True, slots=True)
class CloseFacts:
    """How a connection ended.

    Attributes:
        code: WebSocket close code; None when it broke without one.
        error: The last ErrorFrame that concerned the whole connection, or what broke it.
        redirect: Where to go instead: said before the end of one that had no Welcome.
    """

    code: int | None
    error: TidegateError
    redirect: version_pb2.Redirect | None = None


@dataclass(frozen=True, slots=True)
class Dial:
    """Which connection to open, and who comes back.

    Attributes:
        url: Where to.
        token: Bearer token.
        producer_key: Of the client.
        session_token: Of the last Welcome; empty before the first.
        count: Counts the connections of the client, from 1.
        timeout_ms: From dialling to Welcome.
        settle: Waited for before Hello is sent; None for none.
    """

    url: str
    token: str
    producer_key: bytes
    session_token: bytes
    count: int
    timeout_ms: float
    settle: Callable[[], Awaitable[None]] | None = None


class FrameTaker(Protocol):
    """What a connection tells its owner; all of it on the event loop."""

    def on_frame(self, kind: str, frame: frame_pb2.ServerFrame) -> None:
        """A frame that answers no pending request."""

    def on_server_time(self, server_time_us: int) -> None:
        """The server said its time."""

    def on_writable(self) -> None:
        """The socket takes bytes again."""

    def on_closed(self, connection: Connection, facts: CloseFacts) -> None:
        """The connection is gone; every pending request was answered with None before."""


class Connection:
    """A WebSocket that has said Hello; `welcome` is set once `open` has returned."""

    def __init__(self, taker: FrameTaker) -> None:
        self.welcome = session_pb2.Welcome()
        self._taker: FrameTaker | None = taker
        self._loop = asyncio.get_running_loop()
        self._socket: Socket | None = None
        self._welcomed: asyncio.Future[None] = self._loop.create_future()
        self._pending: dict[int, ReplyTaker] = {}
        self._last_request_id = 0
        self._health = Health(self._loop.time())
        self._health_timer: asyncio.TimerHandle | None = None
        self._is_reading = True
        self._is_open = False
        self._is_taken = False
        self._early: list[tuple[str, frame_pb2.ServerFrame]] = []
        self._last_error: TidegateError | None = None
        self._redirect: version_pb2.Redirect | None = None

    @property
    def is_writable(self) -> bool:
        """Whether a publish may be written now instead of waiting in its own queue."""
        return self._socket is not None and self._socket.is_writable

    @property
    def is_open(self) -> bool:
        """Whether it had its Welcome and is not gone."""
        return self._is_open

    @property
    def pending_count(self) -> int:
        """Requests that wait for their answer."""
        return len(self._pending)

    async def open(self, options: ConnectOptions, dial: Dial) -> None:
        """Open the socket, say Hello and wait for Welcome.

        Raises:
            TidegateError: ``CONNECT_FAILED`` when nobody answers in time; else the gateway's
                refusal.
        """
        try:
            await asyncio.wait_for(self._open(options, dial), dial.timeout_ms / 1000)
        except (asyncio.TimeoutError, TimeoutError) as error:
            self.abort()
            raise TidegateError(
                "CONNECT_FAILED",
                f"no Welcome from {dial.url} within {dial.timeout_ms:.0f} ms",
                cause=error,
            ) from error
        except BaseException:
            self.abort()
            raise

    async def _open(self, options: ConnectOptions, dial: Dial) -> None:
        socket_options = SocketOptions(
            url=dial.url,
            user_agent=f"{options.app_name}/{options.app_version}",
            open_timeout_s=dial.timeout_ms / 1000,
            ssl=tls_context(options, dial.url),
            proxy=options.proxy,
        )
        try:
            self._socket = await open_socket(options, socket_options, self)
        except (TidegateError, asyncio.CancelledError, TimeoutError, asyncio.TimeoutError):
            raise
        except Exception as error:  # each package has its own kinds; all mean the same here
            raise TidegateError(
                "CONNECT_FAILED", f"can not connect to {dial.url}: {error}", cause=error
            ) from error
        if dial.settle is not None:
            await dial.settle()
        hello = encode_hello(
            dial.token,
            options.app_name,
            options.app_version,
            platform.python_implementation().lower(),
            dial.producer_key,
            dial.session_token,
            dial.count,
            options.attributes,
            options.region,
        )
        self.send(hello)
        await self._welcomed
        if self._is_open:
            self._check_health()

    def next_request_id(self) -> int:
        """Give an id for a request that is answered by other frames than one reply."""
        self._last_request_id = self._last_request_id % _REQUEST_ID_MAX + 1
        return self._last_request_id

    def send(self, data: bytes) -> None:
        """Write a frame."""
        if self._socket is not None:
            self._socket.send(data)

    def request(self, encode: Callable[[int], bytes], on_reply: ReplyTaker) -> int:
        """Write a frame that will be answered; hot path.

        Args:
            encode: Makes the frame from its request id.
            on_reply: Called exactly once: with the answer, or with None.
        """
        request_id = self.next_request_id()
        self._pending[request_id] = on_reply
        if not self._is_reading:
            self.set_reading(True)  # the answer must come through, however far behind rooms are
        self.send(encode(request_id))
        return request_id

    def ping(self, on_reply: ReplyTaker | None = None) -> None:
        """Ask for a Pong."""
        self._health.note_ping(self._loop.time())
        request_id = self.next_request_id()
        if on_reply is not None:
            self._pending[request_id] = on_reply
        self.send(encode_ping(request_id))

    def set_reading(self, is_reading: bool) -> None:
        """Read the socket, or let the gateway see that we are behind."""
        if is_reading == self._is_reading or self._socket is None:
            return
        self._is_reading = is_reading
        if is_reading:
            # Silence while nobody listened is not the gateway's.
            self._health.last_frame_s = self._loop.time()
            self._socket.resume_reading()
        else:
            self._socket.pause_reading()

    def close(self, close_code: int = 1000, reason: str = "") -> None:
        """Close cleanly; `on_closed` follows."""
        if self._socket is not None:
            self._socket.close(close_code, reason)

    def leave(self) -> None:
        """Close because another connection has taken its place; nothing of it is told any more."""
        self._is_open = False
        self._end_pending()
        self.close(MOVED_CLOSE_CODE)
        self._taker = None
        if self._health_timer is not None:
            self._health_timer.cancel()

    def abort(self, error: TidegateError | None = None) -> None:
        """Cut the TCP connection; `on_closed` follows, with this error."""
        if error is not None:
            self._last_error = error
        if self._socket is not None:
            self._socket.abort()

    def on_frame(self, data: bytes) -> None:
        """Of the socket: a frame came; hot path."""
        self._health.last_frame_s = self._loop.time()
        taker = self._taker
        if taker is None:
            return  # it was left
        try:
            frame = ServerFrame.FromString(data)
        except DecodeError as error:
            self.abort(TidegateError("FRAME_INVALID", "a frame did not decode", cause=error))
            return
        kind = frame.WhichOneof("frame")
        if kind is None:
            return  # a kind of a later version
        if kind in _REPLY_KINDS:
            request_id: int = getattr(frame, kind).request_id
            on_reply = self._pending.pop(request_id, None)
            if on_reply is not None:
                on_reply(frame)
                return
        elif kind == "error":
            if self._take_error(frame):
                return
        elif kind == "pong":
            self._take_pong(frame)
            return
        elif kind == "welcome":
            self._take_welcome(frame.welcome)
            return
        elif kind == "redirect":
            self._redirect = frame.redirect
            return
        if self._is_taken:
            taker.on_frame(kind, frame)
        elif self._is_open or kind == "version_mismatch":
            self._early.append((kind, frame))

    def start(self) -> None:
        """Its owner is ready for frames: those that came with the Welcome, and all later ones.

        Before, its owner knows of no Welcome, and what changes what that says would be lost.
        """
        self._is_taken = True
        early, self._early = self._early, []
        for kind, frame in early:
            if self._taker is not None:
                self._taker.on_frame(kind, frame)

    def on_writable(self) -> None:
        """Of the socket: it takes bytes again."""
        if self._taker is not None:
            self._taker.on_writable()

    def on_closed(self, close_code: int | None, reason: str) -> None:
        """Of the socket: it is gone."""
        self._socket = None
        if self._health_timer is not None:
            self._health_timer.cancel()
        error = self._last_error or _close_error(close_code, reason)
        self.start()  # a VersionMismatch says why it ends
        self._end_pending()
        if not self._welcomed.done():
            facts = CloseFacts(close_code, error, self._redirect)
            self._welcomed.set_exception(CloseError(facts))
            self._welcomed.exception()  # `open` may have ended before: then nobody else looks
        elif self._is_open:
            self._is_open = False
            if self._taker is not None:
                self._taker.on_closed(self, CloseFacts(close_code, error))

    def _end_pending(self) -> None:
        pending, self._pending = self._pending, {}
        for on_reply in pending.values():
            on_reply(None)

    def _take_error(self, frame: frame_pb2.ServerFrame) -> bool:
        request_id = frame.error.request_id
        if request_id == 0:
            if frame.error.code == "RATE_LIMITED":
                _LOG.warning("%s", read_error(frame.error))  # slower; it does not end for that
            elif frame.error.room == "":
                self._last_error = read_error(frame.error)
            return True
        on_reply = self._pending.pop(request_id, None)
        if on_reply is None:
            return False
        on_reply(frame)
        return True

    def _take_pong(self, frame: frame_pb2.ServerFrame) -> None:
        self._note_time(frame.pong.server_time_us)
        on_reply = self._pending.pop(frame.pong.id, None)
        if on_reply is not None:
            on_reply(frame)

    def _take_welcome(self, welcome: session_pb2.Welcome) -> None:
        if self._welcomed.done():
            return
        if welcome.protocol != PROTOCOL:
            detail = f"the gateway chose protocol {welcome.protocol}, this client speaks {PROTOCOL}"
            self.abort(TidegateError("PROTOCOL_UNSUPPORTED", detail))
            return
        self.welcome.CopyFrom(welcome)
        self._note_time(welcome.server_time_us)
        self._is_open = True
        self._welcomed.set_result(None)

    def _note_time(self, server_time_us: int) -> None:
        if self._taker is not None:
            self._taker.on_server_time(server_time_us)

    def _check_health(self) -> None:
        idle_timeout_s = max(self.welcome.idle_timeout_ms, 1_000) / 1000
        verdict = judge_health(self._health, idle_timeout_s, self._loop.time())
        if verdict.action == "break" and self._is_reading:
            detail = f"nothing came from the gateway for {idle_timeout_s:.0f} s"
            self.abort(TidegateError("IDLE_TIMEOUT", detail))
            return
        if verdict.action != "wait":
            self.ping()
        wait_s = max(verdict.wait_s, 0.05)
        self._health_timer = self._loop.call_later(wait_s, self._check_health)


class CloseError(Exception):
    """A connection ended before its Welcome; session.py decides what follows."""

    def __init__(self, facts: CloseFacts) -> None:
        super().__init__(str(facts.error))
        self.facts = facts


def _close_error(close_code: int | None, reason: str) -> TidegateError:
    said = f": {reason}" if reason else ""
    if close_code is None:
        return TidegateError("CONNECT_FAILED", "the connection broke without a close")
    named = (name for name, info in ERRORS.items() if info.close == close_code)
    code = next(named, "CONNECT_FAILED")
    return TidegateError(code, f"the connection was closed with {close_code}{said}")
