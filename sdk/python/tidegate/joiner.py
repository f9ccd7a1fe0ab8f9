"""Sends the Joins that are due, many rooms to a frame, and sees that each is answered."""

from __future__ import annotations

import asyncio
import random

from tidegate._gen.tidegate.client.v1 import error_pb2
from tidegate.backoff import reconnect_delay_ms
from tidegate.connection import Connection
from tidegate.errors import TidegateError
from tidegate.room_link import RoomLink
from tidegate.wire import encode_join, read_error

JOIN_ROOM_COUNT_MAX = 100
"""Rooms in one Join frame: with names of 200 bytes it stays below the smallest frame limit."""


class Joiner:
    """The Joins of one client.

    Args:
        answer_timeout_ms: A connection that leaves a Join unanswered so long is broken.
    """

    def __init__(self, answer_timeout_ms: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._answer_timeout_s = answer_timeout_ms / 1000
        self._connection: Connection | None = None
        self._due: dict[str, RoomLink] = {}
        self._is_scheduled = False
        self._joining: dict[int, dict[str, RoomLink]] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether a Join waits for its answer."""
        return bool(self._joining)

    def attach(self, connection: Connection) -> None:
        """A connection has its Welcome: send what is due."""
        self._connection = connection
        self._flush()

    def detach(self) -> None:
        """The connection broke; links that want to be joined again say so."""
        self._connection = None
        self._joining.clear()

    def add(self, link: RoomLink, delay_ms: float) -> None:
        """Join this room, when connected and the delay is over."""
        if delay_ms > 0:
            self._loop.call_later(delay_ms / 1000, self.add, link, 0)
            return
        if link.state != "out":
            return
        self._due[link.name] = link
        if self._connection is not None and not self._is_scheduled:
            self._is_scheduled = True  # many at once make one frame
            self._loop.call_soon(self._flush)

    def forget(self, link: RoomLink) -> None:
        """The link has ended."""
        if self._due.get(link.name) is link:
            del self._due[link.name]

    def take_answer(self, request_id: int, room: str) -> None:
        """A Joined came."""
        links = self._joining.get(request_id)
        if links is not None:
            links.pop(room, None)
            if not links:
                del self._joining[request_id]

    def take_error(self, frame: error_pb2.ErrorFrame) -> None:
        """An ErrorFrame came that may be about a Join: of the room it names, else of all in it."""
        links = self._joining.get(frame.request_id, {})
        for room in [frame.room] if frame.room else list(links):
            link = links.get(room)
            self.take_answer(frame.request_id, room)
            if link is not None:
                link.take_join_error(read_error(frame), self.delay_ms(link, frame.retry_after_ms))

    def delay_ms(self, link: RoomLink, retry_after_ms: int) -> float:
        """Wait before a refused room is joined again."""
        return reconnect_delay_ms(link.retry_count, retry_after_ms, random.random())

    def _flush(self) -> None:
        self._is_scheduled = False
        connection = self._connection
        if connection is None:
            return
        due = [link for link in self._due.values() if link.state == "out"]
        self._due.clear()
        for start in range(0, len(due), JOIN_ROOM_COUNT_MAX):
            links = due[start : start + JOIN_ROOM_COUNT_MAX]
            request_id = connection.next_request_id()
            self._joining[request_id] = {link.name: link for link in links}
            connection.set_reading(True)
            wishes = [(link.name, link.take_join_sent()) for link in links]
            connection.send(encode_join(request_id, wishes))
            self._loop.call_later(self._answer_timeout_s, self._check, connection, request_id)

    def _check(self, connection: Connection, request_id: int) -> None:
        if self._connection is connection and request_id in self._joining:
            rooms = ", ".join(list(self._joining[request_id])[:3])
            detail = f"no answer to the join of {rooms} within {self._answer_timeout_s:.1f} s"
            connection.abort(TidegateError("UNAVAILABLE", detail))
