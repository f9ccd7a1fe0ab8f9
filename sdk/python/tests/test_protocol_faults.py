"""The client against a scripted gateway: faults, refusals and limits, on both sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket as tcp
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

import tidegate
from tests.fake_gateway import SERVER_TIME_US, Peer, gateway, place
from tidegate import Gap, Message, PolicyChanged, Room, TidegateError
from tidegate._gen.tidegate.client.v1 import frame_pb2, message_pb2, room_pb2
from tidegate.options import SocketKind

ROOM = "chat:x"


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, 20))


async def take(room: Room[bytes], count: int) -> list[int]:
    """The numbers in the next messages; anything else fails."""
    numbers = []
    async for event in room:
        assert isinstance(event, Message), event
        numbers.append(int(event.payload))
        if len(numbers) == count:
            break
    return numbers


def test_hello_names_the_build_and_keeps_the_producer_key(socket: SocketKind) -> None:
    keys = []

    async def script(peer: Peer) -> None:
        hello = await peer.welcome()
        assert (hello.protocol_min, hello.protocol_max) == (1, 1)
        assert (hello.token, hello.build.name, hello.build.version) == ("t0k", "app", "1.2.3")
        assert hello.build.platform == "cpython"
        assert len(hello.producer_key) == 16
        keys.append(hello.producer_key)

    async def other(peer: Peer) -> None:
        keys.append((await peer.welcome()).producer_key)

    async def main() -> None:
        async with (
            gateway(script, script) as url,
            await tidegate.connect(
                url, token="t0k", app_name="app", app_version="1.2.3", socket=socket
            ) as client,
        ):
            client.drop_connection()
            while len(keys) < 2:
                await asyncio.sleep(0.005)
        async with gateway(other) as url, await tidegate.connect(url, socket=socket):
            pass
        assert keys[0] == keys[1]
        assert keys[2] != keys[0]

    run(main())


def test_connect_refused_for_good_raises_its_code_and_tries_no_more(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.receive("hello")
        await peer.refuse(0, "TOKEN_INVALID", retryable=False)
        await peer.connection.close(4504)

    async def main() -> None:
        async with gateway(script) as url:
            with pytest.raises(TidegateError) as caught:
                await tidegate.connect(url, socket=socket)
            assert caught.value.code == "TOKEN_INVALID"
            assert not caught.value.retryable

    run(main())


def test_connect_closed_without_words_names_the_code_of_the_table(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.receive("hello")
        await peer.connection.close(4503)

    async def main() -> None:
        async with gateway(script) as url:
            with pytest.raises(TidegateError) as caught:
                await tidegate.connect(url, socket=socket)
            assert caught.value.code == "PROTOCOL_UNSUPPORTED"

    run(main())


def test_connect_keeps_trying_while_refused_for_now(socket: SocketKind) -> None:
    async def stopping(peer: Peer) -> None:
        await peer.receive("hello")
        await peer.connection.close(4003)

    async def last(peer: Peer) -> None:
        await peer.welcome()

    async def main() -> None:
        async with (
            gateway(stopping, last) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            assert client.status == "connected"

    run(main())


def test_connect_with_nobody_there_fails_in_time_with_the_cause(socket: SocketKind) -> None:
    async def main() -> None:
        with tcp.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(TidegateError) as caught:
            await tidegate.connect(
                f"ws://127.0.0.1:{port}/ws", socket=socket, connect_timeout_ms=300
            )
        assert caught.value.code == "CONNECT_FAILED"
        assert caught.value.retryable
        assert isinstance(caught.value.__cause__, TidegateError)
        assert isinstance(caught.value.__cause__.__cause__, OSError)

    run(main())


def test_connect_to_a_gateway_that_never_welcomes_fails_in_time(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.receive("hello")

    async def main() -> None:
        async with gateway(script) as url:
            with pytest.raises(TidegateError) as caught:
                await tidegate.connect(url, socket=socket, connect_timeout_ms=200)
            assert caught.value.code == "CONNECT_FAILED"

    run(main())


def test_token_function_gives_a_fresh_token_for_each_connection(socket: SocketKind) -> None:
    tokens = []

    async def script(peer: Peer) -> None:
        tokens.append((await peer.welcome()).token)

    async def main() -> None:
        made = iter(range(10))

        async def token() -> str:
            return f"t{next(made)}"

        async with (
            gateway(script, script) as url,
            await tidegate.connect(url, token=token, socket=socket) as client,
        ):
            client.drop_connection()
            while len(tokens) < 2:
                await asyncio.sleep(0.01)
        assert tokens == ["t0", "t1"]

    run(main())


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
            events = [await anext_of(room) for _ in range(3)]
            assert isinstance(events[0], Message)
            position = events[0].position
            assert events[1] == Gap(ROOM, "RETENTION", 0, position)
            assert isinstance(events[2], Message)
            assert events[2].payload == b"100"

    run(main())


async def anext_of(room: Room[bytes]) -> Message[bytes] | Gap | PolicyChanged:
    return await room.__anext__()


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
            gap = await anext_of(room)
            assert isinstance(gap, Gap)
            assert (gap.reason, gap.missed_count) == ("SLOW_MEMBER", 3)
            assert gap.after is not None
            assert gap.after.seq == 6
            assert await take(room, 1) == [10]
            changed = await anext_of(room)
            assert isinstance(changed, PolicyChanged)
            assert changed.policy.history_count_max == 7
            assert room.policy == changed.policy
            assert await take(room, 1) == [11]

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
                await anext_of(room)
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


def test_publish_refused_for_now_is_repeated_under_its_old_name(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(5))
        first = await peer.receive("publish")
        second = await peer.receive("publish")
        assert (first.producer_seq, second.producer_seq) == (1, 2)
        assert first.room_alias == 1
        assert SERVER_TIME_US <= first.first_sent_us <= second.first_sent_us
        await peer.refuse(first.request_id, "UNAVAILABLE", retryable=True, retry_after_ms=20)
        await peer.refuse(second.request_id, "UNAVAILABLE", retryable=True, retry_after_ms=20)
        again = await peer.receive("publish")
        assert (again.producer_seq, again.first_sent_us) == (1, first.first_sent_us)
        assert again.request_id not in (first.request_id, second.request_id)
        await peer.ack(again, 6)
        again = await peer.receive("publish")
        assert (again.producer_seq, again.payload) == (2, b"b")
        await peer.ack(again, 7)

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            room = await client.join(ROOM)
            acks = await asyncio.gather(room.publish(b"a"), room.publish(b"b"))
            assert [ack.position.seq for ack in acks if ack.position] == [6, 7]

    run(main())


def test_publish_unanswered_at_a_break_is_repeated_on_the_next_connection(
    socket: SocketKind,
) -> None:
    sent = []

    async def first(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(5))
        sent.append(await peer.receive("publish"))
        await peer.cut()

    async def second(peer: Peer) -> None:
        await peer.welcome()
        frames = [frame_pb2.ClientFrame.FromString(await peer.connection.recv(decode=False))]
        frames.append(frame_pb2.ClientFrame.FromString(await peer.connection.recv(decode=False)))
        publish = next(frame.publish for frame in frames if frame.HasField("publish"))
        join = next(frame.join for frame in frames if frame.HasField("join"))
        assert publish.producer_seq == sent[0].producer_seq
        assert publish.first_sent_us == sent[0].first_sent_us
        await peer.joined(join, alias=9, recovered=True)
        await peer.ack(publish, 6, duplicate=True)

    async def main() -> None:
        async with (
            gateway(first, second) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            room = await client.join(ROOM)
            ack = await room.publish(b"a")
            assert ack.is_duplicate

    run(main())


def test_publish_unanswered_for_its_budget_is_unknown(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(budget_ms=200)
        await peer.receive("publish")

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            with pytest.raises(TidegateError) as caught:
                await client.publish(ROOM, b"a")
            assert caught.value.code == "OUTCOME_UNKNOWN"
            assert not caught.value.retryable

    run(main())


def test_publish_never_written_ends_as_unavailable(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(budget_ms=200)
        await peer.receive("ping")
        await peer.cut()

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            with pytest.raises(TidegateError):
                await client.ping()
            while client.status == "connected":
                await asyncio.sleep(0.005)
            with pytest.raises(TidegateError) as caught:
                await client.publish(ROOM, b"a")
            assert caught.value.code == "UNAVAILABLE"
            assert caught.value.retryable

    run(main())


def test_publish_in_a_room_of_unknown_mode_is_not_repeated_after_a_break(
    socket: SocketKind,
) -> None:
    # An ephemeral room has nothing that would drop the second copy.
    async def first(peer: Peer) -> None:
        await peer.welcome()
        await peer.receive("publish")
        await peer.cut()

    async def main() -> None:
        async with (
            gateway(first) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            with pytest.raises(TidegateError) as caught:
                await client.publish(ROOM, b"a")
            assert caught.value.code == "OUTCOME_UNKNOWN"

    run(main())


def test_publish_keeps_within_the_window_of_the_gateway(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(in_flight_max=4)
        unanswered = [await peer.receive("publish") for _ in range(4)]
        for seq in range(5, 21):
            with pytest.raises((TimeoutError, asyncio.TimeoutError)):
                await asyncio.wait_for(peer.receive("publish"), 0.005)
            await peer.ack(unanswered.pop(0), seq - 4)
            unanswered.append(await peer.receive("publish"))
        for publish in unanswered:
            await peer.ack(publish, 99)

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            rooms = [f"chat:{number % 3}" for number in range(20)]
            await asyncio.gather(*(client.publish(room, b"x") for room in rooms))

    run(main())


def test_publish_cancelled_before_its_first_write_is_never_sent(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(in_flight_max=1)
        first = await peer.receive("publish")
        ping = await peer.receive("ping")
        assert ping.id != first.request_id
        await peer.ack(first, 1)
        last = await peer.receive("publish")
        assert (last.payload, last.producer_seq) == (b"c", 2)
        await peer.ack(last, 2)

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            first = client.publish_soon(ROOM, b"a")
            second = client.publish_soon(ROOM, b"b")
            third = client.publish_soon(ROOM, b"c")
            second.cancel()
            await asyncio.sleep(0)
            pinging = asyncio.create_task(client.ping())
            await asyncio.gather(first, third)
            pinging.cancel()

    run(main())


def test_publish_limits_of_the_client_are_refused_at_once(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome(in_flight_max=1)
        await peer.receive("publish")

    async def main() -> None:
        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket, publish_queue_max=2) as client,
        ):
            with pytest.raises(TidegateError) as caught:
                client.publish_soon(ROOM, bytes(65_536))
            assert caught.value.code == "PAYLOAD_TOO_LARGE"
            kept = [client.publish_soon(ROOM, b"a") for _ in range(2)]
            with pytest.raises(TidegateError) as caught:
                client.publish_soon(ROOM, b"a")
            assert caught.value.code == "QUEUE_FULL"
            await client.close()
            results = await asyncio.gather(*kept, return_exceptions=True)
            codes = [result.code for result in results if isinstance(result, TidegateError)]
            assert codes == ["OUTCOME_UNKNOWN", "CLOSED"]

    run(main())


def test_silent_gateway_is_pinged_then_given_up(socket: SocketKind) -> None:
    async def silent(peer: Peer) -> None:
        await peer.welcome(idle_timeout_ms=1_000)
        pings = 0
        with contextlib.suppress(ConnectionClosed):
            while True:
                data = await peer.connection.recv(decode=False)
                assert frame_pb2.ClientFrame.FromString(data).HasField("ping")
                pings += 1
        assert pings >= 2

    async def last(peer: Peer) -> None:
        await peer.welcome()

    async def main() -> None:
        async with (
            gateway(silent, last) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            back = asyncio.Event()
            client.on_status(lambda status: back.set() if status == "connected" else None)
            await back.wait()
            assert client.error is not None
            assert client.error.code == "IDLE_TIMEOUT"

    run(main())


def test_frames_of_a_later_version_are_ignored_and_broken_ones_end_the_connection(
    socket: SocketKind,
) -> None:
    async def first(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(5))
        await peer.connection.send(b"\xfa\x06\x02\x08\x01")  # field 111, a message
        await peer.connection.send(b"")
        frame = frame_pb2.ServerFrame(
            message=message_pb2.Message(
                room_alias=1,
                position=place(6),
                prev_seq=5,
                envelope=message_pb2.Envelope(payload=b"6"),
            )
        )
        await peer.connection.send([frame.SerializeToString()[:5], frame.SerializeToString()[5:]])
        await peer.connection.send(b"\xff\xff\xff")
        await peer.connection.wait_closed()

    async def second(peer: Peer) -> None:
        await peer.welcome()
        join = await peer.receive("join")
        assert join.rooms[0].after == place(6)
        await peer.joined(join, recovered=True)
        await peer.message(7)

    async def main() -> None:
        async with (
            gateway(first, second) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            assert await take(await client.join(ROOM), 2) == [6, 7]
            assert client.error is not None
            assert client.error.code == "FRAME_INVALID"

    run(main())


def test_slow_consumer_overflows_leaves_and_gets_the_rest_once(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), alias=1, head=place(0))
        await peer.joined(await peer.receive("join"), alias=2, head=place(0))
        for seq in range(1, 20):
            await peer.message(seq)
        await peer.leave()
        join = await peer.receive("join")
        after = join.rooms[0].after.seq
        assert after == 8  # what the queue holds
        await peer.joined(join, alias=1, recovered=True)
        for seq in range(after + 1, 13):
            await peer.message(seq)

    async def main() -> None:
        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket, room_queue_max=8) as client,
        ):
            room = await client.join(ROOM)
            await client.join("chat:other")  # is not behind: the client goes on reading
            while room._link.state != "parked":
                await asyncio.sleep(0.005)
            assert await take(room, 12) == list(range(1, 13))

    run(main())


def test_client_whose_every_room_is_behind_stops_reading_and_loses_nothing(
    socket: SocketKind,
) -> None:
    total = 2_000
    written = 0

    async def script(peer: Peer) -> None:
        nonlocal written
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(0))
        for seq in range(1, total + 1):
            await peer.message(seq, payload=b"%08d" % seq + bytes(16_384))
            written = seq

    async def main() -> None:
        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket, room_queue_max=64) as client,
        ):
            room = await client.join(ROOM)
            before = -1
            while before != written or written == 0:
                before = written
                await asyncio.sleep(0.3)
            assert written < total  # 32 MB are not in our memory: the gateway waits
            assert room._link.state == "in"
            got = []
            async for event in room:
                assert isinstance(event, Message)
                got.append(int(event.payload[:8]))
                if len(got) == total:
                    break
            assert got == list(range(1, total + 1))
            assert room._link.state == "in"

    run(main())


def test_publish_is_answered_while_reading_stands_still(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(0))
        for seq in range(1, 9):
            await peer.message(seq)
        await peer.ack(await peer.receive("publish"), 9)

    async def main() -> None:
        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket, room_queue_max=16) as client,
        ):
            room = await client.join(ROOM)
            while not room._link.is_behind:
                await asyncio.sleep(0.005)
            ack = await room.publish(b"9")
            assert ack.position is not None
            assert ack.position.seq == 9

    run(main())


def test_status_callback_that_throws_disturbs_nothing(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.welcome()

    async def main() -> None:
        faults: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: faults.append(what))
        async with (
            gateway(script, script) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            back = asyncio.Event()
            client.on_status(lambda status: 1 // 0)
            stop = client.on_status(lambda status: 1 // 0)
            stop()
            client.on_status(lambda status: back.set() if status == "connected" else None)
            client.drop_connection()
            await back.wait()
        assert len(faults) >= 2
        assert all(isinstance(fault["exception"], ZeroDivisionError) for fault in faults)

    run(main())
