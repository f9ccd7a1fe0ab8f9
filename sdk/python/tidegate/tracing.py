"""Spans of publishes and messages by the API of OpenTelemetry. Install ``tidegate[tracing]``.

>>> tracing = tidegate.tracing.Tracing()
>>> client = await tidegate.connect("ws://127.0.0.1:8080/ws", tracing=tracing)

A publish is a PRODUCER span from the call to its answer; its context goes along, so the spans of
the gateways and of whoever receives the message are its descendants. A message of a trace is a
CONSUMER span from its arrival to the consumer that takes it. Without a tracer provider, and for
what its sampler leaves out, nothing is sent and nothing is recorded.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TracerProvider,
    set_span_in_context,
)

import tidegate
from tidegate._gen.tidegate.client.v1 import message_pb2
from tidegate.errors import TidegateError
from tidegate.events import Ack, Message
from tidegate.trace_seam import Arrived
from tidegate.wire import read_position

_TRACEPARENT = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")

_NO_SPAN = "no span: tracing failed"
_log = logging.getLogger("tidegate")

Attributes = dict[str, str | int]
T = TypeVar("T")


class Tracing:
    """The spans of one client or of several.

    Args:
        tracer_provider: Default the global one.
    """

    def __init__(self, tracer_provider: TracerProvider | None = None) -> None:
        self._tracer = trace.get_tracer("tidegate", tidegate.__version__, tracer_provider)

    def context_of(self, message: Message[Any], base: Context | None = None) -> Context:
        """The context to work on a message in: spans begun there are children of its receiving.

        Args:
            message: From a room.
            base: What else the context holds; default the current one, which is returned as it is
                for a message of no trace.
        """
        context = get_current() if base is None else base
        span_context = message._trace
        if not isinstance(span_context, SpanContext):
            return context
        return set_span_in_context(NonRecordingSpan(span_context), context)

    def publish(
        self, room: str, payload_bytes: int, send: Callable[[str], asyncio.Future[Ack]]
    ) -> asyncio.Future[Ack]:
        """Of TraceHooks."""
        try:
            span = self._tracer.start_span(
                f"publish {_class_of(room)}",
                kind=SpanKind.PRODUCER,
                attributes=_attributes("publish", "send", room, payload_bytes),
            )
        except Exception:
            _log.exception(_NO_SPAN)
            return send("")
        try:
            published = send(_format(span.get_span_context()))
        except TidegateError as error:
            _guard(partial(_fail, span, error))
            raise
        published.add_done_callback(lambda done: _guard(lambda: _end(span, done)))
        return published

    def arrive(self, message: message_pb2.Message) -> message_pb2.Message | Arrived:
        """Of TraceHooks."""
        if message.traceparent or message.envelope.traceparent:
            receive = partial(self._receive, message, time.time_ns())
            return Arrived(message, lambda room: _guard(lambda: receive(room)))
        return message

    def _receive(
        self, message: message_pb2.Message, arrived_ns: int, room: str
    ) -> SpanContext | None:
        """The consumer gets a message: makes its span, and gives the span's context."""
        published = _parse(message.envelope.traceparent)
        handed_out = _parse(message.traceparent)
        parent = handed_out or published
        if parent is None:
            return None
        attributes = _attributes("receive", "receive", room, len(message.envelope.payload))
        position = read_position(message, "position")
        if position is not None:
            attributes["messaging.message.id"] = str(position)
        span = self._tracer.start_span(
            f"receive {_class_of(room)}",
            context=set_span_in_context(NonRecordingSpan(parent), Context()),
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            links=[Link(published)] if handed_out and published else [],
            start_time=arrived_ns,
        )
        span.end()
        return span.get_span_context()


def _guard(work: Callable[[], T]) -> T | None:
    """Run what calls into the application's tracer provider.

    A sampler or processor that raises must cost a span, and neither a publish nor a message.
    """
    try:
        return work()
    except Exception:
        _log.exception(_NO_SPAN)
        return None


def _class_of(room: str) -> str:
    return room.partition(":")[0]


def _attributes(name: str, kind: str, room: str, payload_bytes: int) -> Attributes:
    """OpenTelemetry's conventions for messaging."""
    return {
        "messaging.system": "tidegate",
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
        "messaging.destination.name": room,
        "messaging.destination.template": f"{_class_of(room)}:*",
        "messaging.message.body.size": payload_bytes,
    }


def _end(span: Span, done: asyncio.Future[Ack]) -> None:
    if done.cancelled():
        span.end()  # forgotten, or without a listener
        return
    error = done.exception()
    if error is not None:
        _fail(span, error)
        return
    ack = done.result()
    if ack.position is not None:
        span.set_attribute("messaging.message.id", str(ack.position))
    if ack.trace_id not in ("", trace.format_trace_id(span.get_span_context().trace_id)):
        # The gateway did not take our trace up, and made its own.
        span.set_attribute("tidegate.trace.id", ack.trace_id)
    span.end()


def _fail(span: Span, error: BaseException) -> None:
    kind = error.code if isinstance(error, TidegateError) else type(error).__name__
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR, str(error)))
    span.end()


def _format(context: SpanContext) -> str:
    """W3C Trace Context, of a sampled span alone: gateways take nothing else up."""
    if not context.is_valid or not context.trace_flags.sampled:
        return ""
    trace_id = trace.format_trace_id(context.trace_id)
    return f"00-{trace_id}-{trace.format_span_id(context.span_id)}-01"


def _parse(text: str) -> SpanContext | None:
    found = _TRACEPARENT.fullmatch(text)
    if found is None:
        return None
    trace_id, span_id, flags = (int(part, 16) for part in found.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return context if context.is_valid else None
