"""publish_queue.py: order, retry and budget of one room's publishes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tidegate.errors import TidegateError
from tidegate.publish_queue import Entry, Failure, PublishQueue

BUDGET_US = 20_000_000
Queue = PublishQueue[int]


def make(count: int, is_durable: bool | None = True) -> Queue:
    queue: Queue = PublishQueue(BUDGET_US, is_durable=is_durable)
    for number in range(count):
        queue.add(Entry(b"%d" % number, number, queued_us=0))
    return queue


def retryable(after_ms: int = 0) -> TidegateError:
    return TidegateError("UNAVAILABLE", "try again", retryable=True, retry_after_ms=after_ms)


def final() -> TidegateError:
    return TidegateError("PERMISSION_DENIED", "no", retryable=False)


def seqs(entries: list[Entry[int]]) -> list[int]:
    return [entry.seq for entry in entries]


def outcomes(failures: list[Failure[int]]) -> list[tuple[int, str]]:
    return [(failure.entry.tag, failure.error.code) for failure in failures]


def test_take_numbers_from_one_in_order_up_to_the_window() -> None:
    queue = make(5)
    assert seqs(queue.take(7, 2)) == [1, 2]
    assert seqs(queue.take(9, 10)) == [3, 4, 5]
    assert queue.take(9, 10) == []


def test_take_fixes_first_sent_at_the_first_write_only() -> None:
    queue = make(1)
    (entry,) = queue.take(100, 1)
    assert entry.first_sent_us == 100
    queue.break_off()
    (again,) = queue.take(900, 1)
    assert again is entry
    assert (again.seq, again.first_sent_us) == (1, 100)


def test_refuse_retryable_holds_until_all_in_flight_is_answered() -> None:
    queue = make(4)
    queue.take(0, 3)
    assert queue.refuse(2, retryable(), 0) == (True, [])
    assert str(queue.phase) == "settle"
    assert queue.take(0, 10) == []
    queue.acknowledge(1)
    assert queue.take(0, 10) == []
    queue.refuse(3, retryable(), 0)
    assert str(queue.phase) == "resend"
    assert seqs(queue.take(0, 10)) == [2]
    assert queue.take(0, 10) == []  # one by one
    queue.acknowledge(2)
    assert seqs(queue.take(0, 10)) == [3]
    assert queue.take(0, 10) == []  # new ones wait for the last resend too
    queue.acknowledge(3)
    assert str(queue.phase) == "flow"
    assert seqs(queue.take(0, 10)) == [4]


def test_refuse_with_retry_after_is_not_sent_again_before() -> None:
    queue = make(1)
    queue.take(0, 1)
    queue.refuse(1, retryable(after_ms=250), 1_000)
    assert not queue.can_take(250_999)
    assert seqs(queue.take(251_000, 1)) == [1]


def test_refuse_final_ends_that_publish_and_nothing_else() -> None:
    queue = make(3)
    queue.take(0, 2)
    _, ended = queue.refuse(1, final(), 0)
    assert outcomes(ended) == [(0, "PERMISSION_DENIED")]
    assert str(queue.phase) == "flow"
    assert seqs(queue.take(0, 9)) == [3]


def test_refuse_of_a_publish_overtaken_by_an_acknowledged_one_ends_it() -> None:
    queue = make(2)
    queue.take(0, 2)
    queue.acknowledge(2)
    _, ended = queue.refuse(1, retryable(), 0)
    assert outcomes(ended) == [(0, "UNAVAILABLE")]
    assert queue.is_empty


def test_failed_publish_overtaken_while_settling_ends_instead_of_reordering() -> None:
    queue = make(2)
    queue.take(0, 2)
    assert queue.refuse(1, retryable(), 0) == (True, [])
    assert queue.acknowledge(2) is not None
    assert queue.take(0, 9) == []


def test_break_off_resends_all_unanswered_in_order_one_by_one() -> None:
    queue = make(3)
    queue.take(0, 2)
    assert queue.break_off() == []
    assert seqs(queue.take(0, 9)) == [1]
    queue.acknowledge(1)
    assert seqs(queue.take(0, 9)) == [2]
    queue.acknowledge(2)
    assert seqs(queue.take(0, 9)) == [3]


def test_break_off_without_a_store_that_drops_copies_ends_as_unknown() -> None:
    queue = make(2, is_durable=False)
    queue.take(0, 1)
    assert outcomes(queue.break_off()) == [(0, "OUTCOME_UNKNOWN")]
    assert seqs(queue.take(0, 9)) == [2]


def test_break_off_in_unknown_mode_holds_until_the_mode_is_known() -> None:
    for is_durable in (True, False):
        queue = make(2, is_durable=None)
        queue.take(0, 1)
        assert queue.break_off() == []
        assert queue.needs_mode
        assert queue.take(0, 9) == []
        ended = queue.set_mode(is_durable)
        assert outcomes(ended) == ([] if is_durable else [(0, "OUTCOME_UNKNOWN")])
        assert seqs(queue.take(0, 9)) == ([1] if is_durable else [2])


def test_refuse_retryable_in_unknown_mode_is_sent_again_as_nothing_was_done() -> None:
    queue = make(1, is_durable=None)
    queue.take(0, 1)
    queue.refuse(1, retryable(), 0)
    assert not queue.needs_mode
    assert seqs(queue.take(0, 9)) == [1]


def test_final_error_after_an_unanswered_try_is_unknown_with_the_error_as_cause() -> None:
    queue = make(1)
    queue.take(0, 1)
    queue.break_off()
    queue.take(0, 1)
    _, ended = queue.refuse(1, final(), 0)
    assert outcomes(ended) == [(0, "OUTCOME_UNKNOWN")]
    cause = ended[0].error.__cause__
    assert isinstance(cause, TidegateError)
    assert cause.code == "PERMISSION_DENIED"


def test_expire_of_written_is_unknown_and_of_never_written_unavailable() -> None:
    queue = make(2)
    queue.take(0, 1)
    assert queue.expire(BUDGET_US - 1) == []
    ended = queue.expire(BUDGET_US)
    assert outcomes(ended) == [(0, "OUTCOME_UNKNOWN"), (1, "UNAVAILABLE")]
    assert [failure.error.retryable for failure in ended] == [False, True]
    assert queue.is_empty


def test_expire_of_one_that_was_refused_each_time_says_so() -> None:
    queue = make(1)
    queue.take(0, 1)
    queue.refuse(1, TidegateError("STORE_FULL", "full", retryable=True), 0)
    assert outcomes(queue.expire(BUDGET_US)) == [(0, "STORE_FULL")]


def test_expire_unblocks_what_waited_for_an_answer_that_never_came() -> None:
    queue = make(2)
    queue.take(0, 2)
    queue.refuse(2, retryable(), 0)
    ended = queue.expire(BUDGET_US)
    assert [tag for tag, _ in outcomes(ended)] == [0, 1]
    queue.add(Entry(b"new", 9, queued_us=BUDGET_US))
    assert seqs(queue.take(BUDGET_US, 1)) == [3]


def test_acknowledge_of_an_ended_publish_is_ignored() -> None:
    queue = make(1)
    queue.take(0, 1)
    queue.expire(BUDGET_US)
    assert queue.acknowledge(1) is None
    assert queue.refuse(1, retryable(), 0) == (False, [])


def test_remove_waiting_forgets_only_what_was_never_written_and_leaves_no_hole() -> None:
    queue: Queue = PublishQueue(BUDGET_US)
    first, second, third = (Entry(b"", tag, 0) for tag in range(3))
    for entry in (first, second, third):
        queue.add(entry)
    queue.take(0, 1)
    assert not queue.remove_waiting(first)
    assert queue.remove_waiting(second)
    assert [(entry.tag, entry.seq) for entry in queue.take(0, 9)] == [(2, 2)]


def test_drain_gives_everything_oldest_first() -> None:
    queue = make(4)
    queue.take(0, 3)
    queue.refuse(1, retryable(), 0)
    assert [entry.tag for entry in queue.drain()] == [0, 1, 2, 3]
    assert queue.is_empty


# -- random interleavings ----------------------------------------------------------------------


@dataclass
class Store:
    """A gateway and store for one producer and room, as R2 and R3 promise them.

    In order of arrival; a second copy is dropped; after a retryable refusal later ones are refused
    too, until the refused comes again.
    """

    log: list[int] = field(default_factory=list)
    refused: int = 0
    never: frozenset[int] = frozenset()
    """Publishes that are refused for good, whenever they come."""

    def submit(self, seq: int, dice: random.Random) -> TidegateError | None:
        if self.refused and seq > self.refused:
            return retryable(after_ms=dice.choice([0, 10]))
        self.refused = 0
        if seq in self.log:
            return None
        if dice.random() < 0.1:
            self.refused = seq
            return retryable(after_ms=dice.choice([0, 10]))
        if seq in self.never:
            return final()
        self.log.append(seq)
        return None


def run_interleaving(seed: int) -> None:
    """One random life of a queue: writes, answers, breaks and waits in any order."""
    dice = random.Random(seed)
    queue: Queue = PublishQueue(BUDGET_US, is_durable=True)
    store = Store(never=frozenset(seq for seq in range(50) if dice.random() < 0.05))
    to_store: list[int] = []
    to_client: list[tuple[int, TidegateError | None]] = []
    seq_of: dict[int, int] = {}
    acked: list[int] = []
    failed: dict[int, str] = {}
    now_us, added = 0, 0
    total = dice.randint(1, 40)

    def note(failures: list[Failure[int]]) -> None:
        for failure in failures:
            assert failure.entry.tag not in failed
            failed[failure.entry.tag] = failure.error.code

    for _ in range(5_000):
        if len(acked) + len(failed) == total:
            break
        now_us += dice.choice([0, 1_000, 20_000])
        act = dice.random()
        if act < 0.25 and added < total:
            queue.add(Entry(b"", added, now_us))
            added += 1
        elif act < 0.5:
            taken = queue.take(now_us, dice.randint(1, 8))
            for entry in taken:
                seq_of[entry.tag] = entry.seq
                to_store.append(entry.seq)
        elif act < 0.7 and to_store:
            seq = to_store.pop(0)
            to_client.append((seq, store.submit(seq, dice)))
        elif act < 0.95 and to_client:
            seq, error = to_client.pop(0)
            if error is None:
                done = queue.acknowledge(seq)
                if done is not None:
                    acked.append(seq)
            else:
                note(queue.refuse(seq, error, now_us)[1])
        elif act > 0.985:
            # The bytes on the way to the gateway may still arrive; answers never do.
            for seq in to_store[: dice.randint(0, len(to_store))]:
                store.submit(seq, dice)
            to_store.clear()
            to_client.clear()
            note(queue.break_off())
        note(queue.expire(now_us))
    else:
        raise AssertionError(f"seed {seed}: the queue did not end")

    stored_once = sorted(store.log) == sorted(set(store.log))
    assert stored_once, f"seed {seed}: stored twice"
    places = [store.log.index(seq) for seq in sorted(acked)]
    assert places == sorted(places), f"seed {seed}: acknowledged {acked} in the log {store.log}"
    for tag, code in failed.items():
        if code != "OUTCOME_UNKNOWN" and tag in seq_of:
            assert seq_of[tag] not in store.log, f"seed {seed}: {tag} failed as {code}, is stored"


def test_random_interleavings_never_double_or_reorder_acknowledged_publishes() -> None:
    for seed in range(2_000):
        run_interleaving(seed)
