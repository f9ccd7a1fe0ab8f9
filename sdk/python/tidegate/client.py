"""The client: the package's way in."""

from __future__ import annotations

import asyncio
import ssl as ssl_module
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, overload

from tidegate.codecs import Codec, bytes_codec, encode_with
from tidegate.errors import TidegateError
from tidegate.events import Ack, Page, T
from tidegate.flags import Flags
from tidegate.membership import HISTORY_MAX
from tidegate.options import ConnectOptions, SocketKind, Token, validate_options
from tidegate.position import Position
from tidegate.reconnector import Status
from tidegate.room import Room
from tidegate.session import Session
from tidegate.trace_seam import TraceHooks
from tidegate.version import VersionMismatch
from tidegate.wire import read_page


async def connect(
    url: str,
    *,
    token: Token = "",
    app_name: str = "tidegate-python",
    app_version: str = "0.1.0",
    connect_timeout_ms: int = 10_000,
    request_timeout_ms: int = 10_000,
    room_queue_max: int = 1_024,
    publish_queue_max: int = 8_192,
    socket: SocketKind = "websockets",
    ssl: ssl_module.SSLContext | None = None,
    proxy: str | None = None,
    attributes: Mapping[str, str] | None = None,
    region: str = "",
    tracing: TraceHooks | None = None,
) -> Client:
    """Connect to a gateway, and keep connected: breaks are healed until :meth:`Client.close`.

    Args:
        url: Of a gateway, ``ws://host:port/ws`` or ``wss://…``.
        token: Bearer token, or a function (also asynchronous) that gives a fresh one: for each
            connection, and again before the token ends or when it is revoked; never called twice
            at once. With a plain string the client ends when that token does. Empty where the
            gateway runs with ``AUTH=none``.
        app_name: Shown to operators; at most 64 bytes.
        app_version: Semantic version, shown to operators; at most 64 bytes.
        connect_timeout_ms: For the first connection in all, and for each later try.
        request_timeout_ms: For the answer to a join, leave, history or ping; it goes on over
            reconnects.
        room_queue_max: Events queued for a room's consumer; see :class:`Room`.
        publish_queue_max: Publishes not yet ended, over all rooms; more raise ``QUEUE_FULL``.
        socket: ``"websockets"``, or ``"picows"`` (install ``tidegate[fast]``).
        ssl: Context for ``wss:``; the default one verifies certificates.
        proxy: URL of an HTTP or SOCKS proxy; none by default, whatever the environment says.
        attributes: What the client says of itself, for flags: read there as ``client.<key>``. At
            most 32; keys to 64 bytes, values to 256.
        region: Where the client is or wants to be, ``[a-z0-9-]{0,32}``; a hint.
        tracing: Spans of publishes and messages: ``tidegate.tracing.Tracing()``, from the extra
            ``tracing``.

    Returns:
        The client, connected. Use it as ``async with await tidegate.connect(…) as client``.

    Raises:
        TidegateError: ``OPTION_INVALID``; ``CONNECT_FAILED`` when nobody answered in time;
            ``TOKEN_INVALID`` and other refusals of the gateway.
    """
    options = validate_options(
        ConnectOptions(
            url=url,
            token=token,
            app_name=app_name,
            app_version=app_version,
            connect_timeout_ms=connect_timeout_ms,
            request_timeout_ms=request_timeout_ms,
            room_queue_max=room_queue_max,
            publish_queue_max=publish_queue_max,
            socket=socket,
            ssl=ssl,
            proxy=proxy,
            attributes=attributes or {},
            region=region,
            tracing=tracing,
        )
    )
    session = Session(options)
    await session.life.start()
    return Client(session)


