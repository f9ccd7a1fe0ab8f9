"""Slow consumers and back-pressure, against a scripted gateway, on both sockets."""

from __future__ import annotations

import asyncio

import tidegate
from tests.drive import ROOM, run, take
from tests.fake_gateway import Peer, gateway, place
from tidegate import Message
from tidegate.options import SocketKind


def test_slow_consumer_overflows_leaves_and_gets_the_rest_once(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), alias=1, head=place(0))
        await peer.joined(await peer.receive("join"), alias=2, head=place(0))
        for seq in range(1, 20):
            await peer.message(seq)
        await peer.leave()
        join = await peer.receive("join")
        after = join.rooms[0].after.seq
        assert after == 8  # what the queue holds
        await peer.joined(join, alias=1, recovered=True)
        for seq in range(after + 1, 13):
            await peer.message(seq)

    async def main() -> None:
        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket, room_queue_max=8) as client,
        ):
            room = await client.join(ROOM)
            await client.join("chat:other")  # is not behind: the client goes on reading
            while room._link.state != "parked":
                await asyncio.sleep(0.005)
            assert await take(room, 12) == list(range(1, 13))

    run(main())


def test_client_whose_every_room_is_behind_stops_reading_and_loses_nothing(
    socket: SocketKind,
) -> None:
    total = 2_000
    written = 0

    async def script(peer: Peer) -> None:
        nonlocal written
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(0))
        for seq in range(1, total + 1):
            await peer.message(seq, payload=b"%08d" % seq + bytes(16_384))
            written = seq

    async def main() -> None:
        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket, room_queue_max=64) as client,
        ):
            room = await client.join(ROOM)
            before = -1
            while before != written or written == 0:
                before = written
                await asyncio.sleep(0.3)
            assert written < total  # 32 MB are not in our memory: the gateway waits
            assert room._link.state == "in"
            got = []
            async for event in room:
                assert isinstance(event, Message)
                got.append(int(event.payload[:8]))
                if len(got) == total:
                    break
            assert got == list(range(1, total + 1))
            assert room._link.state == "in"

    run(main())


def test_publish_is_answered_while_reading_stands_still(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(0))
        for seq in range(1, 9):
            await peer.message(seq)
        await peer.ack(await peer.receive("publish"), 9)

    async def main() -> None:
        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket, room_queue_max=16) as client,
        ):
            room = await client.join(ROOM)
            while not room._link.is_behind:
                await asyncio.sleep(0.005)
            ack = await room.publish(b"9")
            assert ack.position is not None
            assert ack.position.seq == 9

    run(main())
