"""A joined room, as users hold it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Generic

from tidegate._gen.tidegate.client.v1 import message_pb2
from tidegate.codecs import Codec, encode_with
from tidegate.errors import TidegateError
from tidegate.events import Ack, Gap, Message, Page, PolicyChanged, RoomPolicy, T
from tidegate.position import Position
from tidegate.trace_seam import Arrived
from tidegate.wire import read_message, read_page

if TYPE_CHECKING:
    from tidegate.room_link import RoomLink
    from tidegate.session import Session


class Room(Generic[T]):
    """A room this client is in: an asynchronous stream of events, and a place to publish to.

    ``async for event in room`` yields, in the room's order, :class:`Message`, and in their place
    among them :class:`Gap` and :class:`PolicyChanged`. Later versions may add kinds: ignore unknown
    ones. Events come exactly once over reconnects; what can not be recovered is told by a Gap. The
    stream ends after :meth:`leave` or ``client.close()``, and raises TidegateError once when the
    gateway ended the membership or refused the client for good.

    A consumer that is slow costs no memory: its queue is bounded (``room_queue_max`` events, 8
    MiB). At the bound the client leaves the room, and joins it again after the last queued message
    once the consumer has caught up; an ephemeral room then yields a Gap.

    Breaking out of the loop leaves the room joined: iterate again to go on, or :meth:`leave`.
    """

    def __init__(self, session: Session, link: RoomLink, codec: Codec[T]) -> None:
        self._session = session
        self._link = link
        self._codec = codec

    def __aiter__(self) -> AsyncIterator[Message[T] | Gap | PolicyChanged]:
        return self

    async def __anext__(self) -> Message[T] | Gap | PolicyChanged:
        event = await self._link.next_event()
        if isinstance(event, message_pb2.Message):
            return read_message(self.name, event, self._codec, self._session.producer)
        if isinstance(event, Arrived):
            trace = event.take(self.name)
            return read_message(
                self.name, event.message, self._codec, self._session.producer, trace
            )
        return event

    def __repr__(self) -> str:
        return f"<tidegate.Room {self.name!r} {self._link.state}>"

    @property
    def name(self) -> str:
        """Name of the room, ``class:name``."""
        return self._link.name

    @property
    def policy(self) -> RoomPolicy:
        """What is allowed now, as last told by the gateway."""
        policy = self._link.policy
        assert policy is not None, "a Room is made after its first Joined"
        return policy

    async def publish(self, value: T) -> Ack:
        """Publish a value and wait until it is acknowledged: durable rooms, stored once.

        Publishes of one room are stored in the order of the calls; several may be on their way at
        once. Retries over reconnects are neither doubled nor reordered.

        Raises:
            TidegateError: ``OUTCOME_UNKNOWN``: it was written and not confirmed within its budget
                of 20 s, so it may appear once, later, or never. ``UNAVAILABLE``: it was never
                written. ``QUEUE_FULL``, ``PAYLOAD_TOO_LARGE``, ``PERMISSION_DENIED``,
                ``STORE_FULL``, …
        """
        return await self.publish_soon(value)

    def publish_soon(self, value: T) -> asyncio.Future[Ack]:
        """Queue a publish now, without waiting; see :meth:`publish`.

        Returns:
            A future of the Ack. Cancelled before the first write, the publish is forgotten; later
            it goes on without listener.

        Raises:
            TidegateError: ``QUEUE_FULL``, ``PAYLOAD_TOO_LARGE``, ``PAYLOAD_INVALID`` (the codec),
                ``CLOSED``.
        """
        if self._link.state == "ended":
            raise TidegateError("CLOSED", f"the room {self.name!r} was left")
        payload = encode_with(self._codec, value)
        return self._session.publish(self.name, payload)

    async def history(
        self,
        *,
        before: Position | None = None,
        after: Position | None = None,
        limit: int = 50,
    ) -> Page[T]:
        """Read a page of stored messages: the newest, or before or after a position.

        Args:
            before: The newest messages older than this.
            after: The oldest messages newer than this.
            limit: Messages wanted, 1 to the gateway's limit (500); a larger one is lowered to it.

        Raises:
            TidegateError: ``NOT_DURABLE``, ``PERMISSION_DENIED``, ``REQUEST_INVALID``,
                ``UNAVAILABLE``.
        """
        page = await self._session.history(self.name, before, after, limit)
        return read_page(self.name, page, self._codec, self._session.producer)

    async def leave(self) -> None:
        """Leave the room. The stream ends after what is queued; doing it again is no error."""
        await self._session.leave(self._link)
