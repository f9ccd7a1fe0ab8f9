"""The small pure modules: position, codecs, clock, backoff, health, chain, options, upgrade."""

from __future__ import annotations

import asyncio
from dataclasses import fields, replace
from typing import Any

import pytest

from tidegate import Codec, Position, TidegateError, bytes_codec, json_codec, text_codec
from tidegate._gen.errors import ERRORS
from tidegate.backoff import DIAL_FIRST_MS, reconnect_delay_ms, should_reconnect
from tidegate.clock import ServerClock
from tidegate.codecs import decode_with, encode_with
from tidegate.event_queue import QUEUE_BYTES_MAX, EventQueue
from tidegate.health import Health, judge_health
from tidegate.options import ConnectOptions, validate_options
from tidegate.upgrade import describe_refusal


def test_position_text_form_is_read_back() -> None:
    position = Position(3, 2**53 - 1, 1_795_336_407_905_000)
    assert str(position) == "3.9007199254740991.1795336407905000"
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.2",
        "1.2.3.4",
        "0.1.1",
        "1.0.1",
        "-1.2.3",
        "1.2.x",
        "4294967296.1.1",
        "1.2.3\n",
        "1.٣.1",
    ],
)
def test_position_parse_refuses_what_is_no_position(text: str) -> None:
    with pytest.raises(TidegateError) as caught:
        Position.parse(text)
    assert caught.value.code == "REQUEST_INVALID"


def test_error_takes_advice_from_the_table_and_the_frame_overrides_it() -> None:
    error = TidegateError("UNAVAILABLE", "later")
    assert (error.retryable, error.retry_after_ms) == (True, 250)
    assert error.fix == ERRORS["UNAVAILABLE"].fix
    assert str(error) == "[UNAVAILABLE] later"
    assert not TidegateError("UNAVAILABLE", "x", retryable=False).retryable
    newer = TidegateError("OF_A_LATER_VERSION", "x", retryable=True, retry_after_ms=7)
    assert (newer.retryable, newer.retry_after_ms, newer.fix) == (True, 7, "")


def test_every_code_that_the_package_raises_is_in_the_table() -> None:
    import re
    from pathlib import Path

    found: set[str] = set()
    for file in (Path(__file__).parents[1] / "tidegate").glob("*.py"):
        found.update(re.findall(r'TidegateError\(\s*"([A-Z_]+)"', file.read_text()))
    assert "OUTCOME_UNKNOWN" in found
    assert found <= set(ERRORS)


def test_codecs_read_back_what_they_wrote() -> None:
    assert decode_with(bytes_codec, encode_with(bytes_codec, b"\x00\xff")) == b"\x00\xff"
    assert decode_with(text_codec, encode_with(text_codec, "åß∂")) == "åß∂"
    value = {"a": [1, None, "é"]}
    assert encode_with(json_codec, value) == '{"a":[1,null,"é"]}'.encode()
    assert decode_with(json_codec, encode_with(json_codec, value)) == value


def test_codecs_that_fail_raise_payload_invalid_with_the_cause() -> None:
    with pytest.raises(TidegateError) as caught:
        encode_with(json_codec, float("nan"))
    assert caught.value.code == "PAYLOAD_INVALID"
    assert isinstance(caught.value.__cause__, ValueError)
    with pytest.raises(TidegateError) as caught:
        decode_with(text_codec, b"\xff")
    assert isinstance(caught.value.__cause__, UnicodeDecodeError)
    with pytest.raises(TidegateError):
        encode_with(text_codec, b"bytes")  # type: ignore[misc]
    own: Codec[Any] = Codec("own", str, int)  # type: ignore[arg-type]
    with pytest.raises(TidegateError, match="not bytes"):
        encode_with(own, 1)


def test_server_clock_advances_with_the_monotonic_clock_alone() -> None:
    clock = ServerClock()
    clock.set(1_000_000, 50.0)
    assert clock.now_us(50.0) == 1_000_000
    assert clock.now_us(52.5) == 3_500_000
    clock.set(9_000_000, 53.0)
    assert clock.now_us(53.0) == 9_000_000


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1011, 1012, 1013, 4000, 4003, 4499])
def test_should_reconnect_after_breaks_and_passing_trouble(code: int | None) -> None:
    assert should_reconnect(code)


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1009, 4500, 4504, 4999])
def test_should_reconnect_not_where_the_same_would_happen_again(code: int) -> None:
    assert not should_reconnect(code)


def test_close_codes_of_the_error_table_agree_with_their_retry_advice() -> None:
    for code, info in ERRORS.items():
        if info.close is not None:
            assert should_reconnect(info.close) == (info.retry == "reconnect"), code


def test_reconnect_delay_is_full_jitter_below_a_doubling_ceiling() -> None:
    assert reconnect_delay_ms(0, 0, 0.0) == 0
    ceilings = [reconnect_delay_ms(tries, 0, 1.0) for tries in (0, 1, 2, 6, 7, 8, 10_000)]
    assert ceilings == [250, 500, 1_000, 16_000, 30_000, 30_000, 30_000]
    dials = [reconnect_delay_ms(tries, 0, 1.0, False, DIAL_FIRST_MS) for tries in (0, 1, 9)]
    assert dials == [1_000, 2_000, 30_000]
    assert reconnect_delay_ms(0, 1_000, 0.0) == 1_000


