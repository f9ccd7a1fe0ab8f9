"""When a client asks for a token, and what it does when one ends, by scripted gateways."""

from __future__ import annotations

import asyncio
import logging

import pytest

import tidegate
from tests.drive import ROOM, run
from tests.fake_gateway import Peer, gateway
from tidegate._gen.tidegate.client.v1 import session_pb2
from tidegate.options import SocketKind
from tidegate.tokens import ASK_AFTER, ASK_SPREAD, Tokens


class Issuer:
    """Gives the tokens t1, t2 and so on; keeps one back, or fails, as it is told."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.count += 1
        number = self.count
        self.asked.set()
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return f"t{number}"


async def expire(peer: Peer, revoked: bool = False) -> None:
    expiring = session_pb2.TokenExpiring(expires_in_ms=1_000, revoked=revoked)
    await peer.send(token_expiring=expiring)


async def reach(client: tidegate.Client, wanted: tidegate.Status) -> None:
    """Waits until the client is there."""
    changed = asyncio.Event()
    stop = client.on_status(lambda _: changed.set())
    while client.status != wanted:
        changed.clear()
        await changed.wait()
    stop()


async def refresh(peer: Peer, expires_in_ms: int) -> str:
    frame = await peer.receive("refresh")
    refreshed = session_pb2.Refreshed(
        request_id=frame.request_id, token_expires_in_ms=expires_in_ms
    )
    await peer.send(refreshed=refreshed)
    token: str = frame.token
    return token


def test_token_is_asked_for_again_before_it_ends_and_so_is_the_next(socket: SocketKind) -> None:
    async def main() -> None:
        issuer, done = Issuer(), asyncio.Event()

        async def script(peer: Peer) -> None:
            assert (await peer.welcome(token_expires_in_ms=100)).token == "t1"
            assert await refresh(peer, 100) == "t2"
            assert await refresh(peer, 0) == "t3"
            done.set()

        async with (
            gateway(script) as url,
            await tidegate.connect(url, token=issuer, socket=socket),
        ):
            await done.wait()
        assert issuer.count == 3

    run(main())


def test_tokens_are_asked_for_at_different_parts_of_their_life() -> None:
    assert 0.5 < ASK_AFTER < ASK_AFTER + ASK_SPREAD < 0.95


def test_hint_asks_at_once_and_only_once(socket: SocketKind) -> None:
    async def main() -> None:
        issuer, done = Issuer(), asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.welcome()
            join = await peer.receive("join")
            issuer.gate.clear()
            issuer.asked.clear()
            for revoked in (False, True, True):
                await expire(peer, revoked)
            await issuer.asked.wait()
            issuer.gate.set()
            assert await refresh(peer, 0) == "t2"
            await peer.joined(join)
            await peer.leave()  # and nothing before the Leave
            done.set()

        async with (
            gateway(script) as url,
            await tidegate.connect(url, token=issuer, socket=socket) as client,
        ):
            room = await client.join(ROOM)
            await room.leave()
            await done.wait()
        assert issuer.count == 2

    run(main())


def test_break_while_the_function_runs_costs_one_call(
    socket: SocketKind, quick_reconnect: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        issuer, dialled, done = Issuer(), asyncio.Event(), asyncio.Event()

        async def get(tokens: Tokens) -> str:
            dialled.set()
            return await ask(tokens)

        ask = Tokens.get

        async def first(peer: Peer) -> None:
            await peer.welcome()
            issuer.gate.clear()
            issuer.asked.clear()
            await expire(peer)
            await issuer.asked.wait()
            await peer.cut()

        async def second(peer: Peer) -> None:
            assert (await peer.welcome()).token == "t2"
            await peer.receive("ping")  # and no refresh before it
            done.set()

        async with (
            gateway(first, second) as url,
            await tidegate.connect(url, token=issuer, socket=socket) as client,
        ):
            await reach(client, "reconnecting")
            monkeypatch.setattr(Tokens, "get", get)
            await dialled.wait()
            issuer.gate.set()
            await reach(client, "connected")
            asking = asyncio.create_task(client.ping())
            await done.wait()
            asking.cancel()
        assert issuer.count == 2

    run(main())


def test_refused_refresh_and_failing_function_are_tried_again(
    socket: SocketKind, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    delays: list[int] = []

    def delay(failed_tries: int, *_: object) -> float:
        delays.append(failed_tries)
        return 10.0

    monkeypatch.setattr("tidegate.tokens.reconnect_delay_ms", delay)

    async def main() -> None:
        issuer, done = Issuer(), asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.welcome()
            await expire(peer)
            frame = await peer.receive("refresh")
            issuer.error = RuntimeError("issuer is down")
            issuer.asked.clear()
            await peer.refuse(frame.request_id, "TOKEN_INVALID", False)
            await issuer.asked.wait()
            issuer.error = None if issuer.count > 3 else issuer.error
            while issuer.count < 4:
                issuer.asked.clear()
                await issuer.asked.wait()
            issuer.error = None
            assert (await peer.receive("refresh")).token.startswith("t")
            done.set()

        async with (
            gateway(script) as url,
            await tidegate.connect(url, token=issuer, socket=socket),
        ):
            await done.wait()

    with caplog.at_level(logging.WARNING, "tidegate"):
        run(main())
    assert delays[:2] == [0, 1]
    assert "TOKEN_INVALID" in caplog.text
    assert "issuer is down" in caplog.text


def test_expired_token_is_replaced_where_there_is_a_function(
    socket: SocketKind, quick_reconnect: None
) -> None:
    async def main() -> None:
        issuer, done = Issuer(), asyncio.Event()

        async def first(peer: Peer) -> None:
            await peer.welcome()
            await peer.refuse(0, "TOKEN_EXPIRED", True)
            await peer.connection.close(4007)

        async def second(peer: Peer) -> None:
            assert (await peer.welcome()).token == "t2"
            done.set()

        async with (
            gateway(first, second) as url,
            await tidegate.connect(url, token=issuer, socket=socket) as client,
        ):
            await done.wait()
            assert client.error is not None
            assert client.error.code == "TOKEN_EXPIRED"

    run(main())


@pytest.mark.parametrize(("code", "close_code"), [("TOKEN_EXPIRED", 4007), ("TOKEN_REVOKED", 4506)])
def test_ended_token_is_the_end_of_who_has_no_other(
    socket: SocketKind, code: str, close_code: int
) -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.welcome(token_expires_in_ms=1)
            await go.wait()
            await expire(peer)
            await peer.refuse(0, code, code == "TOKEN_EXPIRED")
            await peer.connection.close(close_code)

        async with gateway(script) as url:
            client = await tidegate.connect(url, token="plain", socket=socket)
            go.set()
            await reach(client, "closed")
            assert client.error is not None
            assert client.error.code == code

    run(main())


def test_function_that_hangs_fails_the_try_and_not_the_client(quick_reconnect: None) -> None:
    async def main() -> None:
        issuer, go, done = Issuer(), asyncio.Event(), asyncio.Event()

        async def first(peer: Peer) -> None:
            await peer.welcome()
            await go.wait()
            issuer.gate.clear()
            await peer.cut()

        async def second(peer: Peer) -> None:
            await peer.welcome()
            done.set()

        async with (
            gateway(first, second) as url,
            await tidegate.connect(url, token=issuer, connect_timeout_ms=100) as client,
        ):
            go.set()
            while client.error is None or "none within 0.1 s" not in client.error.detail:
                issuer.asked.clear()
                await issuer.asked.wait()
            issuer.gate.set()
            await done.wait()

    run(main())
