"""What a client does with a GoAway, by two scripted gateways, on both sockets."""

from __future__ import annotations

import asyncio

import tidegate
from tests.drive import ROOM, run, take
from tests.fake_gateway import Peer, gateway, place
from tidegate.options import SocketKind
from tidegate.reconnector import move_url


async def resume(peer: Peer, seq: int) -> None:
    """Takes a welcomed client's join of its room, and sends the next message."""
    join = await peer.receive("join")
    await peer.joined(join, alias=7, recovered=True)
    await peer.message(seq, alias=7)


def test_old_connection_serves_until_the_new_one_has_its_welcome(socket: SocketKind) -> None:
    async def main() -> None:
        opened, taken, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def second(peer: Peer) -> None:
            hello = await peer.receive("hello")
            assert (hello.session_token, hello.dial_count) == (b"seat", 2)
            opened.set()
            await taken.wait()
            await peer.send_welcome()
            await resume(peer, 3)
            await left.wait()

        async with gateway(second) as target:

            async def first(peer: Peer) -> None:
                await peer.welcome(targets=[target], session_token=b"seat")
                await peer.joined(await peer.receive("join"))
                await peer.message(1, prev=0)
                await peer.go_away(target)
                await opened.wait()
                await peer.message(2)
                await peer.connection.wait_closed()
                assert peer.connection.close_code == 4100
                left.set()

            async with gateway(first) as url, await tidegate.connect(url, socket=socket) as client:
                room = await client.join(ROOM)
                assert await take(room, 2) == [1, 2]
                taken.set()
                assert await take(room, 1) == [3]
                await left.wait()

    run(main())


def test_address_that_welcome_did_not_name_is_not_followed(socket: SocketKind) -> None:
    async def main() -> None:
        async with gateway() as stranger:

            async def first(peer: Peer) -> None:
                await peer.welcome()
                await peer.joined(await peer.receive("join"))
                await peer.go_away(stranger)
                await peer.connection.wait_closed()

            async def again(peer: Peer) -> None:
                await peer.welcome()
                await resume(peer, 1)

            async with (
                gateway(first, again) as url,
                await tidegate.connect(url, socket=socket) as client,
            ):
                assert await take(await client.join(ROOM), 1) == [1]

    run(main())


def test_publish_is_answered_before_the_hello_of_a_move(socket: SocketKind) -> None:
    async def main() -> None:
        greeted = asyncio.Event()

        async def second(peer: Peer) -> None:
            hello = await peer.receive("hello")
            assert hello.dial_count == 2
            greeted.set()
            await peer.send_welcome()
            await peer.joined(await peer.receive("join"), alias=7, recovered=True)
            await peer.ack(await peer.receive("publish"), 2)

        async with gateway(second) as target:

            async def first(peer: Peer) -> None:
                await peer.welcome(targets=[target])
                await peer.joined(await peer.receive("join"))
                publish = await peer.receive("publish")
                await peer.go_away(target)
                assert not greeted.is_set()
                await peer.ack(publish, 1)
                await peer.connection.wait_closed()

            async with gateway(first) as url, await tidegate.connect(url, socket=socket) as client:
                room = await client.join(ROOM)
                ack = await room.publish(b"one")
                assert not ack.is_duplicate
                await greeted.wait()
                assert not (await room.publish(b"two")).is_duplicate

    run(main())


def test_taken_over_by_its_own_next_connection_the_client_goes_on(socket: SocketKind) -> None:
    async def main() -> None:
        opened, closed = asyncio.Event(), asyncio.Event()

        async def second(peer: Peer) -> None:
            await peer.receive("hello")
            opened.set()
            await closed.wait()
            await peer.send_welcome()
            await resume(peer, 1)

        async with gateway(second) as target:

            async def first(peer: Peer) -> None:
                await peer.welcome(targets=[target])
                await peer.joined(await peer.receive("join"), head=place(0))
                await peer.go_away(target)
                await opened.wait()
                await peer.refuse(0, "TAKEN_OVER", False)
                await peer.connection.close(4500)

            async with gateway(first) as url, await tidegate.connect(url, socket=socket) as client:
                client.on_status(lambda status: closed.set() if status == "reconnecting" else None)
                assert await take(await client.join(ROOM), 1) == [1]
                assert client.status == "connected"

    run(main())


def test_target_that_refuses_is_left_for_the_first_address(socket: SocketKind) -> None:
    async def main() -> None:
        async def second(peer: Peer) -> None:
            await peer.receive("hello")
            await peer.connection.close(1013)

        async with gateway(second) as target:
            back, served = asyncio.Event(), asyncio.Event()

            async def first(peer: Peer) -> None:
                await peer.welcome(targets=[target])
                await peer.joined(await peer.receive("join"))
                await peer.go_away(target)
                await back.wait()
                await peer.message(1, prev=0)  # it serves on meanwhile
                await peer.connection.wait_closed()

            async def again(peer: Peer) -> None:
                await peer.receive("hello")
                back.set()
                await served.wait()
                await peer.send_welcome()
                await resume(peer, 2)

            async with (
                gateway(first, again) as url,
                await tidegate.connect(url, socket=socket) as client,
            ):
                room = await client.join(ROOM)
                assert await take(room, 1) == [1]
                served.set()
                assert await take(room, 1) == [2]

    run(main())


def test_move_url_never_from_tls_to_none_never_to_what_is_not_listed() -> None:
    targets = ["wss://b/ws", "ws://c/ws"]
    assert move_url("wss://b/ws", targets, "wss://a/ws") == "wss://b/ws"
    assert move_url("ws://c/ws", targets, "ws://a/ws") == "ws://c/ws"
    assert move_url("ws://c/ws", targets, "wss://a/ws") == "wss://a/ws"
    assert move_url("wss://d/ws", targets, "wss://a/ws") == "wss://a/ws"
    assert move_url("", targets, "wss://a/ws") == "wss://a/ws"