def test_reconnect_delay_is_at_most_two_seconds_while_publishes_wait() -> None:
    delays = [reconnect_delay_ms(tries, 0, 1.0, True) for tries in (0, 1, 2, 3, 4, 7, 10_000)]
    assert delays == [250, 500, 1_000, 2_000, 2_000, 2_000, 2_000]
    assert reconnect_delay_ms(7, 0, 0.0, True) == 0
    assert reconnect_delay_ms(7, 5_000, 0.5, True) == 6_000  # what was asked for is the floor


def test_judge_health_pings_after_a_third_and_breaks_after_all() -> None:
    health = Health(last_frame_s=0.0)
    assert judge_health(health, 30, 9).action == "wait"
    assert judge_health(health, 30, 10).action == "ping"
    health.note_ping(10)
    assert judge_health(health, 30, 15).action == "wait"
    assert judge_health(health, 30, 20).action == "ping"
    assert judge_health(health, 30, 30).action == "break"


def test_judge_health_asks_once_more_after_the_process_was_stopped() -> None:
    health = Health(last_frame_s=0.0)
    assert judge_health(health, 30, 3_600).action == "ping"
    health.note_ping(3_600)
    assert judge_health(health, 30, 3_605).action == "wait"
    assert judge_health(health, 30, 3_610).action == "break"
    health.last_frame_s = 3_601
    assert judge_health(health, 30, 3_610).action == "wait"


def test_judge_health_is_not_deceived_by_an_application_that_pings_often() -> None:
    health = Health(last_frame_s=0.0)
    for second in range(1, 30):
        health.note_ping(second)
        assert judge_health(health, 30, second).action != "break"
    health.note_ping(29.9)
    assert judge_health(health, 30, 30).action == "break"


def test_event_queue_bounds_by_count_and_by_bytes() -> None:
    async def main() -> None:
        queue: EventQueue[int] = EventQueue(8)
        states = []
        for number in range(8):
            queue.put(number, 0)
            states.append((queue.is_drained, queue.is_behind, queue.is_full))
        assert states[1] == (True, False, False)
        assert states[2] == (False, False, False)
        assert states[3] == (False, True, False)
        assert states[7] == (False, True, True)
        big: EventQueue[int] = EventQueue(1_000)
        big.put(1, QUEUE_BYTES_MAX)
        assert big.is_full
        await big.get()
        assert big.is_drained

    asyncio.run(main())


def test_event_queue_gives_what_is_queued_then_the_error_once_then_the_end() -> None:
    async def main() -> None:
        queue: EventQueue[int] = EventQueue(8)
        queue.put(1, 0)
        queue.end(TidegateError("PERMISSION_DENIED", "out"))
        queue.put(2, 0)
        assert await queue.get() == 1
        with pytest.raises(TidegateError):
            await queue.get()
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await queue.get()

    asyncio.run(main())


def test_event_queue_cancelled_waiter_takes_nothing_from_another() -> None:
    async def main() -> None:
        queue: EventQueue[int] = EventQueue(8)
        gone = asyncio.create_task(queue.get())
        other = asyncio.create_task(queue.get())
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        queue.put(5, 0)
        assert await other == 5

    asyncio.run(main())


def test_options_defaults_are_these() -> None:
    options = validate_options(ConnectOptions(url="ws://127.0.0.1:8080/ws"))
    assert {field.name: getattr(options, field.name) for field in fields(options)} == {
        "url": "ws://127.0.0.1:8080/ws",
        "token": "",
        "app_name": "tidegate-python",
        "app_version": "0.1.0",
        "connect_timeout_ms": 10_000,
        "request_timeout_ms": 10_000,
        "room_queue_max": 1_024,
        "publish_queue_max": 8_192,
        "socket": "websockets",
        "ssl": None,
        "proxy": None,
        "attributes": {},
        "region": "",
        "tracing": None,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("url", "http://127.0.0.1/ws"),
        ("url", "ws:///ws"),
        ("url", "ws://h/ws#part"),
        ("token", "x" * 8_193),
        ("app_name", "x" * 65),
        ("region", "EU"),
        ("attributes", {"": "x"}),
        ("attributes", {"x": "y" * 257}),
        ("attributes", {str(number): "" for number in range(33)}),
        ("connect_timeout_ms", 99),
        ("request_timeout_ms", 300_001),
        ("room_queue_max", 3),
        ("publish_queue_max", 0),
        ("socket", "other"),
    ],
)
def test_options_out_of_bounds_are_refused_by_name(name: str, value: object) -> None:
    options = replace(ConnectOptions(url="ws://h/ws"), **{name: value})  # type: ignore[arg-type]
    with pytest.raises(TidegateError, match=f"option {name} ") as caught:
        validate_options(options)
    assert caught.value.code == "OPTION_INVALID"


def test_describe_refusal_maps_a_status_to_a_code() -> None:
    assert describe_refusal(403, b"[HOST_REFUSED] no").code == "HOST_REFUSED"
    assert describe_refusal(403, b"[ORIGIN_REFUSED] no").code == "ORIGIN_REFUSED"
    assert describe_refusal(503, b"").code == "CONNECT_FAILED"
