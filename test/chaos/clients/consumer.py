"""A consumer with the Python SDK: joins rooms and writes down what it meets there."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import clocks
import patience

import tidegate


def on_status(status: str) -> None:
    """Report when there is no connection, and when there is one again."""
    clocks.tell(t="back" if status == "connected" else "away", at=clocks.now_us())


async def read(room: tidegate.Room[Any]) -> None:
    """Report what a room yields."""
    async for event in room:
        at = clocks.now_us()
        if isinstance(event, tidegate.Message):
            data = event.data
            place = None if event.position is None else str(event.position)
            clocks.tell(t="got", room=room.name, p=data["p"], n=data["n"], at=at, place=place)
        elif isinstance(event, tidegate.Gap):
            clocks.tell(
                t="gap", room=room.name, at=at, reason=event.reason, missed=event.missed_count
            )


async def main(work: dict[str, Any]) -> None:
    """Consume until the process ends."""
    async with await patience.connect(work["url"]) as client:
        client.on_status(on_status)
        rooms = []
        for name in work["rooms"]:
            rooms.append(await client.join(name, codec=tidegate.json_codec))
            clocks.tell(t="join", room=name, at=clocks.now_us(), after=None)
        clocks.tell(t="ready")
        await asyncio.gather(*(read(room) for room in rooms))
        clocks.tell(t="broken", why="its rooms ended")


clocks.end_with_stdin()
work = json.loads(sys.argv[1])
if work["skew"] is not None:
    clocks.skew_clocks(work["skew"]["wallMs"], work["skew"]["rate"])
asyncio.run(main(work))
