"""The opening, health and end of connections, against a scripted gateway, on both sockets."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket as tcp
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

import tidegate
from tests.drive import ROOM, next_of, run, take
from tests.fake_gateway import Peer, gateway, place
from tidegate import Message, TidegateError
from tidegate._gen.tidegate.client.v1 import frame_pb2, message_pb2, session_pb2
from tidegate.connection import Connection
from tidegate.options import SocketKind


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


def test_close_in_the_moment_of_the_welcome_ends(
    socket: SocketKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Before Python 3.12 asyncio.wait_for loses a cancellation that comes with the result: the
    # session's task lived on with its new connection, and close() hung. Here it always loses it.
    original = Connection.open

    async def deaf_open(self: Connection, *arguments: Any) -> None:
        opening = asyncio.ensure_future(original(self, *arguments))
        while not opening.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(opening)
        await opening

    async def main() -> None:
        has_hello, may_welcome = asyncio.Event(), asyncio.Event()

        async def first(peer: Peer) -> None:
            await peer.welcome()

        async def second(peer: Peer) -> None:
            hello = await peer.connection.recv(decode=False)
            assert hello
            has_hello.set()
            await may_welcome.wait()
            welcome = session_pb2.Welcome(protocol=1, idle_timeout_ms=30_000)
            await peer.send(welcome=welcome)

        async with gateway(first, second) as url:
            client = await tidegate.connect(url, socket=socket)
            monkeypatch.setattr(Connection, "open", deaf_open)
            client.drop_connection()
            await has_hello.wait()
            closing = asyncio.create_task(client.close())
            await asyncio.sleep(0)
            may_welcome.set()
            await closing
            assert client.status == "closed"
            tasks = [task.get_name() for task in asyncio.all_tasks()]
            assert "tidegate-session" not in tasks

    run(main())


def test_connect_over_tls_verifies_the_certificate(socket: SocketKind, tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on this machine to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = subprocess.run(
        [
            *(openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        capture_output=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    async def script(peer: Peer) -> None:
        await peer.welcome()
        await peer.joined(await peer.receive("join"), head=place(5))
        await peer.message(6, payload=bytes(60_000))
        await peer.ack(await peer.receive("publish"), 7)

    async def main() -> None:
        async with gateway(script, tls=tls) as url:
            with pytest.raises(TidegateError, match="CERTIFICATE_VERIFY_FAILED") as caught:
                await tidegate.connect(url, socket=socket, connect_timeout_ms=300)
            assert caught.value.code == "CONNECT_FAILED"
            context = ssl.create_default_context(cafile=str(certificate))
            async with await tidegate.connect(url, socket=socket, ssl=context) as client:
                room = await client.join(ROOM)
                event = await next_of(room)
                assert isinstance(event, Message)
                assert event.payload == bytes(60_000)
                await room.publish(bytes(60_000))

    run(main())


def test_session_token_is_shown_at_each_dial_and_taken_over_ends_the_client(
    socket: SocketKind,
) -> None:
    tokens = [b"first token", b"second token"]
    shown: list[tuple[bytes, int]] = []

    async def cut(peer: Peer) -> None:
        hello = await peer.welcome(session_token=tokens[len(shown)])
        shown.append((hello.session_token, hello.dial_count))

    async def taken(peer: Peer) -> None:
        await cut(peer)
        await peer.refuse(0, "TAKEN_OVER", retryable=False)
        await peer.connection.close(4500)

    async def main() -> None:
        async def end_of_publish(client: tidegate.Client) -> str:
            try:
                await client.publish("chat:a", b"x")
            except TidegateError as error:
                return error.code
            return ""

        async with (
            gateway(cut, taken) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            client.drop_connection()
            while await end_of_publish(client) != "TAKEN_OVER":
                pass
        assert shown == [(b"", 1), (tokens[0], 2)]

    run(main())


def test_refusal_by_a_quota_says_limit_value_and_when_to_retry(socket: SocketKind) -> None:
    async def script(peer: Peer) -> None:
        await peer.receive("hello")
        quota = {"limit": "connections-per-user", "limit_value": 5, "retry_after_ms": 5000}
        await peer.refuse(0, "LIMIT_REACHED", retryable=True, **quota)
        await peer.connection.close(4008)

    async def main() -> None:
        async with gateway(script) as url:
            with pytest.raises(TidegateError) as caught:
                await tidegate.connect(url, socket=socket, connect_timeout_ms=300)
            cause = caught.value.__cause__
            assert isinstance(cause, TidegateError)
            assert (cause.code, cause.limit, cause.limit_value) == (
                "LIMIT_REACHED",
                "connections-per-user",
                5,
            )
            assert cause.retry_after_ms == 5000

    run(main())
