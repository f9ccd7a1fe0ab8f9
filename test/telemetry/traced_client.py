"""A member with the Python SDK that exports its spans; otlp-clients.ts starts it.

Lines in: a text to publish. Lines out, as JSON: {"t": "ready"}, {"t": "ack", "trace": …} and
{"t": "got", "text": …}. It ends with its stdin, after its spans are exported.
"""

from __future__ import annotations

import asyncio
import json
import sys

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import tidegate
from tidegate.tracing import Tracing

EXPORT_MS = 100


def tell(**line: str) -> None:
    """Print a line."""
    print(json.dumps(line), flush=True)


async def listen(room: tidegate.Room[str]) -> None:
    """Tell what comes."""
    async for event in room:
        if isinstance(event, tidegate.Message):
            tell(t="got", text=event.data)


async def main(url: str, endpoint: str, room_name: str) -> None:
    """Join, listen, and publish what is said."""
    provider = TracerProvider(resource=Resource.create({"service.name": "python-client"}))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_MS))
    lines = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with await tidegate.connect(url, tracing=Tracing(provider)) as client:
        room = await client.join(room_name, codec=tidegate.text_codec)
        listening = asyncio.create_task(listen(room))
        tell(t="ready")
        while line := (await lines.readline()).decode().strip():
            ack = await room.publish(line)
            tell(t="ack", trace=ack.trace_id)
        listening.cancel()
    await asyncio.to_thread(provider.shutdown)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
