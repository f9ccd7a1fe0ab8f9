"""A scripted gateway: says exactly what a test wants, also what no gateway should."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tidegate._gen.tidegate.client.v1 import (
    error_pb2,
    frame_pb2,
    message_pb2,
    publish_pb2,
    room_pb2,
    session_pb2,
)

SERVER_TIME_US = 1_800_000_000_000_000
ClientFrame = frame_pb2.ClientFrame


class Peer:
    """The gateway's end of one connection."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection

    async def receive(self, kind: str) -> Any:
        """The next frame of that kind; Pings are answered, others fail the test."""
        while True:
            frame = ClientFrame.FromString(await self.connection.recv(decode=False))
            found = frame.WhichOneof("frame")
            if found == kind:
                return getattr(frame, kind)
            assert found == "ping", f"wanted {kind}, got {frame}"
            pong = session_pb2.Pong(id=frame.ping.id, server_time_us=SERVER_TIME_US)
            await self.send(pong=pong)

    async def send(self, **frame: Any) -> None:
        await self.connection.send(frame_pb2.ServerFrame(**frame).SerializeToString())

    async def welcome(
        self,
        *,
        idle_timeout_ms: int = 30_000,
        budget_ms: int = 20_000,
        in_flight_max: int = 1_024,
        **more: Any,
    ) -> session_pb2.Hello:
        hello: session_pb2.Hello = await self.receive("hello")
        await self.send_welcome(idle_timeout_ms, budget_ms, in_flight_max, **more)
        return hello

    async def send_welcome(
        self,
        idle_timeout_ms: int = 30_000,
        budget_ms: int = 20_000,
        in_flight_max: int = 1_024,
        **more: Any,
    ) -> None:
        await self.send(
            welcome=session_pb2.Welcome(
                protocol=1,
                connection_id="c1",
                server_time_us=SERVER_TIME_US,
                limits=session_pb2.Limits(
                    frame_bytes_max=65_536,
                    room_count_max=256,
                    publish_in_flight_max=in_flight_max,
                    history_page_max=500,
                ),
                idle_timeout_ms=idle_timeout_ms,
                publish_budget_ms=budget_ms,
                tenant="default",
                **more,
            )
        )

    async def joined(self, join: room_pb2.Join, alias: int = 1, **facts: Any) -> None:
        """Answers a Join of one room; durable unless said otherwise."""
        policy = room_pb2.RoomPolicy(
            durable=facts.pop("durable", True),
            may_publish=True,
            may_read_history=True,
            history_count_max=1_000,
            history_age_max_s=60,
        )
        await self.send(
            joined=room_pb2.Joined(
                request_id=join.request_id,
                room=join.rooms[0].room,
                room_alias=alias,
                policy=policy,
                **facts,
            )
        )

    async def message(
        self, seq: int, prev: int | None = None, payload: bytes = b"", alias: int = 1
    ) -> None:
        await self.send(
            message=message_pb2.Message(
                room_alias=alias,
                position=place(seq),
                prev_seq=seq - 1 if prev is None else prev,
                envelope=message_pb2.Envelope(payload=payload or b"%d" % seq),
            )
        )

    async def ack(self, publish: publish_pb2.Publish, seq: int, duplicate: bool = False) -> None:
        await self.send(
            publish_ack=publish_pb2.PublishAck(
                request_id=publish.request_id, position=place(seq), duplicate=duplicate
            )
        )

    async def refuse(self, request_id: int, code: str, retryable: bool, **more: Any) -> None:
        await self.send(
            error=error_pb2.ErrorFrame(
                request_id=request_id, code=code, message="scripted", retryable=retryable, **more
            )
        )

    async def leave(self) -> None:
        """Takes a Leave and answers it."""
        leave = await self.receive("leave")
        await self.send(
            left=room_pb2.Left(request_id=leave.request_id, room_alias=leave.room_alias)
        )

    async def go_away(self, target: str, delay_ms: int = 0) -> None:
        frame = session_pb2.GoAway(
            reason=session_pb2.GO_AWAY_REASON_DRAIN,
            target=target,
            delay_ms=delay_ms,
            deadline_ms=10_000,
        )
        await self.send(go_away=frame)

    async def cut(self) -> None:
        self.connection.transport.abort()
        await self.connection.wait_closed()


def place(seq: int, epoch: int = 1) -> message_pb2.Position:
    return message_pb2.Position(epoch=epoch, seq=seq, time_us=SERVER_TIME_US + seq)


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def gateway(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serves one script for each connection, in order; gives the URL.

    At the end every script must have run to its end without a failed assertion; a failed one ends
    the test at once, whatever it waits for. Connections beyond the last script are refused with
    1013.
    """
    test = asyncio.current_task()
    assert test is not None
    handlers: set[asyncio.Task[None]] = set()
    waiting = list(scripts)
    failures: list[BaseException] = []
    done = [asyncio.Event() for _ in scripts]

    async def handle(connection: ServerConnection) -> None:
        if not waiting:
            await connection.close(1013)
            return
        handler = asyncio.current_task()
        assert handler is not None
        handlers.add(handler)
        number = len(scripts) - len(waiting)
        try:
            await waiting.pop(0)(Peer(connection))
        except Exception as error:
            failures.append(error)
            if not isinstance(error, ConnectionClosed):
                test.cancel()
        done[number].set()
        await connection.wait_closed()

    async with serve(
        handle,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol("tidegate.v1")],
        compression=None,
        ping_interval=None,
        write_limit=16_384,
        ssl=tls,
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        try:
            yield f"{'wss' if tls else 'ws'}://127.0.0.1:{port}/ws"
            ends = [asyncio.create_task(event.wait()) for event in done]
            if ends:
                await asyncio.wait(ends, timeout=5)
            unfinished = [number for number, end in enumerate(ends) if not end.done()]
            if unfinished:
                failures.append(AssertionError(f"scripts {unfinished} did not end"))
        except asyncio.CancelledError:
            if not failures:
                raise
        finally:
            server.close(close_connections=True)
            for handler in handlers:
                handler.cancel()  # it may wait for what never comes
    for failure in failures:
        if not isinstance(failure, ConnectionClosed):
            raise failure
    if failures:
        raise AssertionError("a script was cut off by the client") from failures[0]
