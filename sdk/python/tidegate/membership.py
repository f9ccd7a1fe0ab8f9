"""What a member has of its room, and what it must ask for to get the rest (R5, R9).

Pure. `Membership` takes what the gateway says (Joined, Message, Gap) and answers: deliver or not,
tell of a gap or not, and what the next Join has to ask. It never delivers a part that looks whole:

==============  ==========================================================================
place           what it means; the next Join asks
==============  ==========================================================================
Fresh           nothing is known of the room; what the user asked
At              everything through a position was delivered; after it
Anew            as At, but a gap was told since: the next message is taken whatever it follows
AfterHead       joined at a head with history wanted, nothing delivered yet; the history again.
                If what follows begins behind the head, live messages are missing: then after it
FromEmpty       joined when the room was empty, nothing delivered yet; the newest 500. If what
                follows does not begin at the beginning, a gap is told
Ephemeral       no positions; joining again, the absence is told as a gap
==============  ==========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from tidegate.chain import judge_chain
from tidegate.events import Gap, GapReason
from tidegate.position import Position

HISTORY_MAX = 500
"""The most history a Join can ask for (JoinRoom.history)."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """Nothing is known of the room yet."""

    after: Position | None
    history: int


@dataclass(frozen=True, slots=True)
class At:
    """Everything through `position` was delivered."""

    position: Position


@dataclass(frozen=True, slots=True)
class Anew:
    """A gap was told after `position`; the chain starts anew with the next message."""

    position: Position


@dataclass(frozen=True, slots=True)
class AfterHead:
    """Joined at `head`; its history was asked for and none has come yet."""

    head: Position
    is_rejoined: bool = False


@dataclass(frozen=True, slots=True)
class FromEmpty:
    """Joined when nothing was stored; nothing has come yet."""

    is_rejoined: bool = False


@dataclass(frozen=True, slots=True)
class Ephemeral:
    """The room has no positions."""


Place: TypeAlias = Fresh | At | Anew | AfterHead | FromEmpty | Ephemeral


@dataclass(frozen=True, slots=True)
class JoinWish:
    """What the next Join has to ask for."""

    after: Position | None
    history: int


@dataclass(frozen=True, slots=True)
class JoinedFacts:
    """What a Joined says, as far as it matters here."""

    is_durable: bool
    head: Position | None
    recovered: bool | None
    loss: GapReason


@dataclass(frozen=True, slots=True)
class MessageVerdict:
    """What to do with a message: deliver it (after `gap`, if any), drop it, or join again."""

    action: Literal["deliver", "drop", "rejoin"]
    gap: Gap | None = None


_DELIVER = MessageVerdict("deliver")
_DROP = MessageVerdict("drop")
_REJOIN = MessageVerdict("rejoin")


class Membership:
    """The place one member has reached in one room.

    Args:
        room: Name of the room, for the gaps it tells.
        after: The position to resume after, if the user has one.
        history: How many of the newest messages the user wants first, 0 to 500.
    """

    __slots__ = (
        "_ephemeral_seq",
        "_history",
        "_is_after_hole",
        "_is_vouched",
        "_lost",
        "_place",
        "_room",
        "_wish",
    )

    def __init__(self, room: str, after: Position | None, history: int) -> None:
        self._room = room
        self._history = history
        self._place: Place = Fresh(after, history)
        self._wish: JoinWish | None = None
        self._ephemeral_seq = 0  # of the last message on this connection; 0: none yet
        self._is_after_hole = False
        # The gateway has just replayed after this very place because of a hole: what lies between
        # is void (R2) and not missing, so the next message is taken without a look at its prev.
        self._is_vouched = False
        self._lost: GapReason | None = None

    @property
    def place(self) -> Place:
        """The place reached."""
        return self._place

    @property
    def position(self) -> Position | None:
        """The last position delivered, or joined after; None when there is none."""
        match self._place:
            case At(position) | Anew(position):
                return position
            case _:
                return None

    def wish(self) -> JoinWish:
        """Say what the next Join has to ask for; call it when that Join is written."""
        self._wish = self._next_wish()
        return self._wish

    def note_loss(self) -> None:
        """Messages were dropped here, on the way to the consumer (an ephemeral room's overflow)."""
        self._lost = "SLOW_MEMBER"

    def take_joined(self, facts: JoinedFacts) -> Gap | None:
        """Take a Joined; gives the gap to tell before anything that follows, if any."""
        wish, self._wish = self._wish, None
        self._ephemeral_seq = 0
        asked = None if wish is None else wish.after
        if not facts.is_durable:
            return self._take_joined_ephemeral(facts, asked)
        if facts.recovered is True:
            if asked is not None:
                self._place = At(asked)
            self._is_vouched = self._is_after_hole
            return None
        # An answer without `recovered` to a Join with `after` proves nothing: as not recovered.
        if facts.recovered is False or asked is not None:
            gap = Gap(self._room, facts.loss, 0, asked or self.position)
            self._is_after_hole = self._is_vouched = False
            self._begin(facts.head, self._history)
            return gap
        if wish is None:
            return None  # the gateway re-joined the member by itself: the chain goes on
        match self._place:
            case AfterHead(head):
                self._place = AfterHead(head, is_rejoined=True)
            case FromEmpty():
                self._place = FromEmpty(is_rejoined=True)
            case _:
                self._begin(facts.head, self._history)
        return None

    def take_message(
        self, position: Position | None, prev_seq: int, ephemeral_seq: int = 0
    ) -> MessageVerdict:
        """Take a message, in the order of arrival; one that is delivered moves the place."""
        if position is None:
            return self._take_ephemeral(ephemeral_seq)
        place = self._place
        if type(place) is At:  # the usual case, first
            verdict = judge_chain(place.position, position, prev_seq)
            if verdict == "old":
                return _DROP
            if verdict == "gap" and not self._is_vouched:
                self._is_after_hole = True
                return _REJOIN
            self._place = At(position)
            self._is_after_hole = self._is_vouched = False
            return _DELIVER
        match place:
            case AfterHead(head, is_rejoined=True) if _starts_behind(head, position, prev_seq):
                self._place = At(head)
                return _REJOIN
            case FromEmpty(is_rejoined=True) if prev_seq > 0:
                self._place = At(position)
                return MessageVerdict("deliver", Gap(self._room, "RETENTION", 0, None))
        self._place = At(position)
        return _DELIVER

    def take_gap(self) -> None:
        """Take a Gap of the gateway: the chain starts anew with the next message."""
        self._ephemeral_seq = 0
        if isinstance(self._place, At):
            self._place = Anew(self._place.position)

    def _next_wish(self) -> JoinWish:
        match self._place:
            case Fresh(after, history):
                return JoinWish(after, history)
            case At(position) | Anew(position):
                return JoinWish(position, self._history)
            case AfterHead():
                return JoinWish(None, self._history)
            case FromEmpty():
                return JoinWish(None, HISTORY_MAX)
            case Ephemeral():
                return JoinWish(None, 0)

    def _take_joined_ephemeral(self, facts: JoinedFacts, asked: Position | None) -> Gap | None:
        was_here = isinstance(self._place, Ephemeral)
        reason, self._lost = self._lost, None
        self._place = Ephemeral()
        if was_here:
            return Gap(self._room, reason or "EPHEMERAL", 0, None)
        if facts.recovered is False:
            return Gap(self._room, facts.loss, 0, asked)
        return None

    def _take_ephemeral(self, ephemeral_seq: int) -> MessageVerdict:
        """Take a message without position; its count shows what was lost on the way to us."""
        last, self._ephemeral_seq = self._ephemeral_seq, ephemeral_seq
        missed = ephemeral_seq - last - 1
        if last == 0 or missed <= 0:
            return _DELIVER
        return MessageVerdict("deliver", Gap(self._room, "SLOW_MEMBER", missed, None))

    def _begin(self, head: Position | None, history: int) -> None:
        if head is None:
            self._place = FromEmpty()
        elif history == 0:
            self._place = At(head)
        else:
            self._place = AfterHead(head)


def _starts_behind(head: Position, position: Position, prev_seq: int) -> bool:
    """Whether messages between the head and this one are missing; of a later epoch: they may be."""
    if position.epoch != head.epoch:
        return position.epoch > head.epoch
    return prev_seq > head.seq
