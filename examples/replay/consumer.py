"""The Python consumer, a process of its own. Arguments: URL, room names.

It writes the same lines as the others (report.ts) and ends when its stdin does, so that it can not
outlive the run.
"""

import asyncio
import json
import os
import sys
import threading
import time
from typing import Any

import tidegate


def report(**line: object) -> None:
    """Write one line for the run."""
    print(json.dumps(line), flush=True)


def now_ms() -> float:
    """Milliseconds since 1970."""
    return time.time() * 1000


def on_status(status: str) -> None:
    """Report a connection, or the end of them."""
    if status == "connected":
        report(type="open", at=now_ms())
    elif status == "closed":
        report(type="failed", reason="the client was closed")


async def consume_room(room: tidegate.Room[Any]) -> None:
    """Report what a room yields."""
    async for event in room:
        if isinstance(event, tidegate.Message):
            data = event.data
            report(
                type="message",
                room=room.name,
                p=data["p"],
                n=data["n"],
                at=data["at"],
                got=now_ms(),
            )
        elif isinstance(event, tidegate.Gap):
            report(type="gap", room=room.name, reason=event.reason)


async def main(url: str, names: list[str]) -> None:
    """Consume until the process ends."""
    async with await tidegate.connect(url) as client:
        client.on_status(on_status)
        rooms = [await client.join(name, codec=tidegate.json_codec) for name in names]
        report(type="joined")
        await asyncio.gather(*(consume_room(room) for room in rooms))


def end_with_stdin() -> None:
    """End the process when the run that started it has gone."""
    sys.stdin.read()
    os._exit(0)


threading.Thread(target=end_with_stdin, daemon=True).start()
asyncio.run(main(sys.argv[1], sys.argv[2:]))
