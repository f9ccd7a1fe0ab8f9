"""What a client does with its connections: rooms, publishes, requests.

Everything runs on one event loop. User code never does so in here: events wait in queues, status
callbacks are scheduled. reconnector.py opens the connections.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from tidegate._gen.tidegate.client.v1 import frame_pb2, history_pb2
from tidegate.clock import ServerClock
from tidegate.connection import CloseFacts, Connection
from tidegate.errors import TidegateError
from tidegate.events import Ack
from tidegate.flags import Flags
from tidegate.joiner import Joiner
from tidegate.options import ConnectOptions
from tidegate.position import Position
from tidegate.publisher import Publisher
from tidegate.reconnector import Reconnector
from tidegate.room_link import RoomLink
from tidegate.version import VersionMismatch, read_mismatch
from tidegate.wire import encode_history, encode_leave, read_error

T = TypeVar("T")

SETTLE_MAX_S = 0.5
"""A move waits this long for open answers: what they are about is then asked again anyway."""

_SETTLE_LOOK_S = 0.01

MODE_COUNT_MAX = 1_024
"""Room classes whose mode is remembered; those beyond count as not known."""


class Session:
    """One client's state; see :class:`tidegate.Client` for what users see.

    Attributes:
        options: As given.
        life: The connections.
        publisher: The publishes.
        producer: The id that others see in this client's messages; empty before the first Welcome.
        connection_id: Of the present or last connection.
        flags: Evaluated for this client.
        version_mismatch: What a version gate last said of the whole connection.
    """

    def __init__(self, options: ConnectOptions) -> None:
        self.options = options
        self.producer = b""
        self.connection_id = ""
        self.flags = Flags()
        self.version_mismatch: VersionMismatch | None = None
        self._mismatch_callbacks: list[Callable[[VersionMismatch], object]] = []
        self._producer_key = os.urandom(16)
        self._loop = asyncio.get_running_loop()
        self._clock = ServerClock()
        self._links: dict[str, RoomLink] = {}
        self._by_alias: dict[int, RoomLink] = {}
        self._behind: set[RoomLink] = set()
        self._modes: dict[str, bool] = {}
        self._joiner = Joiner(options.request_timeout_ms)
        self.life = Reconnector(options, self._producer_key, self)
        self.publisher = Publisher(
            self.now_us,
            self._alias_of,
            self._mode_of,
            self._learn_mode,
            self._ask_mode,
            options.publish_queue_max,
        )

    # What the client asks.

    def now_us(self) -> int:
        """Server time, microseconds since 1970-01-01 UTC."""
        return self._clock.now_us(_uptime_s())

    async def join(self, name: str, after: Position | None, history: int) -> RoomLink:
        """Join a room; waits for Joined, over reconnects, within the request timeout.

        Raises:
            TidegateError: The gateway's refusal; ``ALREADY_JOINED``; ``UNAVAILABLE`` in time.
        """
        self.life.check_open()
        if name in self._links:
            raise TidegateError("ALREADY_JOINED", f"this client is in {name!r}; leave it first")
        link = RoomLink(self, name, after, history, self.options)
        self._links[name] = link
        self.want_join(link, 0)
        timeout_s = self.options.request_timeout_ms / 1000
        try:
            await asyncio.wait_for(asyncio.shield(link.joined), timeout_s)
        except (TimeoutError, asyncio.TimeoutError) as error:
            link.leave()
            detail = f"no answer to the join of {name!r} within {timeout_s:.1f} s"
            raise TidegateError("UNAVAILABLE", detail, cause=error) from error
        except asyncio.CancelledError:
            link.leave()
            raise
        return link

    async def leave(self, link: RoomLink) -> None:
        """Leave a room; returns when the gateway has confirmed it, or the connection is gone."""
        link.leave()
        await asyncio.wait([link.left], timeout=self.options.request_timeout_ms / 1000)
        link.end(None)

    def publish(self, room: str, payload: bytes) -> asyncio.Future[Ack]:
        """Queue a publish; see :meth:`Publisher.publish`."""
        self.life.check_open()
        send = partial(self.publisher.publish, room, payload)
        tracing = self.options.tracing
        published = send("") if tracing is None else tracing.publish(room, len(payload), send)
        self.life.hasten()
        return published

    async def history(
        self, room: str, before: Position | None, after: Position | None, limit: int
    ) -> history_pb2.HistoryPage:
        """Ask for a page, again after a break, within the request timeout.

        Raises:
            TidegateError: The gateway's refusal; ``UNAVAILABLE`` when it did not answer in time.
        """

        def encode(request_id: int) -> bytes:
            return encode_history(request_id, room, before, after, limit)

        deadline_s = self._loop.time() + self.options.request_timeout_ms / 1000
        while True:
            frame = await self._ask(encode, deadline_s)
            if frame is None:
                continue
            if frame.HasField("error"):
                raise read_error(frame.error)
            return frame.history_page

    async def ping(self) -> float:
        """Measure a round trip to the gateway, milliseconds.

        Raises:
            TidegateError: ``UNAVAILABLE`` when not connected, or no Pong came in time.
        """
        connection = self.life.connection
        if connection is None:
            raise TidegateError("UNAVAILABLE", "not connected; a ping is not retried")
        ponged: asyncio.Future[bool] = self._loop.create_future()
        started_s = time.perf_counter()
        connection.ping(lambda frame: _settle(ponged, frame is not None))
        try:
            is_ponged = await asyncio.wait_for(ponged, self.options.request_timeout_ms / 1000)
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise TidegateError("UNAVAILABLE", "no Pong in time", cause=error) from error
        if not is_ponged:
            raise TidegateError("UNAVAILABLE", "the connection broke before the Pong")
        return (time.perf_counter() - started_s) * 1000

    # What the links ask (LinkOwner).

    def want_join(self, link: RoomLink, delay_ms: float) -> None:
        """Join this room, when connected and the delay is over."""
        self._joiner.add(link, delay_ms)

    def send_leave(self, link: RoomLink) -> None:
        """Send a Leave for the link's alias."""
        connection, alias = self.life.connection, link.alias
        if connection is None:
            return

        def on_reply(frame: frame_pb2.ServerFrame | None) -> None:
            if frame is not None:  # an error too means: not joined here
                link.take_left(None, 0)

        connection.request(lambda request_id: encode_leave(request_id, alias), on_reply)

    def bind(self, link: RoomLink, alias: int) -> None:
        """Messages with this alias are this link's."""
        self._by_alias[alias] = link

    def unbind(self, link: RoomLink) -> None:
        """The link's alias is void."""
        if self._by_alias.get(link.alias) is link:
            del self._by_alias[link.alias]
        link.alias = 0

    def note_behind(self, link: RoomLink) -> None:
        """Whether the link is behind may have changed."""
        if link.is_behind and link.state != "ended":
            self._behind.add(link)
        else:
            self._behind.discard(link)
        self._update_reading()

    def forget(self, link: RoomLink) -> None:
        """The link has ended."""
        if self._links.get(link.name) is link:
            del self._links[link.name]
        self._joiner.forget(link)
        self._behind.discard(link)
        self._update_reading()

    # What the connection and the reconnector tell and ask (ConnectionUser).

    @property
    def is_publishing(self) -> bool:
        """Whether publishes wait, but for rooms known to be ephemeral."""
        return self.publisher.is_publishing

    def on_connected(self, connection: Connection) -> None:
        """A connection got its Welcome: join again, then go on publishing."""
        welcome = connection.welcome
        self.connection_id = welcome.connection_id
        self.producer = welcome.producer
        self._joiner.attach(connection)
        self.publisher.attach(connection)
        self.flags.on_connected(connection)

    def on_frame(self, kind: str, frame: frame_pb2.ServerFrame) -> None:
        """A frame that answers no pending request; hot path for messages."""
        if kind == "message":
            link = self._by_alias.get(frame.message.room_alias)
            if link is not None:
                link.take_message(frame.message)
                if self._behind:
                    self._update_reading()
        elif kind == "joined":
            self._take_joined(frame)
        elif kind == "gap":
            link = self._by_alias.get(frame.gap.room_alias)
            if link is not None:
                link.take_gap(frame.gap)
        elif kind == "room_policy_changed":
            link = self._by_alias.get(frame.room_policy_changed.room_alias)
            if link is not None:
                link.take_policy(frame.room_policy_changed.policy)
        elif kind == "left":
            self._take_left(frame)
        elif kind == "go_away":
            self.life.take_go_away(frame.go_away)
        elif kind == "error":
            self._joiner.take_error(frame.error)
        elif kind == "flags":
            self.flags.take(frame.flags, frame.flags.all)
        elif kind == "token_expiring":
            self.life.tokens.on_expiring()
        elif kind == "version_mismatch":
            self._take_mismatch(read_mismatch(frame.version_mismatch))

    def on_server_time(self, server_time_us: int) -> None:
        """The server said its time."""
        self._clock.set(server_time_us, _uptime_s())

    def on_writable(self) -> None:
        """The socket takes bytes again."""
        self.publisher.pump()

    async def settle(self) -> None:
        """Before a move: write no publish any more, and wait a moment for what is unanswered."""
        self.publisher.hold()
        give_up_s = self._loop.time() + SETTLE_MAX_S
        while self._loop.time() < give_up_s:
            connection = self.life.connection
            if connection is None or connection.pending_count == 0:
                return
            await asyncio.sleep(_SETTLE_LOOK_S)

    def on_stayed(self) -> None:
        """A move has failed, and the connection is still there."""
        self.publisher.release()

    def on_closed(self, connection: Connection, facts: CloseFacts) -> None:
        """A connection is gone."""
        if self.life.on_closed(connection, facts):
            self.on_left()

    def on_left(self) -> None:
        """There is no connection any more, or another one has taken its place."""
        self._joiner.detach()
        for link in list(self._links.values()):
            link.take_break()
        self.publisher.detach()
        self.flags.on_break()

    def on_ended(self, error: TidegateError) -> None:
        """No connection will be opened any more."""
        self.flags.flush()
        if error.code == "VERSION_REFUSED":
            error.version_mismatch = self.version_mismatch
        by_user = error.code == "CLOSED"
        for link in list(self._links.values()):
            link.end(None if by_user and link.joined.done() else error)
        self.publisher.close(error)

    def _take_joined(self, frame: frame_pb2.ServerFrame) -> None:
        joined = frame.joined
        self._joiner.take_answer(joined.request_id, joined.room)
        self._learn_mode(joined.room, joined.policy.durable)
        link = self._links.get(joined.room)
        if link is not None:
            link.take_joined(joined)

    def on_version_mismatch(
        self, callback: Callable[[VersionMismatch], object]
    ) -> Callable[[], None]:
        """Call back with whatever a version gate says; gives a function that stops it."""
        self._mismatch_callbacks.append(callback)

        def stop() -> None:
            if callback in self._mismatch_callbacks:
                self._mismatch_callbacks.remove(callback)

        return stop

    def _take_mismatch(self, mismatch: VersionMismatch) -> None:
        if mismatch.room == "":
            self.version_mismatch = None if mismatch.action == "ALLOW" else mismatch
        for callback in list(self._mismatch_callbacks):
            self._loop.call_soon(callback, mismatch)

    def _take_left(self, frame: frame_pb2.ServerFrame) -> None:
        link = self._by_alias.get(frame.left.room_alias)
        if link is None:
            return
        code = frame.left.code
        error = TidegateError(code, f"the gateway ended the membership of {link.name!r}")
        delay_ms = self._joiner.delay_ms(link, error.retry_after_ms)
        link.take_left(error if code else None, delay_ms)

    async def _ask(
        self, encode: Callable[[int], bytes], deadline_s: float
    ) -> frame_pb2.ServerFrame | None:
        """Send a request when connected; None when the connection broke before the answer."""
        await self.life.wait_connected(max(deadline_s - self._loop.time(), 0.001) * 1000)
        connection = self.life.connection
        if connection is None:  # it has broken in this very turn of the loop
            await asyncio.sleep(0)
            return None
        replied: asyncio.Future[frame_pb2.ServerFrame | None] = self._loop.create_future()
        connection.request(encode, lambda frame: _settle(replied, frame))
        try:
            return await asyncio.wait_for(replied, max(deadline_s - self._loop.time(), 0.001))
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise TidegateError("UNAVAILABLE", "no answer in time", cause=error) from error

    def _update_reading(self) -> None:
        """Stop reading when every room is behind and no answer is awaited; else read."""
        connection = self.life.connection
        if connection is None:
            return
        is_all_behind = bool(self._behind) and len(self._behind) == len(self._links)
        is_waiting = connection.pending_count > 0 or self._joiner.is_waiting
        connection.set_reading(not is_all_behind or is_waiting)

    def _alias_of(self, room: str) -> int:
        link = self._links.get(room)
        return link.alias if link is not None and link.state == "in" else 0

    def _mode_of(self, room: str) -> bool | None:
        return self._modes.get(room.partition(":")[0])

    async def _ask_mode(self, room: str) -> bool:
        """Find out a room's mode by its history; without an answer it counts as ephemeral."""
        try:
            await self.history(room, None, None, 1)
        except TidegateError as error:
            if error.code == "NOT_DURABLE":
                self._learn_mode(room, False)
            return False
        self._learn_mode(room, True)
        return True

    def _learn_mode(self, room: str, is_durable: bool) -> None:
        """Remember a class's mode, which never changes."""
        if len(self._modes) < MODE_COUNT_MAX:
            self._modes[room.partition(":")[0]] = is_durable


def _uptime_s() -> float:
    """A monotonic clock; where there is one, that which goes on while the machine sleeps.

    With one that stands still, every publish after a sleep would look older than its budget.
    """
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def _settle(future: asyncio.Future[T], value: T) -> None:
    if not future.done():
        future.set_result(value)
