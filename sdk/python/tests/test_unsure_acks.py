"""Acks that wait for the word on later publishes."""

from __future__ import annotations

from tidegate.events import Ack
from tidegate.position import Position
from tidegate.publish_queue import Entry
from tidegate.unsure_acks import UnsureAcks


def entry(seq: int) -> Entry[str]:
    return Entry(payload=b"", tag=str(seq), queued_us=0, seq=seq)


def ack(seq: int, epoch: int = 1) -> Ack:
    return Ack(Position(epoch, seq, 1), is_duplicate=False)


def told(acks: UnsureAcks[str], uncertain_seq_max: int) -> list[tuple[str, bool]]:
    return [(each.entry.tag, each.is_overtaken) for each in acks.take_sure(uncertain_seq_max)]


def test_told_at_once_when_nothing_later_is_uncertain() -> None:
    acks: UnsureAcks[str] = UnsureAcks()
    acks.add(entry(1), ack(10))
    assert told(acks, 0) == [("1", False)]
    acks.add(entry(2), ack(11))
    assert told(acks, 1) == [("2", False)]


def test_one_that_is_stored_behind_a_later_publish_is_overtaken() -> None:
    acks: UnsureAcks[str] = UnsureAcks()
    acks.add(entry(1), ack(20))
    assert told(acks, 3) == []
    acks.add(entry(2), ack(10))
    assert told(acks, 3) == []
    acks.add(entry(3), ack(3, epoch=2))
    assert told(acks, 0) == [("1", True), ("2", False), ("3", False)]
