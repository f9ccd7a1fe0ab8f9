"""R3 over a reconnect: acks not told yet, because a later publish may be stored before them.

Pure. A gateway that dies may have refused publish n and stored n + 1; at the next gateway n is
stored behind it, and acknowledged. So an ack waits while a later publish is uncertain (a try of it
ended without an answer). When that one turns out to be stored before it, n can not be in order any
more and ends as ``OUTCOME_UNKNOWN``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from tidegate.events import Ack
from tidegate.publish_queue import Entry

T = TypeVar("T")


@dataclass(slots=True)
class UnsureAck(Generic[T]):
    """An acknowledged publish.

    Attributes:
        entry: The publish.
        ack: What its owner is to be told.
        is_overtaken: Whether a later publish is stored before it.
    """

    entry: Entry[T]
    ack: Ack
    is_overtaken: bool = False


class UnsureAcks(Generic[T]):
    """The acks of one room. Bounded by the window: each was in flight."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: list[UnsureAck[T]] = []

    def add(self, entry: Entry[T], ack: Ack) -> None:
        """A publish was acknowledged; `take_sure` follows."""
        for earlier in self._kept:
            if entry.seq > earlier.entry.seq and _is_before(ack, earlier.ack):
                earlier.is_overtaken = True
        self._kept.append(UnsureAck(entry, ack))

    def take_sure(self, uncertain_seq_max: int) -> list[UnsureAck[T]]:
        """Take out what can be told, in the order of the acks.

        Args:
            uncertain_seq_max: Number of the latest publish that may be stored already, 0 if none.
        """
        end = len(self._kept)
        for at, kept in enumerate(self._kept):
            if kept.entry.seq < uncertain_seq_max:
                end = at
                break
        sure, self._kept = self._kept[:end], self._kept[end:]
        return sure


def _is_before(one: Ack, other: Ack) -> bool:
    if one.position is None or other.position is None:
        return False  # ephemeral rooms have no order to keep
    first, second = one.position, other.position
    return (first.epoch, first.seq) < (second.epoch, second.seq)
