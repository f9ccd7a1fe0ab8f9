"""A chat in the terminal: what is typed goes to everybody in the room, what they write is printed.

python examples/quick-start/chat.py [room] [url]    (after: pip install ./sdk/python)
"""

import asyncio
import sys

import tidegate


async def send_lines(room: tidegate.Room[str]) -> None:
    while line := await asyncio.to_thread(sys.stdin.readline):
        await room.publish(line.rstrip("\n"))
    await room.leave()  # end of input: Ctrl+D


async def main(name: str = "chat:lobby", url: str = "ws://127.0.0.1:8080/ws") -> None:
    async with await tidegate.connect(url) as client:
        room = await client.join(name, history=20, codec=tidegate.text_codec)
        sending = asyncio.create_task(send_lines(room))
        async for event in room:
            if isinstance(event, tidegate.Message) and not event.is_own:
                print(event.data, flush=True)
            elif isinstance(event, tidegate.Gap):
                print(f"(messages are missing here: {event.reason})", flush=True)
        await sending


asyncio.run(main(*sys.argv[1:]))
