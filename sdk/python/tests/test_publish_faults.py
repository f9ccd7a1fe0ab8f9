"""Publishes: retry, budget, window, against a scripted gateway, on both sockets."""

from __future__ import annotations

import asyncio
import time

import pytest

import tidegate
from tests.drive import ROOM, run
from tests.fake_gateway import SERVER_TIME_US, Peer, gateway, place
from tidegate import TidegateError
from tidegate._gen.tidegate.client.v1 import frame_pb2, history_pb2
from tidegate.options import SocketKind


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


@pytest.mark.parametrize("is_durable", [True, False])
def test_publish_in_a_room_of_unknown_mode_is_repeated_only_if_it_is_durable(
    socket: SocketKind, is_durable: bool
) -> None:
    # An ephemeral room has nothing that would drop the second copy.
    async def first(peer: Peer) -> None:
        await peer.welcome()
        await peer.receive("publish")
        await peer.cut()

    async def second(peer: Peer) -> None:
        await peer.welcome()
        history = await peer.receive("history")
        assert (history.room, history.limit) == (ROOM, 1)
        if is_durable:
            await peer.send(history_page=history_pb2.HistoryPage(request_id=history.request_id))
        else:
            await peer.refuse(history.request_id, "NOT_DURABLE", retryable=False)
        again = await peer.receive("publish")
        assert again.payload == (b"a" if is_durable else b"b")
        await peer.ack(again, 6)

    async def main() -> None:
        async with (
            gateway(first, second) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            publishing = client.publish(ROOM, b"a")
            if is_durable:
                await publishing
                return
            with pytest.raises(TidegateError) as caught:
                await publishing
            assert caught.value.code == "OUTCOME_UNKNOWN"
            await client.publish(ROOM, b"b")

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


def test_publish_never_gives_a_number_twice_when_idle_rooms_are_forgotten(
    socket: SocketKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidegate.publisher.IDLE_QUEUE_COUNT_MAX", 2)
    given: dict[str, list[int]] = {}
    total = 12

    async def script(peer: Peer) -> None:
        await peer.welcome()
        for seq in range(1, total + 1):
            publish = await peer.receive("publish")
            given.setdefault(publish.room, []).append(publish.producer_seq)
            await peer.ack(publish, seq)

    async def main() -> None:
        async with gateway(script) as url, await tidegate.connect(url, socket=socket) as client:
            for number in range(total):
                await client.publish(f"chat:{number % 4}", b"x")
        assert len(given) == 4
        for seqs in given.values():
            assert seqs == sorted(set(seqs))
            assert len(seqs) == 3

    run(main())


def test_publish_past_its_budget_is_not_sent_again_after_the_process_was_stopped(
    socket: SocketKind, quick_reconnect: None
) -> None:
    # R2: bytes of a stopped process must not be repeated when it goes on. Blocking the event loop
    # stops the client as SIGSTOP would: nothing of it runs.
    async def first(peer: Peer) -> None:
        await peer.welcome(budget_ms=200)
        await peer.joined(await peer.receive("join"), head=place(5))
        await peer.receive("publish")
        await peer.cut()

    async def second(peer: Peer) -> None:
        await peer.welcome(budget_ms=200)
        await peer.joined(await peer.receive("join"), recovered=True)
        fresh = await peer.receive("publish")
        assert (fresh.payload, fresh.producer_seq) == (b"b", 2)
        await peer.ack(fresh, 6)

    async def main() -> None:
        async with (
            gateway(first, second) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            room = await client.join(ROOM)
            old = room.publish_soon(b"a")
            while client.status == "connected":
                await asyncio.sleep(0.001)
            time.sleep(0.25)
            with pytest.raises(TidegateError) as caught:
                await old
            assert caught.value.code == "OUTCOME_UNKNOWN"
            await room.publish(b"b")

    run(main())
