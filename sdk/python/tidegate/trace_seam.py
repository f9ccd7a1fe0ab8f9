"""What tracing hears of a client: the seam that keeps OpenTelemetry out of all other modules.

tracing.py is its one implementation, and is imported by users alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tidegate._gen.tidegate.client.v1 import message_pb2
from tidegate.events import Ack


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message of a trace in its room's queue.

    Attributes:
        message: What came.
        take: Called when the consumer gets it, with the room; gives what ``Tracing.context_of``
            wants to know of it.
    """

    message: message_pb2.Message
    take: Callable[[str], object]


class TraceHooks(Protocol):
    """The hooks of a client: ``tidegate.tracing.Tracing``. They must not raise by themselves."""

    def publish(
        self, room: str, payload_bytes: int, send: Callable[[str], asyncio.Future[Ack]]
    ) -> asyncio.Future[Ack]:
        """A value is published: by its caller, after its codec.

        Args:
            room: Where.
            payload_bytes: Its size.
            send: Publishes it; takes the W3C traceparent to send along, empty for none.

        Returns:
            What ``send`` returned.
        """
        ...

    def arrive(self, message: message_pb2.Message) -> message_pb2.Message | Arrived:
        """A message goes into its room's queue; hot path."""
        ...
