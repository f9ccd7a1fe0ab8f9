"""How long the reconnector waits between tries, on an event loop whose time only jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, cast

import pytest

from tidegate.options import ConnectOptions
from tidegate.reconnector import ConnectionUser, Reconnector


class JumpingLoop(asyncio.SelectorEventLoop):
    """Time stands still while anything can run, then jumps to the next timer."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def time(self) -> float:
        return self.now_s

    def _run_once(self) -> None:
        loop = cast(Any, self)
        if not loop._ready and loop._scheduled:
            self.now_s = max(self.now_s, loop._scheduled[0].when())
        super()._run_once()  # type: ignore[misc]


class User:
    """What the reconnector asks in these tests."""

    is_publishing = False


def run(coroutine: Coroutine[Any, Any, float]) -> float:
    loop = JumpingLoop()
    try:
        return loop.run_until_complete(coroutine)
    finally:
        loop.close()


async def pause_s(
    failed_tries: int, retry_after_ms: float, publish_at_s: float | None, count: int = 1
) -> float:
    """Pause with the longest jitter, while publishes come; gives how long it took."""
    loop = asyncio.get_running_loop()
    user = User()
    options = ConnectOptions(url="ws://127.0.0.1:1/ws")
    reconnector = Reconnector(options, bytes(16), cast(ConnectionUser, user))

    def publish() -> None:
        user.is_publishing = True
        reconnector.hasten()

    for at in range(count if publish_at_s is not None else 0):
        loop.call_at((publish_at_s or 0) + at / 10, publish)
    if publish_at_s == 0:
        publish()
    await reconnector._pause(failed_tries, retry_after_ms)
    return loop.time()


@pytest.mark.parametrize(
    ("failed_tries", "retry_after_ms", "publish_at_s", "wanted_s"),
    [
        (9, 0, None, 30),
        (9, 0, 0, 2),  # publishes waited from the start
        (9, 0, 10, 12),  # one came while it waited
        (9, 0, 29, 30),  # none is put off by it
        (0, 0, 0, 1),
        (9, 5_000, 0, 7),  # what the gateway asked for stays below the jitter
        (9, 5_000, 1, 7),
        (9, 5_000, 20, 22),
    ],
)
def test_pause_is_at_most_two_seconds_while_publishes_wait(
    monkeypatch: pytest.MonkeyPatch,
    failed_tries: int,
    retry_after_ms: float,
    publish_at_s: float | None,
    wanted_s: float,
) -> None:
    monkeypatch.setattr("tidegate.reconnector.random.random", lambda: 1.0)
    took_s = run(pause_s(failed_tries, retry_after_ms, publish_at_s))
    assert took_s == pytest.approx(wanted_s, abs=0.001)


def test_pause_is_not_put_off_by_further_publishes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.reconnector.random.random", lambda: 1.0)
    assert run(pause_s(9, 0, 10, count=15)) == pytest.approx(12, abs=0.001)
