"""The client through cuts, kills and overflow of the real all-in-one, on both sockets."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

import tidegate
from tests.drive import next_of, publish_numbers, run, take
from tests.server import Server
from tidegate import Message, Room
from tidegate.options import SocketKind


@pytest.mark.usefixtures("quick_reconnect")
def test_cuts_neither_lose_nor_double_nor_reorder(server: Server, socket: SocketKind) -> None:
    async def main() -> None:
        name, count = f"chat:cuts-{socket}", 600
        async with (
            await tidegate.connect(server.url, socket=socket) as publisher,
            await tidegate.connect(server.url, socket=socket) as reader,
        ):
            await publisher.join(name)
            room = await reader.join(name)

            async def read() -> list[int]:
                got: list[int] = []
                while len(got) < count:
                    got.extend(await take(room, 75))
                    reader.drop_connection()
                return got

            async def publish() -> dict[int, tidegate.Ack]:
                acks: dict[int, tidegate.Ack] = {}
                for start in range(0, count, 60):
                    part = range(start, start + 60)
                    asyncio.get_running_loop().call_later(0.005, publisher.drop_connection)
                    acks.update(await publish_numbers(publisher, name, part, width=20))
                return acks

            got, acks = await asyncio.gather(read(), publish())
            assert got == list(range(count))
            assert reader.error is not None
            assert publisher.error is not None
            seqs = [ack.position.seq for ack in acks.values() if ack.position]
            assert seqs == sorted(set(seqs))
            assert len(seqs) == count

    run(main(), 30)


@pytest.mark.usefixtures("quick_reconnect")
def test_kill_and_restart_keeps_every_acknowledged_message_once_in_order(
    own_server: Server, socket: SocketKind
) -> None:
    async def main() -> None:
        name, count = "chat:kill", 400
        async with (
            await tidegate.connect(own_server.url, socket=socket) as publisher,
            await tidegate.connect(own_server.url, socket=socket) as reader,
        ):
            await publisher.join(name)
            room = await reader.join(name)
            reading = asyncio.create_task(take(room, count))

            under_way = asyncio.Event()

            async def publish() -> dict[int, tidegate.Ack]:
                acks = {}
                for start in range(0, count, 50):
                    part = range(start, start + 50)
                    acks.update(await publish_numbers(publisher, name, part, width=10))
                    if start == 100:
                        under_way.set()
                return acks

            publishing = asyncio.create_task(publish())
            await under_way.wait()
            own_server.kill()
            assert not publishing.done()
            await asyncio.to_thread(own_server.start)
            acks = await publishing
            assert len(acks) == count
            assert await reading == list(range(count))

    run(main(), 30)


PUBLISHER = """
import asyncio, sys, tidegate

async def main(url, room, who, count, socket):
    async with await tidegate.connect(url, socket=socket) as client:
        futures = []
        for number in range(count):
            futures.append(client.publish_soon(room, f"{who} {number}".encode()))
            if number % 40 == 20:
                await asyncio.wait(futures)
                client.drop_connection()
        await asyncio.gather(*futures)

asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]))
"""


def test_two_processes_publish_to_one_room_each_in_its_own_order(
    server: Server, socket: SocketKind
) -> None:
    async def main() -> None:
        name, count = f"chat:processes-{socket}", 100
        async with await tidegate.connect(server.url, socket=socket) as client:
            room = await client.join(name, codec=tidegate.text_codec)
            processes = [
                await asyncio.create_subprocess_exec(
                    *(sys.executable, "-c", PUBLISHER),
                    *(server.url, name, who, str(count), socket),
                    cwd=Path(__file__).parents[1],
                )
                for who in "ab"
            ]
            got: dict[str, list[int]] = {"a": [], "b": []}
            producers = set()
            for _ in range(2 * count):
                event = await next_of(room)
                assert isinstance(event, Message)
                who, number = event.data.split()
                got[who].append(int(number))
                producers.add(event.producer)
                assert not event.is_own
            assert got == {"a": list(range(count)), "b": list(range(count))}
            assert len(producers) == 2
            assert [await process.wait() for process in processes] == [0, 0]

    run(main(), 30)


def test_slow_consumer_gets_every_message_once(server: Server, socket: SocketKind) -> None:
    async def main() -> None:
        name, count = f"chat:slow-{socket}", 500
        async with (
            await tidegate.connect(server.url, socket=socket) as publisher,
            await tidegate.connect(server.url, socket=socket, room_queue_max=8) as reader,
        ):
            room = await reader.join(name)
            # A second room that is not behind: the client goes on reading and must leave the first.
            await reader.join(f"{name}-quick")
            await publish_numbers(publisher, name, range(count), width=100)
            got: list[int] = []
            while len(got) < count:
                got.extend(await take(room, 1))
                if len(got) % 50 == 0:
                    await asyncio.sleep(0.02)
            assert got == list(range(count))

    run(main())


def test_rejoin_of_an_empty_room_delivers_what_came_meanwhile(
    server: Server, socket: SocketKind
) -> None:
    async def main() -> None:
        name = f"chat:empty-{socket}"
        async with (
            await tidegate.connect(server.url, socket=socket) as publisher,
            await tidegate.connect(server.url, socket=socket) as reader,
        ):
            room = await reader.join(name)
            reader.drop_connection()
            await publish_numbers(publisher, name, range(20), width=20)
            assert await take(room, 20) == list(range(20))

    run(main())


def test_many_rooms_are_joined_again_after_a_break(server: Server, socket: SocketKind) -> None:
    async def main() -> None:
        async with (
            await tidegate.connect(server.url, socket=socket) as publisher,
            await tidegate.connect(server.url, socket=socket) as reader,
        ):
            names = [f"chat:many-{socket}-{number}" for number in range(250)]
            rooms: list[Room[bytes]] = await asyncio.gather(*map(reader.join, names))
            reader.drop_connection()
            await asyncio.gather(*(publisher.publish(name, b"7") for name in names))
            assert [await take(room, 1) for room in rooms] == [[7]] * 250

    run(main())
