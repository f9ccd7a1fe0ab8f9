"""membership.py: what is delivered, when to join again, and where from."""

from __future__ import annotations

import random

from tidegate.events import Gap
from tidegate.membership import (
    HISTORY_MAX,
    Anew,
    At,
    FromEmpty,
    JoinedFacts,
    JoinWish,
    Membership,
)
from tidegate.position import Position

ROOM = "chat:x"


def at(seq: int, epoch: int = 1) -> Position:
    return Position(epoch, seq, seq * 10)


def durable(head: int | None = None, recovered: bool | None = None) -> JoinedFacts:
    place = None if head is None else at(head)
    return JoinedFacts(True, place, recovered, "RETENTION" if recovered is False else "UNKNOWN")


def live(recovered: bool | None = None) -> JoinedFacts:
    return JoinedFacts(False, None, recovered, "EPHEMERAL")


def joined(facts: JoinedFacts, after: Position | None = None, history: int = 0) -> Membership:
    membership = Membership(ROOM, after, history)
    membership.wish()
    membership.take_joined(facts)
    return membership


def action(membership: Membership, seq: int, prev: int, epoch: int = 1) -> str:
    return membership.take_message(at(seq, epoch), prev).action


def test_wish_first_is_what_the_user_asked() -> None:
    assert Membership(ROOM, at(7), 20).wish() == JoinWish(at(7), 20)


def test_wish_after_a_message_resumes_after_it() -> None:
    membership = joined(durable(head=3), history=20)
    assert action(membership, 3, 2) == "deliver"
    assert membership.wish() == JoinWish(at(3), 20)


def test_wish_before_any_message_resumes_after_the_head() -> None:
    assert joined(durable(head=3)).wish() == JoinWish(at(3), 0)


def test_wish_after_an_empty_room_asks_for_all_that_came() -> None:
    assert joined(durable()).wish() == JoinWish(None, HISTORY_MAX)


def test_take_message_that_is_next_old_or_behind_a_hole() -> None:
    membership = joined(durable(recovered=True), after=at(5))
    assert action(membership, 5, 4) == "drop"
    assert action(membership, 8, 5) == "deliver"
    assert action(membership, 8, 5) == "drop"
    assert action(membership, 12, 10) == "rejoin"
    assert membership.place == At(at(8))


def test_take_message_of_a_new_epoch_follows_and_of_an_old_one_is_dropped() -> None:
    membership = joined(durable(head=5))
    assert action(membership, 1, 0, epoch=2) == "deliver"
    assert action(membership, 9, 5, epoch=1) == "drop"


def test_take_message_after_a_hole_that_the_gateway_replayed_counts_as_void_between() -> None:
    membership = joined(durable(head=5))
    assert action(membership, 9, 7) == "rejoin"
    assert membership.wish() == JoinWish(at(5), 0)
    assert membership.take_joined(durable(head=9, recovered=True)) is None
    assert action(membership, 9, 7) == "deliver"
    assert action(membership, 14, 12) == "rejoin"  # only the one that was vouched for


def test_take_joined_not_recovered_tells_a_gap_and_starts_anew() -> None:
    membership = Membership(ROOM, at(500), 0)
    membership.wish()
    facts = durable(head=300, recovered=False)
    assert membership.take_joined(facts) == Gap(ROOM, "RETENTION", 0, at(500))
    assert action(membership, 301, 300) == "deliver"  # a restored backup counts lower again


def test_take_joined_without_recovered_after_a_position_counts_as_not_recovered() -> None:
    membership = Membership(ROOM, at(5), 0)
    membership.wish()
    assert isinstance(membership.take_joined(durable(head=9)), Gap)


def test_take_joined_unasked_goes_on_with_the_chain() -> None:
    membership = joined(durable(head=5))
    assert membership.take_joined(durable(head=9, recovered=True)) is None
    assert action(membership, 6, 5) == "deliver"
    assert action(membership, 9, 8) == "rejoin"


def test_take_gap_accepts_whatever_comes_next_and_keeps_the_place() -> None:
    membership = joined(durable(head=5))
    membership.take_gap()
    assert membership.place == Anew(at(5))
    assert membership.wish() == JoinWish(at(5), 0)
    membership.take_joined(durable(head=9, recovered=True))
    assert action(membership, 6, 5) == "deliver"


