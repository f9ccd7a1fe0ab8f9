"""Joins, the chain and gaps, against a scripted gateway, on both sockets."""

from __future__ import annotations

import pytest

import tidegate
from tests.drive import ROOM, next_of, run, take
from tests.fake_gateway import Peer, gateway, place
from tidegate import Gap, Message, PolicyChanged, TidegateError
from tidegate._gen.tidegate.client.v1 import message_pb2, room_pb2
from tidegate.options import SocketKind


def test_room_with_a_hole_in_the_chain_joins_again_after_the_last_delivered(
    socket: SocketKind,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        join = await peer.receive("join")
        await peer.joined(join, head=place(5))
        await peer.message(6)
        await peer.message(8)  # 7 is missing
        await peer.message(9)
        leave = await peer.receive("leave")
        assert leave.room_alias == 1
        await peer.message(10)  # still on its way: not to be delivered
        await peer.send(left=room_pb2.Left(request_id=leave.request_id, room_alias=1))
        join = await peer.receive("join")
        assert join.rooms[0].after == place(6)
        await peer.joined(join, head=place(10), recovered=True)
        for seq in (7, 8, 9, 10):
            await peer.message(seq)

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            room = await client.join(ROOM)
            assert await take(room, 5) == [6, 7, 8, 9, 10]

    run(main())


def test_room_drops_messages_it_has_had(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(5))
        for seq in (6, 6, 5, 7):
            await peer.message(seq)

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            assert await take(await client.join(ROOM), 2) == [6, 7]

    run(main())


def test_room_that_was_not_recovered_says_so_in_its_place(socket: SocketKind) -> None:
    async def first(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(5))
        await peer.message(6)
        await peer.cut()

    async def second(peer: Peer) -> None:
        await peer.welcome()
        join = await peer.receive("join")
        assert join.rooms[0].after == place(6)
        loss = message_pb2.GAP_REASON_RETENTION
        await peer.joined(join, head=place(99), recovered=False, loss=loss)
        await peer.message(100)

    async def main() -> None:
        async with (
            gateway(first, second) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            room = await client.join(ROOM)
            events = [await next_of(room) for _ in range(3)]
            assert isinstance(events[0], Message)
            position = events[0].position
            assert events[1] == Gap(ROOM, "RETENTION", 0, position)
            assert isinstance(events[2], Message)
            assert events[2].payload == b"100"

    run(main())


def test_room_tells_gaps_and_policy_changes_between_messages(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(5))
        await peer.message(6)
        reason = message_pb2.GAP_REASON_SLOW_MEMBER
        gap = message_pb2.Gap(room_alias=1, reason=reason, missed_count=3, after=place(6))
        await peer.send(gap=gap)
        await peer.message(10)
        policy = room_pb2.RoomPolicy(durable=True, history_count_max=7)
        await peer.send(room_policy_changed=room_pb2.RoomPolicyChanged(room_alias=1, policy=policy))
        await peer.message(11)

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            room = await client.join(ROOM)
            assert await take(room, 1) == [6]
            gap = await next_of(room)
            assert isinstance(gap, Gap)
            assert (gap.reason, gap.missed_count) == ("SLOW_MEMBER", 3)
            assert gap.after is not None
            assert gap.after.seq == 6
            assert await take(room, 1) == [10]
            changed = await next_of(room)
            assert isinstance(changed, PolicyChanged)
            assert changed.policy.history_count_max == 7
            assert room.policy == changed.policy
            assert await take(room, 1) == [11]

    run(main())


def test_room_tells_that_its_gateway_is_cut_off_and_what_that_lost(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(5))
        for degraded in (True, False):
            policy = room_pb2.RoomPolicy(degraded=degraded)
            changed = room_pb2.RoomPolicyChanged(room_alias=1, policy=policy)
            await peer.send(room_policy_changed=changed)
            if degraded:
                reason = message_pb2.GAP_REASON_BUS
                await peer.send(gap=message_pb2.Gap(room_alias=1, reason=reason))

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            room = await client.join(ROOM)
            first, gap, last = [await next_of(room) for _ in range(3)]
            assert isinstance(first, PolicyChanged)
            assert first.policy.is_degraded
            assert gap == Gap(ROOM, "BUS", 0, None)
            assert isinstance(last, PolicyChanged)
            assert not last.policy.is_degraded

    run(main())


def test_join_refused_raises_and_leaves_no_trace(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        join = await peer.receive("join")
        await peer.refuse(join.request_id, "PERMISSION_DENIED", retryable=False, room=ROOM)
        await peer.joined(await peer.receive("join"), head=place(5))

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            with pytest.raises(TidegateError) as caught:
                await client.join(ROOM)
            assert caught.value.code == "PERMISSION_DENIED"
            await client.join(ROOM)
            with pytest.raises(TidegateError) as caught:
                await client.join(ROOM)
            assert caught.value.code == "ALREADY_JOINED"

    run(main())


def test_join_refused_for_now_is_tried_again(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        join = await peer.receive("join")
        await peer.refuse(join.request_id, "UNAVAILABLE", retryable=True, retry_after_ms=1)
        await peer.joined(await peer.receive("join"), head=place(5))

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            await client.join(ROOM)

    run(main())


def test_join_never_answered_ends_as_unavailable(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.receive("join")

    async def main() -> None:
        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket, request_timeout_ms=150) as client,
        ):
            with pytest.raises(TidegateError) as caught:
                await client.join(ROOM)
            assert caught.value.code == "UNAVAILABLE"

    run(main())


def test_room_ended_by_the_gateway_raises_after_what_was_queued(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(5))
        await peer.message(6)
        await peer.send(left=room_pb2.Left(room_alias=1, code="PERMISSION_DENIED"))

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            room = await client.join(ROOM)
            assert await take(room, 1) == [6]
            with pytest.raises(TidegateError) as caught:
                await next_of(room)
            assert caught.value.code == "PERMISSION_DENIED"
            assert [event async for event in room] == []
            await room.leave()

    run(main())


def test_room_put_out_for_now_joins_again(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(5))
        await peer.message(6)
        await peer.send(left=room_pb2.Left(room_alias=1, code="SLOW_CONSUMER"))
        join = await peer.receive("join")
        assert join.rooms[0].after == place(6)
        await peer.joined(join, recovered=True)
        await peer.message(7)

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            assert await take(await client.join(ROOM), 2) == [6, 7]

    run(main())
