"""Flags of a client, and the provider for OpenFeature, by scripted gateways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.event import EventDetails, ProviderEvent

import tidegate
from tests.drive import run
from tests.fake_gateway import Peer, gateway
from tidegate._gen.tidegate.client.v1 import flag_pb2
from tidegate.flags import is_of_kind
from tidegate.openfeature import TidegateProvider
from tidegate.options import SocketKind

OFF = flag_pb2.Flag(key="off", reason="DISABLED", version=3)


def frame(values: dict[str, Any], variant: str = "on", **more: Any) -> flag_pb2.Flags:
    flags = [
        flag_pb2.Flag(
            key=key, value_json=json.dumps(value), variant=variant, reason="STATIC", version=3
        )
        for key, value in values.items()
    ]
    return flag_pb2.Flags(flags=flags, version=7, **more)


async def exposures(peer: Peer) -> dict[str, int]:
    found = await peer.receive("flag_exposures")
    return {f"{one.key}={one.variant}": one.count for one in found.exposures}


async def change_of(flags: tidegate.Flags) -> list[str]:
    changed: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    stop = flags.on_change(changed.set_result)
    changed.add_done_callback(lambda _: stop())
    return await changed


@pytest.fixture
def quick_exposures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tidegate.flags.EXPOSURE_INTERVAL_S", 0.05)


def test_values_are_those_of_welcome_or_the_fallback(socket: SocketKind) -> None:
    async def main() -> None:
        async def script(peer: Peer) -> None:
            first = frame({"a": True, "b": "blue", "c": {"x": 1}, "d": 2, "e": 2.5})
            first.flags.append(OFF)
            await peer.welcome(flags=first)

        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            flags = client.flags
            assert flags.value("a", False) is True
            assert flags.value("b", "") == "blue"
            assert flags.value("b", 4) == 4
            assert flags.value("c", {}) == {"x": 1}
            assert (flags.value("d", 0), flags.value("d", 0.5)) == (2, 2.0)
            assert flags.value("e", 1) == 1
            assert flags.value("a", 7) == 7
            assert flags.value("off", "x") == "x"
            assert flags.value("none", "x") == "x"
            assert flags.get("b") == tidegate.Flag("b", "blue", "on", "STATIC", 3)
            assert [flag.key for flag in flags.all()] == ["a", "b", "c", "d", "e", "off"]
            assert (flags.version, flags.is_stale) == (7, False)

    run(main())


def test_changes_are_told_and_what_is_gone(socket: SocketKind) -> None:
    async def main() -> None:
        go = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.welcome(flags=frame({"a": 1, "b": 2, "c": 3}))
            for flags in (
                frame({"a": 1, "b": 5}),
                frame({"a": True, "b": 5}, all=True),
                frame({}, stale=True),
                frame({}),
            ):
                await go.wait()
                go.clear()
                await peer.send(flags=flags)

        async def next_change() -> list[str]:
            coming = asyncio.create_task(change_of(flags))
            await asyncio.sleep(0)
            go.set()
            return await coming

        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            flags = client.flags
            assert await next_change() == ["b"]
            assert (flags.value("b", 0), flags.value("c", 0)) == (5, 3)
            assert await next_change() == ["a", "c"]
            assert flags.get("c") is None
            assert (await next_change(), flags.is_stale) == ([], True)
            assert (await next_change(), flags.is_stale) == ([], False)

    run(main())


def test_values_outlive_the_connection(socket: SocketKind, quick_reconnect: None) -> None:
    async def main() -> None:
        cut, again = asyncio.Event(), asyncio.Event()

        async def first(peer: Peer) -> None:
            await peer.welcome(flags=frame({"a": 1}, age_ms=100))
            await cut.wait()
            await peer.cut()

        async def second(peer: Peer) -> None:
            await again.wait()
            await peer.welcome(flags=frame({"b": 1}))

        async with (
            gateway(first, second) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            assert client.flags.age_ms >= 100
            changed = asyncio.create_task(change_of(client.flags))
            await asyncio.sleep(0)
            cut.set()
            assert (await changed, client.flags.is_stale) == ([], True)
            assert client.flags.value("a", 0) == 1
            changed = asyncio.create_task(change_of(client.flags))
            await asyncio.sleep(0)
            again.set()
            assert (await changed, client.flags.is_stale) == (["a", "b"], False)

    run(main())


def test_uses_are_told_by_variant(socket: SocketKind, quick_exposures: None) -> None:
    async def main() -> None:
        used, done = asyncio.Event(), asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.welcome(flags=frame({"a": 1, "b": 2}))
            await used.wait()
            assert await exposures(peer) == {"a=on": 2, "b=on": 1}
            done.set()
            assert await exposures(peer) == {"b=on": 1}  # the last, at the end

        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            flags = client.flags
            flags.value("a", 0)
            flags.value("a", 0)
            flags.get("b")
            flags.all()
            flags.value("none", 0)
            used.set()
            await done.wait()
            flags.get("b")

    run(main())


def test_uses_of_many_variants_are_told_in_parts(quick_exposures: None) -> None:
    async def main() -> None:
        done = asyncio.Event()

        async def script(peer: Peer) -> None:
            await peer.welcome(flags=frame({f"f{number}": number for number in range(250)}))
            assert len(await exposures(peer)) == 200
            assert len(await exposures(peer)) == 50
            done.set()

        async with gateway(script) as url, await tidegate.connect(url) as client:
            for flag in client.flags.all():
                client.flags.get(flag.key)
            await done.wait()

    run(main())


def test_uses_in_other_threads_are_counted(quick_exposures: None) -> None:
    async def main() -> None:
        total = asyncio.get_running_loop().create_future()

        async def script(peer: Peer) -> None:
            await peer.welcome(flags=frame({"a": 1}))
            count = 0
            while count < 400:
                count += (await exposures(peer))["a=on"]
            total.set_result(count)

        def use(flags: tidegate.Flags) -> None:
            for _ in range(100):
                flags.value("a", 0)

        async with gateway(script) as url, await tidegate.connect(url) as client:
            await asyncio.gather(*(asyncio.to_thread(use, client.flags) for _ in range(4)))
            assert await total == 400

    run(main())


@pytest.mark.parametrize(
    ("value", "standard", "fits"),
    [(True, 1, False), (1, True, False), (1, 2.5, True), (1.5, 2, False), ("x", "", True)],
)
def test_is_of_kind_knows_booleans_from_numbers(value: Any, standard: Any, fits: bool) -> None:
    assert is_of_kind(value, standard) is fits


@pytest.fixture
def providers() -> Iterator[None]:
    yield
    api.clear_providers()


def test_provider_answers_and_says_why_it_can_not(socket: SocketKind, providers: None) -> None:
    async def main() -> None:
        async def script(peer: Peer) -> None:
            first = frame({"on": True, "hue": "blue", "max": 5, "box": {"x": 1}}, "v1")
            first.flags.append(OFF)
            first.flags.append(flag_pb2.Flag(key="bad", reason="ERROR"))
            await peer.welcome(flags=first)
            assert await exposures(peer) == {"on=v1": 1, "hue=v1": 2, "max=v1": 2, "box=v1": 1}

        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket) as client,
        ):
            api.set_provider_and_wait(TidegateProvider(client.flags))
            features = api.get_client()
            details = features.get_boolean_details("on", False)
            assert (details.value, details.variant, details.reason) == (True, "v1", "STATIC")
            assert details.flag_metadata["version"] == 3
            assert features.get_string_value("hue", "") == "blue"
            assert features.get_integer_value("max", 0) == 5
            assert features.get_float_value("max", 0.5) == 5
            assert features.get_object_value("box", {}) == {"x": 1}
            wrong = features.get_integer_details("hue", 3)
            assert (wrong.value, wrong.error_code) == (3, "TYPE_MISMATCH")
            assert features.get_integer_details("no", 3).error_code == "FLAG_NOT_FOUND"
            assert features.get_integer_details("bad", 3).error_code == "GENERAL"
            off = features.get_integer_details("off", 3)
            assert (off.value, off.reason, off.error_code) == (3, "DISABLED", None)

    run(main())


def test_provider_tells_of_changes_and_of_stale_values(providers: None) -> None:
    async def main() -> None:
        go = asyncio.Event()
        told: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        async def script(peer: Peer) -> None:
            await peer.welcome(flags=frame({"max": 5}))
            for flags in (frame({"max": 6}), frame({}, stale=True), frame({})):
                await go.wait()
                go.clear()
                await peer.send(flags=flags)

        async with gateway(script) as url, await tidegate.connect(url) as client:
            api.set_provider_and_wait(TidegateProvider(client.flags))
            features = api.get_client()

            def on_event(name: str) -> Any:
                def put(details: EventDetails) -> None:
                    said = f"{name} {details.flags_changed}"
                    loop.call_soon_threadsafe(told.put_nowait, said)  # handlers have threads

                return put

            for event in ProviderEvent:
                features.add_handler(event, on_event(event.name))
            assert await told.get() == "PROVIDER_READY None"  # as it is from the start
            for said in (
                "PROVIDER_CONFIGURATION_CHANGED ['max']",
                "PROVIDER_STALE None",
                "PROVIDER_READY None",
            ):
                go.set()
                assert await told.get() == said
            assert features.get_integer_value("max", 0) == 6

    run(main())
