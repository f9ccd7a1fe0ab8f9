"""Drives a client in tests: run within a time, publish numbers, take what a room yields."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from tidegate import Ack, Client, Gap, Message, PolicyChanged, Room

T = TypeVar("T")

ROOM = "chat:x"


def run(main: Coroutine[Any, Any, None], timeout_s: float = 20) -> None:
    """Run a test's coroutine; a hang is a failure."""
    asyncio.run(asyncio.wait_for(main, timeout_s))


async def take(room: Room[bytes], count: int) -> list[int]:
    """The numbers in the next messages; any other event fails."""
    numbers: list[int] = []
    while len(numbers) < count:
        event = await next_of(room)
        assert isinstance(event, Message), event
        numbers.append(int(event.payload))
    return numbers


async def next_of(room: Room[T]) -> Message[T] | Gap | PolicyChanged:
    """The next event."""
    return await room.__anext__()


async def publish_numbers(client: Client, room: str, numbers: range, width: int) -> dict[int, Ack]:
    """Publish numbers in order, `width` at a time unanswered; gives the acknowledgements."""
    acks: dict[int, Ack] = {}
    on_their_way: dict[int, asyncio.Future[Ack]] = {}
    for number in numbers:
        if len(on_their_way) >= width:
            oldest = next(iter(on_their_way))
            acks[oldest] = await on_their_way.pop(oldest)
        on_their_way[number] = client.publish_soon(room, b"%d" % number)
    for number, future in on_their_way.items():
        acks[number] = await future
    return acks
