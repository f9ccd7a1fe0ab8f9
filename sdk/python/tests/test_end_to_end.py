"""The client against the real all-in-one, on both sockets: rooms, history, refusals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
from pathlib import Path

import pytest

import tidegate
from tests.drive import next_of, publish_numbers, run, take
from tests.server import NODE, ROOT, Server
from tidegate import Gap, Message, TidegateError
from tidegate.options import SocketKind


def test_publish_reaches_every_member_in_one_order(server: Server, socket: SocketKind) -> None:
    async def main() -> None:
        name = f"chat:order-{socket}"
        async with (
            await tidegate.connect(server.url, socket=socket) as one,
            await tidegate.connect(server.url, socket=socket) as two,
        ):
            rooms = [await client.join(name, codec=tidegate.json_codec) for client in (one, two)]
            acks = await asyncio.gather(
                *(room.publish([who, n]) for n in range(100) for who, room in enumerate(rooms))
            )
            assert not any(ack.is_duplicate for ack in acks)
            seen = []
            for who, room in enumerate(rooms):
                events = [await next_of(room) for _ in range(200)]
                messages = [event for event in events if isinstance(event, Message)]
                assert len(messages) == 200
                assert all(message.is_own == (message.data[0] == who) for message in messages)
                positions = [message.position for message in messages]
                assert sorted(str(place) for place in positions) == sorted(
                    str(ack.position) for ack in acks
                )
                seen.append([(message.data, message.position) for message in messages])
            assert seen[0] == seen[1]
            for who in (0, 1):
                assert [data[1] for data, _ in seen[0] if data[0] == who] == list(range(100))

    run(main())


def test_join_with_history_and_after_a_position_resume_in_a_new_client(
    server: Server, socket: SocketKind
) -> None:
    async def main() -> None:
        name = f"chat:resume-{socket}"
        async with await tidegate.connect(server.url, socket=socket) as client:
            acks = await publish_numbers(client, name, range(50), width=50)
        async with await tidegate.connect(server.url, socket=socket) as client:
            room = await client.join(name, history=10)
            assert await take(room, 10) == list(range(40, 50))
            await room.leave()
            assert [event async for event in room] == []
            text = str(acks[29].position)
            room = await client.join(name, after=text)
            assert await take(room, 20) == list(range(30, 50))
            await room.leave()
            place = acks[49].position
            assert place is not None
            future = tidegate.Position(place.epoch, place.seq + 1_000_000, place.time_us)
            room = await client.join(name, after=future, history=3)
            gap = await next_of(room)
            assert isinstance(gap, Gap)
            assert gap.reason == "POSITION_UNKNOWN"
            assert gap.after == future
            assert await take(room, 3) == [47, 48, 49]

    run(main())


def test_history_pages_walk_back_and_forth(server: Server, socket: SocketKind) -> None:
    async def main() -> None:
        name = f"chat:history-{socket}"
        async with await tidegate.connect(server.url, socket=socket) as client:
            await publish_numbers(client, name, range(25), width=25)
            room = await client.join(name, codec=tidegate.json_codec)
            page = await room.history(limit=10)
            got = [message.data for message in page.messages]
            while page.has_more:
                page = await room.history(before=page.messages[0].position, limit=10)
                got = [message.data for message in page.messages] + got
            assert got == list(range(25))
            first = page.messages[0].position
            page = await client.history(name, after=first, limit=5)
            assert [message.payload for message in page.messages] == [b"1", b"2", b"3", b"4", b"5"]
            assert page.recovered is True
            assert page.has_more

    run(main())


def test_ephemeral_room_passes_messages_on_and_tells_of_an_absence(
    server: Server, socket: SocketKind
) -> None:
    async def main() -> None:
        async with await tidegate.connect(server.url, socket=socket) as client:
            room = await client.join(f"live:x-{socket}", codec=tidegate.text_codec)
            assert not room.policy.durable
            ack = await room.publish("hi")
            assert ack.position is None
            event = await next_of(room)
            assert isinstance(event, Message)
            assert (event.data, event.position, event.is_own) == ("hi", None, True)
            client.drop_connection()
            gap = await next_of(room)
            assert isinstance(gap, Gap)
            assert gap.reason == "EPHEMERAL"
            await room.publish("again")
            event = await next_of(room)
            assert isinstance(event, Message)
            assert event.data == "again"
            with pytest.raises(TidegateError) as caught:
                await room.history()
            assert caught.value.code == "NOT_DURABLE"

    run(main())


def test_publish_of_the_largest_payload_arrives_and_one_byte_more_is_refused(
    server: Server, socket: SocketKind
) -> None:
    async def main() -> None:
        async with await tidegate.connect(server.url, socket=socket) as client:
            room = await client.join(f"chat:large-{socket}")
            largest = 65_536 - len(room.name) - 64
            payload = bytes(range(256)) * 256
            await room.publish(payload[:largest])
            event = await next_of(room)
            assert isinstance(event, Message)
            assert event.payload == payload[:largest]
            with pytest.raises(TidegateError) as caught:
                await room.publish(payload[: largest + 1])
            assert caught.value.code == "PAYLOAD_TOO_LARGE"
            assert client.error is None

    run(main())


@pytest.mark.parametrize(
    ("room", "code"),
    [
        ("nope:x", "ROOM_CLASS_UNKNOWN"),
        ("chat", "ROOM_NAME_INVALID"),
        ("chat:", "ROOM_NAME_INVALID"),
        ("chat:" + "x" * 200, "ROOM_NAME_INVALID"),
        ("chat:a\nb", "ROOM_NAME_INVALID"),
    ],
)
def test_join_and_publish_refused_name_the_code(
    server: Server, socket: SocketKind, room: str, code: str
) -> None:
    async def main() -> None:
        async with await tidegate.connect(server.url, socket=socket) as client:
            with pytest.raises(TidegateError) as caught:
                await client.join(room)
            assert caught.value.code == code
            with pytest.raises(TidegateError) as caught:
                await client.publish(room, b"x")
            assert caught.value.code == code
            assert client.status == "connected"

    run(main())


@pytest.mark.parametrize("name", ["chat:*", "chat:>", "chat:a.b c/d", "chat:😀", "chat:ß*"])
def test_rooms_of_odd_names_are_rooms_like_others(
    server: Server, socket: SocketKind, name: str
) -> None:
    async def main() -> None:
        async with await tidegate.connect(server.url, socket=socket) as client:
            room = await client.join(f"{name}{socket}")
            await client.publish("chat:someone-else", b"0")
            await room.publish(b"1")
            assert await take(room, 1) == [1]

    run(main())


def test_close_ends_rooms_and_refuses_what_follows(server: Server, socket: SocketKind) -> None:
    async def main() -> None:
        client = await tidegate.connect(server.url, socket=socket)
        room = await client.join(f"chat:close-{socket}")
        await room.publish(b"1")
        assert await client.ping() > 0
        waiting = asyncio.create_task(take(room, 2))
        await asyncio.sleep(0)
        await client.close()
        await client.close()
        with pytest.raises(StopAsyncIteration):
            await waiting
        assert client.status == "closed"
        for call in (client.join("chat:y"), client.publish("chat:y", b""), room.publish(b"")):
            with pytest.raises(TidegateError) as caught:
                await call
            assert caught.value.code == "CLOSED"
        await room.leave()

    run(main())


def test_token_decides_who_the_client_is(tmp_path: Path, socket: SocketKind) -> None:
    tokens = {
        "tokens": [
            {
                "token": "a-long-random-string-1",
                "user": "anna",
                "grants": [{"rooms": "chat:*", "can": ["join", "publish"]}],
            }
        ]
    }
    (tmp_path / "tokens.json").write_text(json.dumps(tokens))
    server = Server(
        tmp_path / "data", AUTH="static", AUTH_TOKENS_FILE=str(tmp_path / "tokens.json")
    )

    async def main() -> None:
        with pytest.raises(TidegateError) as caught:
            await tidegate.connect(server.url, token="wrong", socket=socket)
        assert caught.value.code == "TOKEN_INVALID"
        token = "a-long-random-string-1"
        async with await tidegate.connect(server.url, token=token, socket=socket) as client:
            room = await client.join("chat:x")
            await room.publish(b"1")
            event = await next_of(room)
            assert isinstance(event, Message)
            assert (event.user, event.is_own) == ("anna", True)
            for refused in (room.history(), client.join("live:x")):
                with pytest.raises(TidegateError) as caught:
                    await refused
                assert caught.value.code == "PERMISSION_DENIED"

    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.callback(server.kill)
        run(main())


TYPESCRIPT = """
import { connect, json } from "./sdk/typescript/index.ts";
const [url, name] = process.argv.slice(1);
const client = await connect(url);
const room = await client.join(name, { codec: json() });
for (let n = 0; n < 20; n += 1) await room.publish({ n, text: "grüß dich" });
await client.close();
"""


def test_messages_of_the_typescript_sdk_are_readable_and_its_bytes_the_same(
    server: Server, socket: SocketKind, tmp_path: Path
) -> None:
    async def main() -> None:
        name = f"chat:typescript-{socket}"
        async with await tidegate.connect(server.url, socket=socket) as client:
            room = await client.join(name, codec=tidegate.json_codec)
            script = subprocess.run(
                [
                    *(str(NODE), "--disable-warning=ExperimentalWarning"),
                    *("--input-type=module-typescript", "--eval", TYPESCRIPT, server.url, name),
                ],
                cwd=ROOT,
                capture_output=True,
                text=True,
                timeout=15,
                check=False,
            )
            assert script.returncode == 0, script.stderr
            for number in range(20):
                event = await next_of(room)
                assert isinstance(event, Message)
                assert event.data == {"n": number, "text": "grüß dich"}
                assert (
                    event.payload
                    == json.dumps(
                        {"n": number, "text": "grüß dich"},
                        ensure_ascii=False,
                        separators=(",", ":"),
                    ).encode()
                )
                assert (event.is_own, event.producer_seq) == (False, number + 1)

    run(main())
