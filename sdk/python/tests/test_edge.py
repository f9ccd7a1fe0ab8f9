"""Builds that are too old, gateways that are full, and rates, by scripted gateways."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import tidegate
from tests.drive import ROOM, run
from tests.fake_gateway import Peer, gateway
from tidegate._gen.tidegate.client.v1 import version_pb2
from tidegate.connection import CloseFacts
from tidegate.options import SocketKind
from tidegate.reconnector import redirect_url


async def send_mismatch(peer: Peer, action: int, **more: Any) -> None:
    frame = version_pb2.VersionMismatch(
        version="1.0.0",
        required=">=2",
        message="old",
        download_url="https://example.org/app",
        gate="g",
        **more,
    )
    frame.action = action  # type: ignore[assignment]  # also those of a later version
    await peer.send(version_mismatch=frame)


async def send_redirect(peer: Peer, target: str) -> None:
    await peer.receive("hello")
    await peer.send(redirect=version_pb2.Redirect(target=target, delay_ms=1))
    await peer.refuse(0, "TOO_MANY_CONNECTIONS", True, retry_after_ms=60_000)
    await peer.connection.close(1013)


def test_hello_has_the_attributes_and_the_region(socket: SocketKind) -> None:
    async def main() -> None:
        async def script(peer: Peer) -> None:
            hello = await peer.welcome()
            assert [(one.key, one.value) for one in hello.attributes] == [("plan", "pro")]
            assert hello.region == "eu-1"

        async with gateway(script) as url:
            options: dict[str, Any] = {"attributes": {"plan": "pro"}, "region": "eu-1"}
            async with await tidegate.connect(url, socket=socket, **options):
                pass

    run(main())


def test_mismatch_is_told_and_kept_while_it_is_so(socket: SocketKind) -> None:
    async def main() -> None:
        told: list[tuple[str, str, str]] = []
        said = asyncio.Event()

        def on_mismatch(mismatch: tidegate.VersionMismatch) -> None:
            kept = client.version_mismatch
            told.append((mismatch.action, mismatch.room, "" if kept is None else kept.action))
            if mismatch.action == "ALLOW":
                said.set()

        async def welcome_and_join(peer: Peer) -> None:
            await peer.welcome()
            await peer.joined(await peer.receive("join"))
            await send_mismatch(peer, version_pb2.VERSION_ACTION_WARN)
            await send_mismatch(peer, version_pb2.VERSION_ACTION_REFUSE, room="chat:a")
            await send_mismatch(peer, 9)
            await peer.receive("join")
            await send_mismatch(peer, version_pb2.VERSION_ACTION_ALLOW)
            await said.wait()

        async with (
            gateway(welcome_and_join) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            client.on_version_mismatch(on_mismatch)
            await client.join(ROOM)
            while len(told) < 3:
                await asyncio.sleep(0)
            assert [action for action, _, _ in told] == ["WARN", "REFUSE", "WARN"]
            assert told[1][1] == "chat:a"
            assert client.version_mismatch is not None
            assert client.version_mismatch.required == ">=2"
            other = asyncio.create_task(client.join("chat:b"))
            await said.wait()
            assert client.version_mismatch is None
            other.cancel()

    run(main())


def test_refused_build_ends_and_says_which_one_is_wanted(socket: SocketKind) -> None:
    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.receive("hello")
            await send_mismatch(peer, version_pb2.VERSION_ACTION_REFUSE)
            await peer.refuse(0, "VERSION_REFUSED", False)
            await peer.connection.close(4507)

        async with gateway(script) as url:
            with pytest.raises(tidegate.TidegateError) as caught:
                await tidegate.connect(url, socket=socket)
        assert caught.value.code == "VERSION_REFUSED"
        mismatch = caught.value.version_mismatch
        assert mismatch is not None
        assert (mismatch.action, mismatch.download_url) == ("REFUSE", "https://example.org/app")

    run(main())


def test_redirect_is_followed_once_and_then_back(socket: SocketKind, quick_reconnect: None) -> None:
    async def main() -> None:
        back = asyncio.Event()

        async def cut_later(peer: Peer) -> None:
            await peer.welcome()
            await peer.receive("join")
            await peer.cut()

        async with gateway(cut_later) as second:

            async def full(peer: Peer) -> None:
                await send_redirect(peer, second)

            async def serve(peer: Peer) -> None:
                await peer.welcome()
                await peer.joined(await peer.receive("join"))
                back.set()

            async with (
                gateway(full, serve) as first,
                await tidegate.connect(first, socket=socket) as client,
            ):
                await client.join(ROOM)
                await back.wait()

    run(main())


def test_redirect_is_one_hop(socket: SocketKind, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def delay(_failed: int, retry_after_ms: float, *_: object) -> float:
        asked.append(retry_after_ms)
        return 10.0

    monkeypatch.setattr("tidegate.reconnector.reconnect_delay_ms", delay)

    async def main() -> None:
        async with gateway() as third:

            async def also_full(peer: Peer) -> None:
                await send_redirect(peer, third)

            async with gateway(also_full) as second:

                async def full(peer: Peer) -> None:
                    await send_redirect(peer, second)

                async def serve(peer: Peer) -> None:
                    await peer.welcome()

                async with (
                    gateway(full, serve) as first,
                    await tidegate.connect(first, socket=socket),
                ):
                    pass

    run(main())
    assert asked == [60_000]  # for coming back; not for following


def test_redirect_url_is_no_way_out_of_tls() -> None:
    def lead(target: str, dialled: str, url: str) -> str | None:
        redirect = version_pb2.Redirect(target=target)
        error = tidegate.TidegateError("TOO_MANY_CONNECTIONS", "full")
        return redirect_url(CloseFacts(1013, error, redirect), dialled, url)

    assert lead("wss://b/ws", "wss://a/ws", "wss://a/ws") == "wss://b/ws"
    assert lead("ws://b/ws", "wss://a/ws", "wss://a/ws") is None
    assert lead("wss://c/ws", "wss://b/ws", "wss://a/ws") is None
    assert lead("http://b/ws", "ws://a/ws", "ws://a/ws") is None


def test_rate_limited_join_goes_out_again(
    socket: SocketKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def delay(_failed: int, retry_after_ms: float, *_: object) -> float:
        asked.append(retry_after_ms)
        return 10.0

    monkeypatch.setattr("tidegate.joiner.reconnect_delay_ms", delay)

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.welcome()
            join = await peer.receive("join")
            limit = {"limit": "frames-per-second", "limit_value": 5, "retry_after_ms": 300}
            await peer.refuse(join.request_id, "RATE_LIMITED", True, **limit)
            await peer.joined(await peer.receive("join"))

        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            await client.join(ROOM)

    run(main())
    assert asked == [300]


def test_rate_limit_is_not_taken_for_the_end_that_follows(
    socket: SocketKind, quick_reconnect: None
) -> None:
    async def main() -> None:
        done = asyncio.Event()

        async def first(peer: Peer) -> None:
            await peer.welcome()
            await peer.refuse(0, "RATE_LIMITED", True, retry_after_ms=60_000)
            await peer.cut()

        async def second(peer: Peer) -> None:
            await peer.welcome()
            done.set()

        async with (
            gateway(first, second) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            await done.wait()
            assert client.error is not None
            assert client.error.code == "CONNECT_FAILED"

    run(main())


def test_blocked_client_comes_back_when_it_may(
    socket: SocketKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def delay(_failed: int, retry_after_ms: float, *_: object) -> float:
        asked.append(retry_after_ms)
        return 10.0

    monkeypatch.setattr("tidegate.reconnector.reconnect_delay_ms", delay)

    async def main() -> None:
        done = asyncio.Event()

        async def first(peer: Peer) -> None:
            await peer.welcome()
            await peer.refuse(0, "BLOCKED", True, retry_after_ms=60_000)
            await peer.connection.close(4009)

        async def second(peer: Peer) -> None:
            await peer.welcome()
            done.set()

        async with (
            gateway(first, second) as url,
            await tidegate.connect(url, socket=socket),
        ):
            await done.wait()

    run(main())
    assert asked == [60_000]
