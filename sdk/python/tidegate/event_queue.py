"""The bounded queue between the read loop and a room's consumer.

Bounded by count and bytes: user code may be slow or stopped, and a room must not eat the memory.
What happens at the bound is the owner's matter (leave, then join again after the last queued
message).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

from tidegate.errors import TidegateError, copy_error

E = TypeVar("E")

QUEUE_BYTES_MAX = 8 * 1024 * 1024
"""Payload bytes queued for one room; then it counts as full, like at its event count."""


class EventQueue(Generic[E]):
    """A queue that tells when it is behind and when full, and ends once, with or without an error.

    Behind: half full, or more. Drained: a quarter full, or less.
    """

    __slots__ = ("_bytes", "_count_max", "_ended", "_error", "_events", "_waiter")

    def __init__(self, count_max: int) -> None:
        self._count_max = count_max
        self._events: deque[tuple[E, int]] = deque()
        self._bytes = 0
        self._ended = False
        self._error: TidegateError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._events)

    @property
    def is_full(self) -> bool:
        """Whether the next message does not fit."""
        return len(self._events) >= self._count_max or self._bytes >= QUEUE_BYTES_MAX

    @property
    def is_behind(self) -> bool:
        """Whether the consumer lags."""
        return len(self._events) * 2 >= self._count_max or self._bytes * 2 >= QUEUE_BYTES_MAX

    @property
    def is_drained(self) -> bool:
        """Whether an overflowed room may be joined again."""
        return len(self._events) * 4 <= self._count_max and self._bytes * 4 <= QUEUE_BYTES_MAX

    def put(self, event: E, size_bytes: int) -> None:
        """Append an event; the caller has looked at `is_full`. Ignored after the end."""
        if self._ended:
            return
        self._events.append((event, size_bytes))
        self._bytes += size_bytes
        self._wake()

    def end(self, error: TidegateError | None) -> None:
        """End the queue: what is queued is still read, then comes the end, or the error.

        Only the first call counts.
        """
        if self._ended:
            return
        self._ended = True
        self._error = error
        self._wake()

    async def get(self) -> E:
        """Take the oldest event, waiting for one.

        Raises:
            StopAsyncIteration: After the end.
            TidegateError: Once, when the queue ended with an error; after it StopAsyncIteration.
        """
        while not self._events:
            if self._ended:
                error, self._error = self._error, None
                if error is not None:
                    raise copy_error(error)
                raise StopAsyncIteration
            if self._waiter is None:
                self._waiter = asyncio.get_running_loop().create_future()
            # Shielded: one waiter cancelled must not cancel another's wait.
            await asyncio.shield(self._waiter)
        event, size_bytes = self._events.popleft()
        self._bytes -= size_bytes
        return event

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
