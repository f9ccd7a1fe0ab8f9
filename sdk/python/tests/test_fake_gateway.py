"""The scripted gateway itself: what fails in a script fails the test, and soon."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

import tidegate
from tests.drive import run
from tests.fake_gateway import Peer, gateway


def test_a_script_that_fails_ends_a_test_that_waits_for_it() -> None:
    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.welcome()
            raise AssertionError("scripted")

        async with gateway(script) as url, await tidegate.connect(url):
            await asyncio.Event().wait()

    with pytest.raises(AssertionError, match="scripted"):
        run(main())


def test_a_script_that_waits_for_ever_does_not_outlive_a_failed_test() -> None:
    cancelled: list[bool] = []

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.welcome()
            with suppress(asyncio.TimeoutError):
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cancelled.append(True)
                    raise

        async with gateway(script) as url, await tidegate.connect(url):
            raise ValueError("the test's own")

    with pytest.raises(ValueError, match="own"):
        run(main())
    assert cancelled == [True]
