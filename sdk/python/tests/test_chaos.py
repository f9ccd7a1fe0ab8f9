"""Many clients, rooms and sockets at once, connections cut at random: the promise as a whole."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import pytest

import tidegate
from tests.drive import run
from tests.server import Server
from tidegate import Client, Message, Room
from tidegate.options import SocketKind

ROOM_COUNT = 3
PUBLISH_COUNT = 60
"""For each publisher and room."""

Name = tuple[int, int, int]
"""Publisher, room, number: what a message says of itself."""


@dataclass
class Seen:
    """What one reader got of one room: store sequence and name, in the order of arrival."""

    messages: list[tuple[int, Name]] = field(default_factory=list)
    others: list[object] = field(default_factory=list)


async def read(room: Room[list[int]], seen: Seen, dice: random.Random) -> None:
    async for event in room:
        if isinstance(event, Message):
            assert event.position is not None
            publisher, number, count = event.data
            seen.messages.append((event.position.seq, (publisher, number, count)))
        else:
            seen.others.append(event)
        if dice.random() < 0.02:
            await asyncio.sleep(dice.random() * 0.05)


async def publish_all(
    client: Client, who: int, rooms: list[str], dice: random.Random
) -> dict[Name, int]:
    """Publish to all rooms in turns; gives the store sequence of each acknowledged message."""
    futures: dict[Name, asyncio.Future[tidegate.Ack]] = {}
    for count in range(PUBLISH_COUNT):
        for number, room in enumerate(rooms):
            value = [who, number, count]
            futures[who, number, count] = client.publish_soon(
                room, value, codec=tidegate.json_codec
            )
        if dice.random() < 0.4:
            await asyncio.sleep(dice.random() * 0.03)
    acked = {}
    for name, future in futures.items():
        position = (await future).position
        assert position is not None
        acked[name] = position.seq
    return acked


async def cut(clients: list[Client], dice: random.Random) -> None:
    while True:
        await asyncio.sleep(dice.random() * 0.08)
        dice.choice(clients).drop_connection()


async def live(url: str, seed: int) -> None:
    dice = random.Random(seed)
    kinds: list[SocketKind] = ["websockets", "picows"]
    rooms = [f"chat:chaos-{seed}-{number}" for number in range(ROOM_COUNT)]
    publishers = [await tidegate.connect(url, socket=kind) for kind in kinds]
    readers = [
        await tidegate.connect(url, socket=dice.choice(kinds), room_queue_max=queue_max)
        for queue_max in (4, 64, 1_024)
    ]
    await publishers[0].join(rooms[0])  # one knows an alias and the mode, the other neither
    seen = [[Seen() for _ in rooms] for _ in readers]
    reading = []
    for reader, places in zip(readers, seen, strict=True):
        for name, place in zip(rooms, places, strict=True):
            room = await reader.join(name, codec=tidegate.json_codec)
            reading.append(asyncio.create_task(read(room, place, dice)))
    cutting = asyncio.create_task(cut([*publishers, *readers], dice))
    acked: dict[Name, int] = {}
    for part in await asyncio.gather(
        *(publish_all(client, who, rooms, dice) for who, client in enumerate(publishers))
    ):
        acked.update(part)
    cutting.cancel()
    wanted = [
        sorted((seq, name) for name, seq in acked.items() if name[1] == number)
        for number in range(ROOM_COUNT)
    ]
    while any(
        len(place.messages) < len(wanted[number])
        for places in seen
        for number, place in enumerate(places)
    ):
        await asyncio.sleep(0.02)
    for client in (*publishers, *readers):
        await client.close()
    await asyncio.gather(*reading)

    cut_count = sum(client.error is not None for client in (*publishers, *readers))
    assert cut_count >= 3, f"seed {seed}: only {cut_count} of 5 clients were cut"
    assert len(acked) == len(publishers) * ROOM_COUNT * PUBLISH_COUNT, seed
    for places in seen:
        for number, place in enumerate(places):
            assert place.others == [], seed
            assert place.messages == wanted[number], seed
    for who in range(len(publishers)):
        for number in range(ROOM_COUNT):
            seqs = [acked[who, number, count] for count in range(PUBLISH_COUNT)]
            assert seqs == sorted(seqs), seed


@pytest.mark.usefixtures("quick_reconnect")
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_random_cuts_of_all_lose_double_and_reorder_nothing(server: Server, seed: int) -> None:
    run(live(server.url, seed), 40)