def test_rejoin_before_the_wanted_history_came_misses_no_live_message() -> None:
    # Joined at 9 wanting 1; broken before it came; 10, 11 and 12 were published meanwhile. The
    # newest 1 is then 12, and 10 and 11 would be lost without a word.
    membership = joined(durable(head=9), history=1)
    assert membership.wish() == JoinWish(None, 1)
    membership.take_joined(durable(head=12))
    assert action(membership, 12, 11) == "rejoin"
    assert membership.wish() == JoinWish(at(9), 1)
    membership.take_joined(durable(head=12, recovered=True))
    assert [action(membership, seq, seq - 1) for seq in (10, 11, 12)] == ["deliver"] * 3


def test_rejoin_before_the_wanted_history_came_misses_nothing_when_the_epoch_has_changed() -> None:
    membership = joined(durable(head=9), history=1)
    membership.wish()
    membership.take_joined(durable(head=12))
    assert membership.take_message(Position(2, 1, 0), 0).action == "rejoin"
    assert membership.wish() == JoinWish(at(9), 1)


def test_rejoin_of_a_room_that_was_empty_tells_a_gap_when_its_start_is_gone() -> None:
    membership = joined(durable())
    membership.wish()
    membership.take_joined(durable(head=900))
    verdict = membership.take_message(at(401), 400)
    assert verdict.action == "deliver"
    assert verdict.gap == Gap(ROOM, "RETENTION", 0, None)


def test_rejoin_of_a_room_that_was_empty_is_whole_from_its_first_message() -> None:
    membership = joined(durable())
    membership.wish()
    membership.take_joined(durable(head=2))
    assert membership.place == FromEmpty(is_rejoined=True)
    assert membership.take_message(at(1), 0).gap is None


def test_ephemeral_rejoin_tells_a_gap_and_the_first_join_none() -> None:
    membership = Membership(ROOM, None, 0)
    membership.wish()
    assert membership.take_joined(live()) is None
    membership.wish()
    assert membership.take_joined(live()) == Gap(ROOM, "EPHEMERAL", 0, None)
    membership.note_loss()
    membership.wish()
    assert membership.take_joined(live()) == Gap(ROOM, "SLOW_MEMBER", 0, None)


def test_ephemeral_join_after_a_position_tells_a_gap() -> None:
    membership = Membership(ROOM, at(3), 0)
    membership.wish()
    assert membership.take_joined(live(recovered=False)) == Gap(ROOM, "EPHEMERAL", 0, at(3))


def test_ephemeral_count_that_jumps_tells_how_many_are_missing() -> None:
    membership = joined(live())
    assert membership.take_message(None, 0, 41).gap is None
    assert membership.take_message(None, 0, 42).gap is None
    assert membership.take_message(None, 0, 45).gap == Gap(ROOM, "SLOW_MEMBER", 2, None)
    membership.take_gap()  # the gateway said it itself
    assert membership.take_message(None, 0, 90).gap is None


def test_random_breaks_and_losses_deliver_every_message_once_in_order() -> None:
    for seed in range(300):
        live_at_random(seed)


def live_at_random(seed: int) -> None:
    """A store that keeps all, a wire that breaks and loses at random: the member gets all, once."""
    dice = random.Random(seed)
    log: list[int] = []  # seqs, not contiguous
    membership = Membership(ROOM, None, 0)
    wire: list[tuple[int, int]] = []
    got: list[int] = []
    is_joined = False
    first = 0

    def publish() -> None:
        log.append((log[-1] if log else 0) + dice.randint(1, 3))
        # Some are lost between gateway and member, but not the first of a room that was empty: a
        # member that has nothing yet can not tell what came before.
        if is_joined and (dice.random() > 0.15 or not (got or first)):
            wire.append((log[-1], log[-2] if len(log) > 1 else 0))

    def join() -> None:
        wish = membership.wish()
        head = log[-1] if log else None
        wire.clear()
        if wish.after is None:
            membership.take_joined(durable(head))
            wanted = log[-wish.history :] if wish.history else []
        else:
            membership.take_joined(durable(head, recovered=True))
            wanted = [seq for seq in log if seq > wish.after.seq]
        for seq in wanted:
            index = log.index(seq)
            wire.append((seq, log[index - 1] if index else 0))

    for _ in range(dice.choice([0, 3])):
        publish()
    first = len(log)
    join()
    is_joined = True
    for _ in range(200):
        act = dice.random()
        if act < 0.4 and len(log) < 100:
            publish()
        elif act < 0.9 and wire:
            seq, prev = wire.pop(0)
            verdict = membership.take_message(at(seq), prev)
            assert verdict.gap is None
            if verdict.action == "deliver":
                got.append(seq)
            elif verdict.action == "rejoin":
                join()
        elif act > 0.95:
            join()  # the connection broke
    join()
    got.extend(
        seq for seq, prev in wire if membership.take_message(at(seq), prev).action == "deliver"
    )
    assert got == log[first:], f"seed {seed}"
