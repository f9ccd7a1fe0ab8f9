"""A producer with the Python SDK; clients/producer.ts says how producers behave."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import clocks
import patience

import tidegate

TICK_S = 0.01
LARGE_ONE_IN = 50


def tell_failure(room: str, n: int, error: tidegate.TidegateError) -> None:
    """Report how a publish failed."""
    clocks.tell(t="fail", room=room, n=n, at=clocks.now_us(), code=error.code, detail=str(error))


class Producer:
    """Publishes to rooms at their rates and writes down every call and its end."""

    def __init__(self, work: dict[str, Any], client: tidegate.Client) -> None:
        self._work = work
        self._client = client
        self._counts: dict[str, int] = {}
        self._due: dict[str, int] = {}
        self._under: set[asyncio.Task[None]] = set()
        self.is_stopped = False

    async def run(self) -> None:
        """Publish until stopped, then wait until every publish has ended."""
        start_us = clocks.now_us()
        while not self.is_stopped:
            elapsed_s = (clocks.now_us() - start_us) / 1e6
            for room in self._work["rooms"]:
                name, rate = room["name"], room["perSecond"]
                due = int(elapsed_s * rate)
                if due - self._due.get(name, 0) > max(1, rate):
                    self._due[name] = due  # after a standstill what was due is left out
                elif self._due.get(name, 0) < due:
                    self._due[name] = self._due.get(name, 0) + 1
                    self._publish(name)
            await asyncio.sleep(TICK_S)
        while self._under:
            await asyncio.wait(self._under)
        clocks.tell(t="done")

    def _publish(self, room: str) -> None:
        n = self._counts.get(room, 0) + 1
        self._counts[room] = n
        size = self._work["largeBytes"] if n % LARGE_ONE_IN == 0 else self._work["bytes"]
        value = {"p": self._work["name"], "n": n, "x": "x" * size}
        clocks.tell(t="call", room=room, n=n, at=clocks.now_us())
        try:
            future = self._client.publish_soon(room, value, codec=tidegate.json_codec)
        except tidegate.TidegateError as error:
            tell_failure(room, n, error)
            return
        task = asyncio.ensure_future(self._follow(room, n, future))
        self._under.add(task)
        task.add_done_callback(self._under.discard)

    async def _follow(self, room: str, n: int, future: asyncio.Future[tidegate.Ack]) -> None:
        try:
            ack = await future
        except tidegate.TidegateError as error:
            tell_failure(room, n, error)
            return
        place = None if ack.position is None else str(ack.position)
        clocks.tell(t="ack", room=room, n=n, at=clocks.now_us(), place=place)


async def main(work: dict[str, Any]) -> None:
    """Do what stdin says."""
    client = await patience.connect(work["url"])
    client.on_status(
        lambda status: clocks.tell(
            t="back" if status == "connected" else "away", at=clocks.now_us()
        )
    )
    producer = Producer(work, client)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    clocks.tell(t="ready")
    running = None
    while line := await reader.readline():
        if line == b"start\n":
            running = asyncio.create_task(producer.run())
        elif line == b"stop\n":
            producer.is_stopped = True
    del running
    os._exit(0)


work = json.loads(sys.argv[1])
if work["skew"] is not None:
    clocks.skew_clocks(work["skew"]["wallMs"], work["skew"]["rate"])
asyncio.run(main(work))