class Client:
    """A connection to Tidegate that survives connections. Made by :func:`connect`.

    It belongs to the event loop it was made on and is not thread-safe.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<tidegate.Client {self._session.options.url} {self.status}>"

    @property
    def status(self) -> Status:
        """``"connected"``, ``"reconnecting"`` or ``"closed"``."""
        return self._session.life.status

    @property
    def error(self) -> TidegateError | None:
        """Why the last connection ended; None before the first break."""
        return self._session.life.error

    @property
    def connection_id(self) -> str:
        """Of the present or last connection; quote it to operators."""
        return self._session.connection_id

    def on_status(self, callback: Callable[[Status], object]) -> Callable[[], None]:
        """Call back with each new status, soon after the change.

        Returns:
            A function that stops the calls.
        """
        return self._session.life.on_status(callback)

    @property
    def flags(self) -> Flags:
        """Feature flags, evaluated for this client."""
        return self._session.flags

    @property
    def version_mismatch(self) -> VersionMismatch | None:
        """What a version gate last said of this build as a whole; None when all is well.

        When it refuses, ``VERSION_REFUSED`` has it too.
        """
        return self._session.version_mismatch

    def on_version_mismatch(
        self, callback: Callable[[VersionMismatch], object]
    ) -> Callable[[], None]:
        """Call back with whatever a version gate says, also of single rooms.

        Returns:
            A function that stops the calls.
        """
        return self._session.on_version_mismatch(callback)

    @overload
    async def join(
        self, room: str, *, history: int = 0, after: Position | str | None = None
    ) -> Room[bytes]: ...

    @overload
    async def join(
        self,
        room: str,
        *,
        codec: Codec[T],
        history: int = 0,
        after: Position | str | None = None,
    ) -> Room[T]: ...

    async def join(
        self,
        room: str,
        *,
        codec: Codec[Any] = bytes_codec,
        history: int = 0,
        after: Position | str | None = None,
    ) -> Room[Any]:
        """Join a room.

        Args:
            room: ``class:name``, at most 200 bytes.
            codec: What payloads are; bytes by default.
            history: How many of the newest messages to yield before live ones, 0 to 500; also when
                ``after`` can not be recovered.
            after: Resume: the position of the last message processed, or its text. Exactly the
                messages after it follow, or a Gap says that some are lost.

        Raises:
            TidegateError: ``ROOM_NAME_INVALID``, ``ROOM_CLASS_UNKNOWN``, ``PERMISSION_DENIED``,
                ``ALREADY_JOINED``, ``ROOM_LIMIT``, ``REQUEST_INVALID``, ``UNAVAILABLE``,
                ``CLOSED``.
        """
        if not 0 <= history <= HISTORY_MAX:
            raise TidegateError(
                "REQUEST_INVALID", f"history is {history}; it must be from 0 to {HISTORY_MAX}"
            )
        place = Position.parse(after) if isinstance(after, str) else after
        link = await self._session.join(room, place, history)
        return Room(self._session, link, codec)

    @overload
    async def publish(self, room: str, value: bytes) -> Ack: ...

    @overload
    async def publish(self, room: str, value: T, *, codec: Codec[T]) -> Ack: ...

    async def publish(self, room: str, value: Any, *, codec: Codec[Any] = bytes_codec) -> Ack:
        """Publish to any room, joined or not; see :meth:`Room.publish`."""
        return await self._session.publish(room, encode_with(codec, value))

    @overload
    def publish_soon(self, room: str, value: bytes) -> asyncio.Future[Ack]: ...

    @overload
    def publish_soon(self, room: str, value: T, *, codec: Codec[T]) -> asyncio.Future[Ack]: ...

    def publish_soon(
        self, room: str, value: Any, *, codec: Codec[Any] = bytes_codec
    ) -> asyncio.Future[Ack]:
        """Queue a publish to any room now; see :meth:`Room.publish_soon`."""
        return self._session.publish(room, encode_with(codec, value))

    async def history(
        self,
        room: str,
        *,
        before: Position | None = None,
        after: Position | None = None,
        limit: int = 50,
    ) -> Page[bytes]:
        """Read a page of any durable room, joined or not; see :meth:`Room.history`."""
        page = await self._session.history(room, before, after, limit)
        return read_page(room, page, bytes_codec, self._session.producer)

    async def ping(self) -> float:
        """Measure a round trip to the gateway, milliseconds.

        Raises:
            TidegateError: ``UNAVAILABLE`` when not connected, or no answer came in time.
        """
        return await self._session.ping()

    def drop_connection(self) -> None:
        """Cut the TCP connection without a word, as a network would; for tests and demos.

        The client then connects again by itself, as after any break.
        """
        connection = self._session.life.connection
        if connection is not None:
            connection.abort()

    async def close(self) -> None:
        """Close for good: rooms end after what is queued.

        Publishes that were written and not answered end as ``OUTCOME_UNKNOWN``, others as
        ``CLOSED``. Doing it again is no error.
        """
        await self._session.life.close()
