"""The order and retry of one room's publishes (R1-R4), as a pure state machine.

No clock and no I/O: server time is an argument, and what to write is returned. The phases:

- flow: publishes are written in order, as many unanswered as the window allows.
- settle: something failed, or the connection broke. Nothing is written until everything in flight
  is answered (after a break: all of it is unanswered, which settles it).
- resend: the failed ones are written again one by one, in order, with their old number and first
  time; then flow again.

A number is given at the first write, so publishes that never were written leave no holes. A failed
publish is not sent again once a later one was acknowledged: it would be stored behind it, and a
producer's acknowledged publishes must stand in its own order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from tidegate.errors import TidegateError

T = TypeVar("T")

Phase = Literal["flow", "settle", "resend"]


@dataclass(slots=True, eq=False)
class Entry(Generic[T]):
    """One publish.

    Attributes:
        payload: Its bytes.
        tag: The owner's; handed back with the outcome.
        queued_us: Server time when it was queued.
        traceparent: Of the span it is published in; empty: none.
        seq: producer_seq, given at the first write; 0 before.
        first_sent_us: Server time of the first write; 0 before.
        is_uncertain: Whether some try of it ended without an answer: it may be stored.
        last_error: Of the latest try that was refused.
    """

    payload: bytes
    tag: T
    queued_us: int
    traceparent: str = ""
    seq: int = 0
    first_sent_us: int = 0
    is_uncertain: bool = False
    last_error: TidegateError | None = None


@dataclass(frozen=True, slots=True)
class Failure(Generic[T]):
    """A publish that ended without an acknowledgement, and why."""

    entry: Entry[T]
    error: TidegateError


class PublishQueue(Generic[T]):
    """The publishes of one room by one producer.

    Args:
        budget_us: How long after its first write (or, never written, after it was queued) a publish
            may be tried.
        first_seq: The first number to give.
        is_durable: Whether tries without an answer may be repeated: True in durable rooms, where
            the store drops the second copy; False in ephemeral ones. None when not known: they
            wait for `set_mode`.
    """

    def __init__(self, budget_us: int, first_seq: int = 1, is_durable: bool | None = None) -> None:
        self.budget_us = budget_us
        self.is_durable = is_durable
        self._next_seq = first_seq
        self._phase: Phase = "flow"
        self._waiting: deque[Entry[T]] = deque()
        self._flying: dict[int, Entry[T]] = {}
        self._failed: list[Entry[T]] = []
        self._acked_seq = 0
        self._hold_until_us = 0

    @property
    def phase(self) -> Phase:
        """What the queue is doing now."""
        return self._phase

    @property
    def next_seq(self) -> int:
        """The number the next publish will get."""
        return self._next_seq

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits, flies or is to be sent again."""
        return not (self._waiting or self._flying or self._failed)

    @property
    def needs_mode(self) -> bool:
        """Whether the next publish may be stored already, and it is not known if that matters."""
        return self.is_durable is None and bool(self._failed) and self._failed[0].is_uncertain

    @property
    def uncertain_seq_max(self) -> int:
        """Number of the latest publish of which a try ended without an answer; 0 if none is."""
        if self._phase == "flow":
            return 0
        entries = (*self._failed, *self._flying.values())
        return max((entry.seq for entry in entries if entry.is_uncertain), default=0)

    def set_mode(self, is_durable: bool) -> list[Failure[T]]:
        """Learn whether the room is durable.

        Returns:
            The publishes that end by this: those whose second copy nothing would drop.
        """
        self.is_durable = is_durable
        if is_durable:
            return []
        ended = [entry for entry in self._failed if entry.is_uncertain]
        self._failed = [entry for entry in self._failed if not entry.is_uncertain]
        self._settle()
        return [self._fail(entry) for entry in ended]

    def add(self, entry: Entry[T]) -> None:
        """Queue a publish behind all others."""
        self._waiting.append(entry)

    def remove_waiting(self, entry: Entry[T]) -> bool:
        """Forget a publish if it was never written; tells whether it was so."""
        if entry.seq != 0 or entry not in self._waiting:
            return False
        self._waiting.remove(entry)
        return True

    def can_take(self, now_us: int) -> bool:
        """Whether `take` would return something."""
        if self._phase == "flow":
            return bool(self._waiting)
        if self._phase == "resend":
            is_due = not self._flying and now_us >= self._hold_until_us
            return bool(self._failed) and is_due and not self.needs_mode
        return False

    def take(self, now_us: int, count_max: int) -> list[Entry[T]]:
        """Give the publishes to write now, in order; they count as in flight from here on."""
        if count_max < 1 or not self.can_take(now_us):
            return []
        if self._phase == "resend":
            entry = self._failed.pop(0)
            self._flying[entry.seq] = entry
            return [entry]
        taken: list[Entry[T]] = []
        while self._waiting and len(taken) < count_max:
            entry = self._waiting.popleft()
            entry.seq = self._next_seq
            entry.first_sent_us = now_us
            self._next_seq += 1
            self._flying[entry.seq] = entry
            taken.append(entry)
        return taken

    def acknowledge(self, seq: int) -> Entry[T] | None:
        """Take the acknowledgement of a publish; None when it had ended before."""
        entry = self._flying.pop(seq, None)
        if entry is not None:
            self._acked_seq = max(self._acked_seq, seq)
            self._settle()
        return entry

    def refuse(self, seq: int, error: TidegateError, now_us: int) -> tuple[bool, list[Failure[T]]]:
        """Take an ErrorFrame for a publish.

        Returns:
            Whether the publish was in flight, and the publishes that end by this.
        """
        entry = self._flying.pop(seq, None)
        if entry is None:
            return False, []
        entry.last_error = error
        ended: list[Failure[T]] = []
        if error.retryable and not self._is_overtaken(entry):
            self._keep_failed(entry)
            wait_us = error.retry_after_ms * 1000
            self._hold_until_us = max(self._hold_until_us, now_us + wait_us)
        else:
            ended.append(self._fail(entry))
        ended.extend(self._settle())
        return True, ended

    def break_off(self) -> list[Failure[T]]:
        """The connection broke: everything in flight is unanswered.

        Returns:
            The publishes that end by this: those whose second copy nothing would drop.
        """
        flying = list(self._flying.values())
        self._flying.clear()
        ended: list[Failure[T]] = []
        for entry in flying:
            entry.is_uncertain = True
            if self.is_durable is not False and not self._is_overtaken(entry):
                self._keep_failed(entry)
            else:
                ended.append(self._fail(entry))
        ended.extend(self._settle())
        return ended

    def expire(self, now_us: int) -> list[Failure[T]]:
        """End what has passed its budget."""
        limit_us = now_us - self.budget_us
        ended: list[Failure[T]] = []
        for entry in _older(self._flying.values(), limit_us):
            del self._flying[entry.seq]
            entry.is_uncertain = True  # it is unanswered now
            ended.append(self._fail(entry))
        for entry in _older(self._failed, limit_us):
            self._failed.remove(entry)
            ended.append(self._fail(entry))
        while self._waiting and self._waiting[0].queued_us <= limit_us:
            ended.append(self._fail(self._waiting.popleft()))
        ended.extend(self._settle())
        return ended

    def drain(self) -> list[Entry[T]]:
        """Give up everything, oldest first; the owner says how each ends."""
        entries = [*self._failed, *self._flying.values()]
        entries.sort(key=lambda entry: entry.seq)
        entries.extend(self._waiting)
        self._failed.clear()
        self._flying.clear()
        self._waiting.clear()
        self._phase = "flow"
        return entries

    def _keep_failed(self, entry: Entry[T]) -> None:
        self._failed.append(entry)
        self._failed.sort(key=lambda kept: kept.seq)
        self._phase = "settle"

    def _settle(self) -> list[Failure[T]]:
        """Move on when nothing is in flight; give the failed ones that were overtaken meanwhile."""
        if self._phase == "flow" or self._flying:
            return []
        overtaken = [entry for entry in self._failed if self._is_overtaken(entry)]
        self._failed = [entry for entry in self._failed if not self._is_overtaken(entry)]
        self._phase = "resend" if self._failed else "flow"
        if self._phase == "flow":
            self._hold_until_us = 0
        return [self._fail(entry) for entry in overtaken]

    def _is_overtaken(self, entry: Entry[T]) -> bool:
        return entry.seq < self._acked_seq

    def _fail(self, entry: Entry[T]) -> Failure[T]:
        return Failure(entry, describe_failure(entry))


def describe_failure(entry: Entry[T]) -> TidegateError:
    """Say how a publish ended that was not acknowledged, from what is known of its tries."""
    if entry.seq == 0:
        return TidegateError(
            "UNAVAILABLE",
            "the publish was never written: no gateway was connected, or the room's queue stood "
            "still, for its whole budget; publish it again",
        )
    error = entry.last_error
    if not entry.is_uncertain and error is not None:
        return error
    if error is not None and error.code == "OUTCOME_UNKNOWN":
        return error
    return TidegateError(
        "OUTCOME_UNKNOWN",
        f"publish {entry.seq} of this room was written and not confirmed; it may appear once, "
        "later, or never: read the history if it matters",
        cause=error,
    )


def _older(entries: Iterable[Entry[T]], limit_us: int) -> list[Entry[T]]:
    """The entries first written at or before the limit; those are at the front."""
    older: list[Entry[T]] = []
    for entry in entries:
        if entry.first_sent_us > limit_us:
            break
        older.append(entry)
    return older
