"""Spans of publishes and messages, as OpenTelemetry's own SDK records them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

import tidegate
from tests.drive import ROOM, next_of, run
from tests.fake_gateway import Peer, gateway, place
from tidegate._gen.tidegate.client.v1 import message_pb2, publish_pb2
from tidegate.options import SocketKind
from tidegate.tracing import Tracing

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PUBLISHED = "b7ad6b7169203331"
"""The span of the gateway's publish to the bus."""
HANDED_OUT = "00f067aa0ba902b7"
"""That of its fan-out."""

ATTRIBUTES = {
    "messaging.system": "tidegate",
    "messaging.destination.name": ROOM,
    "messaging.destination.template": "chat:*",
    "messaging.message.body.size": 1,
}


class Traced:
    """OpenTelemetry's SDK, and what it has recorded."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracing = Tracing(self.provider)

    def only_span(self) -> ReadableSpan:
        (span,) = self.exporter.get_finished_spans()
        return span


@pytest.fixture
def traced() -> Traced:
    return Traced()


def names(span: ReadableSpan) -> tuple[str, str]:
    """Trace id and span id."""
    context = span.get_span_context()
    assert context is not None
    return format_trace_id(context.trace_id), format_span_id(context.span_id)


def traceparent(span_id: str) -> str:
    return f"00-{TRACE_ID}-{span_id}-01"


async def send_traced(peer: Peer, seq: int, handed_out: str, published: str) -> None:
    envelope = message_pb2.Envelope(payload=b"%d" % seq, traceparent=published)
    message = message_pb2.Message(
        room_alias=1,
        position=place(seq),
        prev_seq=seq - 1,
        envelope=envelope,
        traceparent=handed_out,
    )
    await peer.send(message=message)


def test_a_publish_is_a_span_from_the_call_to_its_ack(socket: SocketKind, traced: Traced) -> None:
    sent: list[publish_pb2.Publish] = []

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.welcome()
            publish = await peer.receive("publish")
            sent.append(publish)
            assert [span.name for span in traced.exporter.get_finished_spans()] == ["outer"]
            ack = publish_pb2.PublishAck(
                request_id=publish.request_id,
                position=place(7),
                trace_id=publish.traceparent.split("-")[1],
            )
            await peer.send(publish_ack=ack)

        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket, tracing=traced.tracing) as client,
        ):
            with traced.provider.get_tracer("x").start_as_current_span("outer") as outer:
                published = client.publish_soon(ROOM, b"x")
            ack = await published
            _, span = traced.exporter.get_finished_spans()
            trace_id, span_id = names(span)
            assert ack.trace_id == trace_id == format_trace_id(outer.get_span_context().trace_id)
            assert sent[0].traceparent == f"00-{trace_id}-{span_id}-01"
            assert span.parent == outer.get_span_context()
            assert (span.name, span.kind) == ("publish chat", SpanKind.PRODUCER)
            assert dict(span.attributes or {}) == {
                **ATTRIBUTES,
                "messaging.operation.name": "publish",
                "messaging.operation.type": "send",
                "messaging.message.id": str(ack.position),
            }
            scope = span.instrumentation_scope
            assert scope is not None
            assert (scope.name, scope.version) == ("tidegate", tidegate.__version__)

    run(main())


def test_a_publish_repeated_after_a_break_goes_with_the_same_traceparent(
    socket: SocketKind, traced: Traced, quick_reconnect: None
) -> None:
    seen: list[str] = []

    async def main() -> None:
        async def first(peer: Peer) -> None:
            await peer.welcome()
            await peer.joined(await peer.receive("join"))
            seen.append((await peer.receive("publish")).traceparent)
            await peer.cut()

        async def second(peer: Peer) -> None:
            await peer.welcome()
            await peer.joined(await peer.receive("join"), recovered=True)
            publish = await peer.receive("publish")
            seen.append(publish.traceparent)
            await peer.ack(publish, 1)

        async with (
            gateway(first, second) as url,
            await tidegate.connect(url, socket=socket, tracing=traced.tracing) as client,
        ):
            room = await client.join(ROOM)
            await room.publish(b"x")
        assert seen[0] == seen[1] != ""
        traced.only_span()

    run(main())


def end_of(answer: Callable[[Peer, publish_pb2.Publish], object]) -> ReadableSpan:
    """The span of a publish that got this answer."""
    traced = Traced()

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.welcome()
            await answer(peer, await peer.receive("publish"))  # type: ignore[misc]

        async with (
            gateway(script) as url,
            await tidegate.connect(url, tracing=traced.tracing) as client,
        ):
            await asyncio.wait([client.publish_soon(ROOM, b"x")])

    run(main())
    return traced.only_span()


def test_a_publish_that_fails_ends_its_span_as_failed_with_the_code() -> None:
    span = end_of(lambda peer, sent: peer.refuse(sent.request_id, "PERMISSION_DENIED", False))
    assert span.status.status_code == StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "PERMISSION_DENIED"


def test_a_failed_publish_says_its_trace() -> None:
    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.welcome()
            sent = await peer.receive("publish")
            await peer.refuse(sent.request_id, "PERMISSION_DENIED", False, trace_id=TRACE_ID)

        async with gateway(script) as url, await tidegate.connect(url) as client:
            with pytest.raises(tidegate.TidegateError) as caught:
                await client.publish(ROOM, b"x")
            assert (caught.value.code, caught.value.trace_id) == ("PERMISSION_DENIED", TRACE_ID)

    run(main())


def test_the_trace_that_a_gateway_began_by_itself_is_named_on_the_span() -> None:
    def answer(peer: Peer, sent: publish_pb2.Publish) -> object:
        ack = publish_pb2.PublishAck(request_id=sent.request_id, trace_id=TRACE_ID)
        return peer.send(publish_ack=ack)

    assert (end_of(answer).attributes or {})["tidegate.trace.id"] == TRACE_ID


def test_a_publish_refused_at_once_ends_its_span_too(traced: Traced) -> None:
    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.welcome()

        async with (
            gateway(script) as url,
            await tidegate.connect(url, tracing=traced.tracing) as client,
        ):
            with pytest.raises(tidegate.TidegateError):
                await client.publish(ROOM, b"x" * 100_000)
        assert (traced.only_span().attributes or {})["error.type"] == "PAYLOAD_TOO_LARGE"

    run(main())


@pytest.mark.parametrize("tracing", [Traced(ALWAYS_OFF).tracing, Tracing(), None])
def test_what_is_not_sampled_carries_nothing(tracing: Tracing | None) -> None:
    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.welcome()
            publish = await peer.receive("publish")
            assert publish.traceparent == ""
            await peer.ack(publish, 1)

        async with (
            gateway(script) as url,
            await tidegate.connect(url, tracing=tracing) as client,
        ):
            assert (await client.publish(ROOM, b"x")).trace_id == ""

    run(main())


@pytest.mark.parametrize("where", ["on_start", "on_end"])
def test_a_processor_that_raises_costs_its_span_no_publish_and_no_message(
    where: str, traced: Traced, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("not mine")

    processor = SpanProcessor()
    setattr(processor, where, fail)
    traced.provider.add_span_processor(processor)

    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.welcome()
            await peer.joined(await peer.receive("join"))
            await peer.ack(await peer.receive("publish"), 1)
            await send_traced(peer, 1, traceparent(HANDED_OUT), traceparent(PUBLISHED))

        async with (
            gateway(script) as url,
            await tidegate.connect(url, tracing=traced.tracing) as client,
        ):
            room = await client.join(ROOM)
            assert (await room.publish(b"x")).position is not None
            assert isinstance(await next_of(room), tidegate.Message)

    run(main())
    assert [record.getMessage() for record in caplog.records] == ["no span: tracing failed"] * 2


def test_messages_of_a_trace_are_spans_below_their_fan_out_or_publish(
    socket: SocketKind, traced: Traced
) -> None:
    async def main() -> None:
        async def script(peer: Peer) -> None:
            await peer.welcome()
            await peer.joined(await peer.receive("join"))
            await send_traced(peer, 1, traceparent(HANDED_OUT), traceparent(PUBLISHED))
            await send_traced(peer, 2, "", traceparent(PUBLISHED))
            await send_traced(peer, 3, "", "")
            await send_traced(peer, 4, "00-nonsense-01", "")

        async with (
            gateway(script) as url,
            await tidegate.connect(url, socket=socket, tracing=traced.tracing) as client,
        ):
            room = await client.join(ROOM)
            events = [await next_of(room) for _ in range(4)]
            live, stored = traced.exporter.get_finished_spans()
            assert (live.name, live.kind) == ("receive chat", SpanKind.CONSUMER)
            assert live.parent is not None
            assert (names(live)[0], format_span_id(live.parent.span_id)) == (TRACE_ID, HANDED_OUT)
            assert [format_span_id(link.context.span_id) for link in live.links] == [PUBLISHED]
            assert dict(live.attributes or {}) == {
                **ATTRIBUTES,
                "messaging.operation.name": "receive",
                "messaging.operation.type": "receive",
                "messaging.message.id": f"1.1.{place(1).time_us}",
            }
            assert stored.parent is not None
            assert (format_span_id(stored.parent.span_id), stored.links) == (PUBLISHED, ())
            first, _, third, fourth = events
            assert isinstance(first, tidegate.Message)
            tracer = traced.provider.get_tracer("x")
            with tracer.start_as_current_span("work", traced.tracing.context_of(first)) as work:
                assert format_trace_id(work.get_span_context().trace_id) == TRACE_ID
            worked = traced.exporter.get_finished_spans()[2]
            assert worked.parent is not None
            assert format_span_id(worked.parent.span_id) == names(live)[1]
            for event in (third, fourth):
                assert isinstance(event, tidegate.Message)
                assert traced.tracing.context_of(event, Context()) == Context()

    run(main())
